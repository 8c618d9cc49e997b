/**
 * A typed value, as the command line reads it: JSON, or a string when it is no JSON and does not look as if
 * it was meant to be. Throws TypeError where it does.
 */
export function parseValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    if (/^\s*[{["]/.test(text)) throw new TypeError('The value begins like JSON, but is none')
    return text
  }
}
