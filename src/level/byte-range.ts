import type { KeyRange } from '../engine/types.ts'
import { toKey } from './byte-keys.ts'

/** A range as abstract-level gives it. */
export interface RangeOptions {
  readonly gt?: Uint8Array
  readonly gte?: Uint8Array
  readonly lt?: Uint8Array
  readonly lte?: Uint8Array
}

/** One end of a range, which has the key itself in it unless it is open. */
export interface Bound {
  readonly key: string
  readonly isOpen: boolean
}

/** A range of keys. Its ends may be longer than any key. */
export interface ByteRange {
  readonly lower: Bound | undefined
  readonly upper: Bound | undefined
}

/** Of two bounds of one side the one counts that has its key in it: the suite of abstract-level asks for that. */
export function byteRange({ gt, gte, lt, lte }: RangeOptions): ByteRange {
  return { lower: bound(gte, false) ?? bound(gt, true), upper: bound(lte, false) ?? bound(lt, true) }
}

function bound(bytes: Uint8Array | undefined, isOpen: boolean): Bound | undefined {
  return bytes && { key: toKey(bytes), isOpen }
}

export function isWithin({ lower, upper }: ByteRange, key: string): boolean {
  if (lower !== undefined && (lower.isOpen ? key <= lower.key : key < lower.key)) return false
  return upper === undefined || (upper.isOpen ? key < upper.key : key <= upper.key)
}

/** The range as a store takes it. Between an end that is longer than any key, and what it begins with, lies no key. */
export function keyRange({ lower, upper }: ByteRange, charactersMax: number): KeyRange {
  const start = lower && (lower.isOpen || lower.key.length > charactersMax ? 'gt' : 'gte')
  const end = upper && (upper.isOpen && upper.key.length <= charactersMax ? 'lt' : 'lte')
  return {
    ...(start && { [start]: lower.key.slice(0, charactersMax) }),
    ...(end && { [end]: upper.key.slice(0, charactersMax) }),
  }
}
