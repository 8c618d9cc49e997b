import type { ReadonlyOrderedMap } from '../../base/ordered-map.ts'
import type { Index } from '../types.ts'
import type { Item } from './item.ts'

/** Bounds of a scan: a prefix, or a range; without either, everything. */
export interface ScanOptions {
  /** Only keys that start with this. Together with bounds, both hold. */
  readonly prefix?: string | undefined
  readonly gt?: string | undefined
  readonly gte?: string | undefined
  readonly lt?: string | undefined
  readonly lte?: string | undefined
  /** From the last key to the first. */
  readonly reverse?: boolean | undefined
  /** The most items that are wanted. */
  readonly limit?: number | undefined
}

/** The items as they were at one revision, whatever is written meanwhile. */
export class View {
  /** The index of the last entry that this view knows of. */
  readonly revision: Index
  private readonly items: ReadonlyOrderedMap<string, Item>

  constructor(revision: Index, items: ReadonlyOrderedMap<string, Item>) {
    this.revision = revision
    this.items = items
  }

  get size(): number {
    return this.items.size
  }

  get(key: string): Item | undefined {
    return this.items.get(key)
  }

  /** How many items there are in a range. Faster than reading them. */
  count(range: Range): number {
    return this.items.countIn(rangeOf(range))
  }

  /** Items in the order of their keys, by UTF-16 code unit. */
  *scan(options: ScanOptions = {}): Generator<Item> {
    let left = options.limit ?? Number.POSITIVE_INFINITY
    if (left <= 0) return
    for (const item of this.items.values(rangeOf(options))) {
      yield item
      if (--left <= 0) return
    }
  }
}

type Range = Omit<ScanOptions, 'limit'>

/** The one range that holds exactly where all the bounds hold, with one bound at each end. */
function rangeOf(options: Range): Omit<Range, 'prefix'> {
  const { prefix, gt, lte, reverse } = options
  let { gte, lt } = options
  if (prefix !== undefined && prefix !== '') {
    const end = afterPrefix(prefix)
    if (gte === undefined || gte < prefix) gte = prefix
    if (end !== undefined && (lt === undefined || lt > end)) lt = end
  }
  const low = gt !== undefined && (gte === undefined || gt >= gte) ? { gt } : { gte }
  const high = lt !== undefined && (lte === undefined || lt <= lte) ? { lt } : { lte }
  return { ...low, ...high, reverse }
}

/** The least string greater than all with this prefix, well-formed or not; undefined where there is none. */
function afterPrefix(prefix: string): string | undefined {
  for (let length = prefix.length; length > 0; length--) {
    const unit = prefix.charCodeAt(length - 1)
    if (unit < 0xffff) return prefix.slice(0, length - 1) + String.fromCharCode(unit + 1)
  }
  return undefined
}
