import { keyCharactersMax } from '../limits.ts'

/**
 * Whether a string can be a key: not empty, of bounded length, well-formed. A lone surrogate has no UTF-8
 * form, so it would come out of the log as another key.
 */
export function isKey(text: string): boolean {
  return text.length > 0 && text.length <= keyCharactersMax && !loneSurrogate.test(text)
}

const loneSurrogate = /\p{Surrogate}/u
