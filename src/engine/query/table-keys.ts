import { QuorateError } from '../../core/error.ts'
import { keyCharactersMax, readKeysMax } from '../../core/limits.ts'
import type { KeyInTable, KeyRange } from '../types.ts'
import { type Bounds, checkKey } from './key-filter.ts'

// The keys of a table lie together in the one map of the store, behind its name: "\0name\0key". So an entry may write
// to any of them, a watch may see them in one order, and the unnamed table costs nothing.

const mark = '\0'
const afterMark = '\u0001'

/** Translates the keys of one table into those of the store, and back. */
export class TableKeys {
  readonly name: string
  private readonly prefix: string

  /** Of the table of that name; '' is the one without a name. */
  constructor(name: string) {
    this.name = name
    this.prefix = name === '' ? '' : `${mark}${name}${mark}`
  }

  /** Throws TypeError on what is no key, TOO_LARGE where it is too long with the name of its table. */
  inStore(key: string): string {
    checkKey(key)
    if (this.prefix === '') {
      if (key.startsWith(mark)) throw new TypeError('a key must not begin with U+0000')
      return key
    }
    const whole = this.prefix + key
    if (whole.length > keyCharactersMax)
      throw new QuorateError(
        'TOO_LARGE',
        `a key has at most ${keyCharactersMax - this.prefix.length} characters here`,
      )
    return whole
  }

  /** The keys of one read. Throws TypeError as well where they are no list, TOO_LARGE above `readKeysMax`. */
  allInStore(keys: readonly string[]): readonly string[] {
    if (!Array.isArray(keys)) throw new TypeError('the keys of a read are an array')
    if (keys.length > readKeysMax)
      throw new QuorateError('TOO_LARGE', `one read names at most ${readKeysMax} keys`)
    return keys.map(key => this.inStore(key))
  }

  inTable(key: string): string {
    return key.slice(this.prefix.length)
  }

  /** A range of the table's keys, as one of the store's. Throws TypeError on bounds that are longer than any key. */
  range(bounds: Bounds): Bounds {
    const longest = Math.max(...Object.values(bounds).map(bound => bound.length), 0)
    if (this.prefix.length + longest > keyCharactersMax) throw new TypeError('a bound is longer than any key')

    const { key, prefix } = bounds
    if (key !== undefined) return { key: this.inStore(key) }
    if (this.prefix === '') {
      // The keys of the named tables come first.
      if (prefix?.startsWith(mark)) return { gte: afterMark, lt: afterMark }
      return prefix !== undefined && prefix !== ''
        ? { prefix }
        : { ...lowest(bounds, '', afterMark), ...highest(bounds, '') }
    }
    if (prefix !== undefined) return { prefix: this.prefix + prefix }
    const end = `${this.prefix.slice(0, -1)}${afterMark}`
    return { ...lowest(bounds, this.prefix, this.prefix), ...highest(bounds, this.prefix, end) }
  }
}

/** Whether a key of the store is in a table that users cannot open: its name begins with a dollar sign. */
export function isReserved(key: string): boolean {
  return key.startsWith(`${mark}$`)
}

/** What a key of the store is in its table. */
export function keyInTable(key: string): KeyInTable {
  const end = key.startsWith(mark) ? key.indexOf(mark, 1) : -1
  return end < 0 ? { key } : { table: key.slice(1, end), key: key.slice(end + 1) }
}

/** The lower bound that holds where both given ones do, behind the prefix; `start` where that is higher. */
function lowest({ gt, gte }: KeyRange, prefix: string, start: string): KeyRange {
  const isOpen = gt !== undefined && (gte === undefined || gt >= gte)
  const bound = prefix + ((isOpen ? gt : gte) ?? '')
  if (bound < start) return { gte: start }
  return isOpen ? { gt: bound } : { gte: bound }
}

function highest({ lt, lte }: KeyRange, prefix: string, end?: string): KeyRange {
  if (lte !== undefined && (lt === undefined || lte < lt)) return { lte: prefix + lte }
  if (lt !== undefined) return { lt: prefix + lt }
  return end === undefined ? {} : { lt: end }
}

/** Throws TypeError on what cannot be the name of a table. */
export function checkTableName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name))
    throw new TypeError('the name of a table has 1 to 64 letters, digits, dots, dashes or underscores')
}
