import { keyCharactersMax } from '../core/limits.ts'

// A key of abstract-level is bytes, one of a store a string. Bytes become the code units of the same numbers, which are
// in the same order. A store has no empty key, so whatever is empty or begins with a zero stands behind one more zero.

const zero = '\0'

/** What is longer than any key is cut behind that: all keys are on the same side of it as before. */
export function toKey(bytes: Uint8Array): string {
  const key = String.fromCharCode(...bytes.subarray(0, keyCharactersMax + 1))
  return key === '' || key.startsWith(zero) ? zero + key : key
}

/** Throws TypeError on a key that `toKey` did not make. */
export function toBytes(key: string): Uint8Array {
  const start = key.startsWith(zero) ? 1 : 0
  const bytes = new Uint8Array(key.length - start)
  for (let position = start; position < key.length; position++) {
    const unit = key.charCodeAt(position)
    if (unit > 0xff) throw new TypeError('something else than quorate/level has written to its table')
    bytes[position - start] = unit
  }
  return bytes
}
