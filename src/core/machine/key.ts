import { QuorateError } from '../error.ts'
import { keyCharactersMax } from '../limits.ts'

/**
 * Takes what a caller gave as a key. Throws TypeError where it is none: not a string, empty, or with a lone surrogate
 * (it has no UTF-8 form, so it would come out of the log as another key); TOO_LARGE above `keyCharactersMax`.
 */
export function asKey(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('a key is a string')
  if (value.length > keyCharactersMax) {
    throw new QuorateError('TOO_LARGE', `a key has at most ${keyCharactersMax} characters`)
  }
  if (!isKey(value)) throw new TypeError('a key is not empty and well-formed Unicode')
  return value
}

/** The same rule for what another replica sent. */
export function isKey(text: string): boolean {
  return text.length > 0 && text.length <= keyCharactersMax && !loneSurrogate.test(text)
}

const loneSurrogate = /\p{Surrogate}/u
