import { MalformedError } from './malformed-error.ts'

/** Texts up to this length are written and read faster by hand than by the platform, where they are ASCII. */
export const shortTextMax = 24

/** The text whose UTF-8 form is bytes[start, end). Throws MalformedError where it is none. */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= shortTextMax) {
    let text = ''
    let i = start
    for (; i < end; i++) {
      const byte = bytes[i] as number
      if (byte >= 0x80) break
      text += String.fromCharCode(byte)
    }
    if (i === end) return text
  }
  try {
    return strictText.decode(bytes.subarray(start, end))
  } catch (cause) {
    throw new MalformedError('a string that is not UTF-8', { cause })
  }
}

/** Refuses what is not well-formed, in place of putting replacement characters, and takes nothing for a mark. */
const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
