import { QuorateError } from '../../core/error.ts'
import { keyCharactersMax } from '../../core/limits.ts'
import { isKey } from '../../core/machine/key.ts'
import { checkOptions } from '../calls/check-options.ts'
import type { KeyRange, ScanRange, WatchRange } from '../types.ts'

/** Whether a watcher wants to hear of a key. */
export type KeyFilter = (key: string) => boolean

/** A range as it crosses the wire and enters the state machine: only the bounds that were given. */
export type Bounds = KeyRange & { readonly key?: string }

const boundNames = ['gt', 'gte', 'lt', 'lte'] as const

/** Throws TypeError on what is no key, TOO_LARGE above `keyCharactersMax`. */
export function checkKey(key: unknown, name = 'key'): asserts key is string {
  if (typeof key !== 'string' || key === '')
    throw new TypeError(`a ${name} must be a string that is not empty`)
  if (key.length > keyCharactersMax) {
    throw new QuorateError(
      'TOO_LARGE',
      `a ${name} has at most ${keyCharactersMax} characters, this one ${key.length}`,
    )
  }
  if (!isKey(key)) throw new TypeError(`a ${name} must be well-formed: it holds a lone surrogate`)
}

/** What a watch may say beside its bounds. */
export const watchNames = ['key', 'from', 'signal', 'resync', 'bookmarks']

/**
 * The bounds of a range, checked. Throws TypeError on bounds that exclude each other by kind, and on all names but
 * those and `others`: a bound whose name is misspelt would be none, and every key meant.
 */
export function checkBounds(range: WatchRange | ScanRange, others: readonly string[] = []): Bounds {
  checkOptions(range, 'range')
  for (const name of Object.keys(range))
    if (name !== 'prefix' && !(boundNames as readonly string[]).includes(name) && !others.includes(name))
      throw new TypeError(`${name} means nothing in this range`)
  const { prefix } = range
  const key = 'key' in range ? range.key : undefined
  const bounds: Record<string, string> = {}
  for (const name of ['prefix', ...boundNames] as const) {
    const bound = range[name]
    if (bound === undefined) continue
    if (typeof bound !== 'string') throw new TypeError(`${name} must be a string`)
    if (bound.length > keyCharactersMax) throw new TypeError(`${name} is longer than any key`)
    // It would reach a gateway as another one.
    if (bound !== '' && !isKey(bound))
      throw new TypeError(`${name} must be well-formed: it holds a lone surrogate`)
    bounds[name] = bound
  }
  const given = Object.keys(bounds).length
  if (prefix !== undefined && given > 1) throw new TypeError('prefix excludes gt, gte, lt and lte')
  if (key === undefined) return bounds
  if (given > 0) throw new TypeError('key excludes prefix and the bounds')
  checkKey(key)
  return { key }
}

/** `checkBounds` of a scan. Throws TypeError as well on what is no number of entries, or no order. */
export function checkScan(range: ScanRange): Bounds {
  const bounds = checkBounds(range, ['limit', 'reverse'])
  const { limit, reverse } = range
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0))
    throw new TypeError('limit must be an integer from 0')
  if (reverse !== undefined && typeof reverse !== 'boolean') throw new TypeError('reverse is true or false')
  return bounds
}

/** `checkBounds` of what is to be deleted: a bound that happens to be undefined must not mean every key. */
export function checkDeleted(range: KeyRange): Bounds {
  const bounds = checkBounds(range)
  const missing = Object.keys(range).find(name => !(name in bounds))
  if (missing !== undefined) throw new TypeError(`${missing} is undefined; every key is {}`)
  return bounds
}

export function keyFilter(bounds: Bounds): KeyFilter {
  const { key, prefix, gt, gte, lt, lte } = bounds
  if (key !== undefined) return candidate => candidate === key
  if (prefix !== undefined) return candidate => candidate.startsWith(prefix)
  return candidate =>
    (gt === undefined || candidate > gt) &&
    (gte === undefined || candidate >= gte) &&
    (lt === undefined || candidate < lt) &&
    (lte === undefined || candidate <= lte)
}
