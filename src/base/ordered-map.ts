// The one file that knows sorted-btree: a B+ tree that shares nodes with its clones until they are written.
import sortedBtree from 'sorted-btree'

// The package is CommonJS: in an ES module its default import is `module.exports`, which holds the class.
const BTree = sortedBtree.default

export type OrderedKey = string | number

/** Bounds of an iteration: at most one at each end; without any it runs over everything. */
export interface OrderedRange<Key extends OrderedKey> {
  readonly gt?: Key | undefined
  readonly gte?: Key | undefined
  readonly lt?: Key | undefined
  readonly lte?: Key | undefined
  readonly reverse?: boolean | undefined
}

export interface ReadonlyOrderedMap<Key extends OrderedKey, Value> {
  readonly size: number
  get(key: Key): Value | undefined
  /** In order of the keys. The map must not be changed while it is iterated; iterate over a clone instead. */
  entries(range?: OrderedRange<Key>): Generator<readonly [Key, Value]>
  values(range?: OrderedRange<Key>): Generator<Value>
  /** A copy in constant time that can be changed; neither sees what is later done to the other. */
  clone(): OrderedMap<Key, Value>
}

/** A map in the order of its keys: numbers by size, strings by UTF-16 code unit. */
export class OrderedMap<Key extends OrderedKey, Value> implements ReadonlyOrderedMap<Key, Value> {
  private tree: InstanceType<typeof BTree<Key, Value>>

  constructor() {
    this.tree = new BTree<Key, Value>(undefined, compareKeys)
  }

  get size(): number {
    return this.tree.size
  }

  get(key: Key): Value | undefined {
    return this.tree.get(key)
  }

  set(key: Key, value: Value): void {
    this.tree.set(key, value)
  }

  /** True when the key was there. */
  delete(key: Key): boolean {
    return this.tree.delete(key)
  }

  clone(): OrderedMap<Key, Value> {
    const copy = new OrderedMap<Key, Value>()
    copy.tree = this.tree.clone()
    return copy
  }

  *entries(range: OrderedRange<Key> = {}): Generator<readonly [Key, Value]> {
    if (range.reverse === true) {
      const from = range.lt ?? range.lte
      for (const pair of this.tree.entriesReversed(from, undefined, range.lt !== undefined)) {
        if (isBelow(range, pair[0])) return
        yield pair
      }
      return
    }
    for (const pair of this.tree.entries(range.gt ?? range.gte)) {
      if (isAbove(range, pair[0])) return
      if (pair[0] !== range.gt) yield pair
    }
  }

  *values(range: OrderedRange<Key> = {}): Generator<Value> {
    for (const [, value] of this.entries(range)) yield value
  }
}

function isBelow<Key extends OrderedKey>({ gt, gte }: OrderedRange<Key>, key: Key): boolean {
  return (gt !== undefined && key <= gt) || (gte !== undefined && key < gte)
}

function isAbove<Key extends OrderedKey>({ lt, lte }: OrderedRange<Key>, key: Key): boolean {
  return (lt !== undefined && key >= lt) || (lte !== undefined && key > lte)
}

function compareKeys(left: OrderedKey, right: OrderedKey): number {
  return left < right ? -1 : left > right ? 1 : 0
}
