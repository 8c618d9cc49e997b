// A B+ tree whose nodes are shared between a map and its clones until one of them writes to them (copy on write, as
// in Rodeh, "B-trees, shadowing, and clones", 2008). Our own, because a page would load four times as much of the
// general one that can be had, for set operations, editing iterators and defaults that nothing here asks for.

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
  /** All values in the order of their keys, many at a time: whoever reads all of them is spared a step for each. */
  batches(): Generator<readonly Value[]>
  /** How many keys lie in a range. Looks at the nodes in it, not at each of its keys. */
  countIn(range: OrderedRange<Key>): number
  /** A copy in constant time that can be changed; neither sees what is later done to the other. */
  clone(): OrderedMap<Key, Value>
}

/** A fuller node is split in two. Smaller nodes make more levels, larger ones more copying after a clone. */
const nodeKeysMax = 32

interface Node<Key, Value> {
  /** Only the map with the same owner may write to the node; others copy it first. */
  readonly owner: object
  /**
   * Of a leaf, its keys. Of an inner node, one for each child: not above any key in it, and above all keys before it.
   * The first is never looked at: it may be wrong.
   */
  keys: Key[]
  /** The keys belong to the node that this one is a copy of: whoever writes to them copies them first. */
  sharesKeys: boolean
  /** Empty in an inner node. */
  readonly values: Value[]
  /** Undefined in a leaf. */
  readonly children: Node<Key, Value>[] | undefined
}

/** A map in the order of its keys: numbers by size, strings by UTF-16 code unit. */
export class OrderedMap<Key extends OrderedKey, Value> implements ReadonlyOrderedMap<Key, Value> {
  private owner: object = {}
  // Invariant: no node but the root is empty. Nodes that are merely sparse are left alone: they fill up again, or
  // become empty (Johnson and Shasha, "B-trees with inserts and deletes: why free-at-empty is better", 1993).
  private root: Node<Key, Value> = newNode(this.owner, [], [], undefined)
  private count = 0
  /** Where `get` found a key last: a write mostly follows a read of the same key, and need not look for it again. */
  private found = this.root
  private foundAt = 0

  get size(): number {
    return this.count
  }

  get(key: Key): Value | undefined {
    const leaf = this.leafOf(key)
    const at = rank(leaf.keys, key)
    this.found = leaf
    this.foundAt = at
    return leaf.keys[at] === key ? leaf.values[at] : undefined
  }

  set(key: Key, value: Value): void {
    const { found, foundAt } = this
    // A node of our own has been ours from the root down, and as long as it holds a key it is part of the tree.
    if (found.owner === this.owner && found.keys[foundAt] === key) {
      found.values[foundAt] = value
      return
    }
    this.root = this.owned(this.root)
    const right = this.insert(this.root, key, value)
    if (right === undefined) return
    const children = [this.root, right]
    this.root = newNode(this.owner, children.map(firstKey), [], children)
  }

  /** True when the key was there. */
  delete(key: Key): boolean {
    this.root = this.owned(this.root)
    const removed = this.remove(this.root, key)
    if (removed) this.count -= 1
    while (this.root.children?.length === 1) this.root = this.root.children[0] as Node<Key, Value>
    return removed
  }

  clone(): OrderedMap<Key, Value> {
    const copy = new OrderedMap<Key, Value>()
    copy.root = this.root
    copy.count = this.count
    // From now on neither may write to what both have.
    this.owner = {}
    return copy
  }

  entries(range: OrderedRange<Key> = {}): Generator<readonly [Key, Value]> {
    return range.reverse === true ? this.descending(range) : this.ascending(range)
  }

  *values(range: OrderedRange<Key> = {}): Generator<Value> {
    for (const [, value] of this.entries(range)) yield value
  }

  *batches(): Generator<readonly Value[]> {
    for (const { values } of this.leaves(undefined)) yield values
  }

  countIn({ gt, gte, lt, lte }: OrderedRange<Key>): number {
    const isBounded = (gt ?? gte ?? lt ?? lte) !== undefined
    return isBounded ? countWithin(this.root, { gt, gte, lt, lte }) : this.count
  }

  // Both go leaf by leaf and find each from the root, by the key that parts it from the one before: a leaf that knew
  // its neighbours could not be shared.

  private *ascending({ gt, gte, lt, lte }: OrderedRange<Key>): Generator<readonly [Key, Value]> {
    const from = gt ?? gte
    const rankOf = gt !== undefined ? rankAfter : rank
    let isFirst = from !== undefined
    for (const { keys, values } of this.leaves(from)) {
      for (let at = isFirst ? rankOf(keys, from as Key) : 0; at < keys.length; at++) {
        const key = keys[at] as Key
        if ((lt !== undefined && key >= lt) || (lte !== undefined && key > lte)) return
        yield [key, values[at] as Value]
      }
      isFirst = false
    }
  }

  private *leaves(first: Key | undefined): Generator<Node<Key, Value>> {
    let from = first
    do {
      let node = this.root
      let next: Key | undefined
      while (node.children !== undefined) {
        const at = from === undefined ? 0 : childIndex(node.keys, from)
        next = node.keys[at + 1] ?? next
        node = node.children[at] as Node<Key, Value>
      }
      yield node
      from = next
    } while (from !== undefined)
  }

  private *descending({ gt, gte, lt, lte }: OrderedRange<Key>): Generator<readonly [Key, Value]> {
    let from = lt ?? lte
    let withEqual = lt === undefined
    do {
      let node = this.root
      let next: Key | undefined
      while (node.children !== undefined) {
        const end = from === undefined ? node.keys.length : (withEqual ? rankAfter : rank)(node.keys, from, 1)
        if (end > 1) next = node.keys[end - 1]
        node = node.children[end - 1] as Node<Key, Value>
      }
      const { keys, values } = node
      for (
        let at = (from === undefined ? keys.length : (withEqual ? rankAfter : rank)(keys, from)) - 1;
        at >= 0;
        at--
      ) {
        const key = keys[at] as Key
        if ((gt !== undefined && key <= gt) || (gte !== undefined && key < gte)) return
        yield [key, values[at] as Value]
      }
      from = next
      withEqual = false
    } while (from !== undefined)
  }

  private leafOf(key: Key): Node<Key, Value> {
    let node = this.root
    while (node.children !== undefined) {
      node = node.children[childIndex(node.keys, key)] as Node<Key, Value>
    }
    return node
  }

  /** Into an owned node. Returns what was split off it, which belongs on its right. */
  private insert(node: Node<Key, Value>, key: Key, value: Value): Node<Key, Value> | undefined {
    const { values, children } = node
    let keys: Key[]
    if (children === undefined) {
      const at = rank(node.keys, key)
      if (node.keys[at] === key) {
        values[at] = value
        return undefined
      }
      keys = ownKeys(node)
      insertAt(keys, at, key)
      insertAt(values, at, value)
      this.count += 1
    } else {
      const at = childIndex(node.keys, key)
      const right = this.insert(this.ownedChild(children, at), key, value)
      if (right === undefined) return undefined
      keys = ownKeys(node)
      insertAt(keys, at + 1, firstKey(right))
      insertAt(children, at + 1, right)
    }
    if (keys.length <= nodeKeysMax) return undefined
    const half = nodeKeysMax / 2
    return newNode(this.owner, keys.splice(half), values.splice(half), children?.splice(half))
  }

  /** From an owned node, which may become empty. */
  private remove(node: Node<Key, Value>, key: Key): boolean {
    const { keys, values, children } = node
    if (children === undefined) {
      const at = rank(keys, key)
      if (keys[at] !== key) return false
      removeAt(ownKeys(node), at)
      removeAt(values, at)
      return true
    }
    const at = childIndex(keys, key)
    const child = this.ownedChild(children, at)
    const removed = this.remove(child, key)
    if (child.keys.length === 0) {
      removeAt(ownKeys(node), at)
      removeAt(children, at)
    }
    return removed
  }

  private ownedChild(children: Node<Key, Value>[], at: number): Node<Key, Value> {
    const child = this.owned(children[at] as Node<Key, Value>)
    children[at] = child
    return child
  }

  private owned(node: Node<Key, Value>): Node<Key, Value> {
    if (node.owner === this.owner) return node
    const { keys, values, children } = node
    // Most writes change no key of a node, and a copy is half as large without.
    return { owner: this.owner, keys, sharesKeys: true, values: values.slice(), children: children?.slice() }
  }
}

function newNode<Key, Value>(
  owner: object,
  keys: Key[],
  values: Value[],
  children: Node<Key, Value>[] | undefined,
): Node<Key, Value> {
  return { owner, keys, sharesKeys: false, values, children }
}

/** The keys of an owned node, to be written to. */
function ownKeys<Key>(node: Node<Key, unknown>): Key[] {
  if (node.sharesKeys) {
    node.keys = node.keys.slice()
    node.sharesKeys = false
  }
  return node.keys
}

function firstKey<Key extends OrderedKey>(node: Node<Key, unknown>): Key {
  return node.keys[0] as Key
}

/** Goes down one way to where the two ends of the range part, and from there to each of them. */
function countWithin<Key extends OrderedKey>(node: Node<Key, unknown>, range: OrderedRange<Key>): number {
  const { keys, children } = node
  const { gt, gte, lt, lte } = range
  if (children === undefined) {
    const start = gt !== undefined ? rankAfter(keys, gt) : gte !== undefined ? rank(keys, gte) : 0
    const end = lt !== undefined ? rank(keys, lt) : lte !== undefined ? rankAfter(keys, lte) : keys.length
    return Math.max(0, end - start)
  }
  const from = gt ?? gte
  const to = lt ?? lte
  const first = from === undefined ? 0 : childIndex(keys, from)
  const last = to === undefined ? children.length - 1 : childIndex(keys, to)
  let sum = 0
  for (let at = first; at <= last; at++) {
    const child = children[at] as Node<Key, unknown>
    const start = at === first ? { gt, gte } : {}
    const end = at === last ? { lt, lte } : {}
    sum += at > first && at < last ? sizeOf(child) : countWithin(child, { ...start, ...end })
  }
  return sum
}

function sizeOf({ keys, children }: Node<OrderedKey, unknown>): number {
  return children === undefined ? keys.length : children.reduce((sum, child) => sum + sizeOf(child), 0)
}

/** Which child of an inner node holds the key, if any does. */
function childIndex<Key extends OrderedKey>(keys: readonly Key[], key: Key): number {
  return rankAfter(keys, key, 1) - 1
}

/** How many of the keys, the first ones unseen, are below the key. */
function rank<Key extends OrderedKey>(keys: readonly Key[], key: Key, unseen = 0): number {
  let low = unseen
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as Key) < key) low = middle + 1
    else high = middle
  }
  return low
}

/** How many of the keys, the first ones unseen, are below the key or equal to it. */
function rankAfter<Key extends OrderedKey>(keys: readonly Key[], key: Key, unseen = 0): number {
  let low = unseen
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (key < (keys[middle] as Key)) high = middle
    else low = middle + 1
  }
  return low
}

// For arrays as short as these, about twice as fast as `splice`.

function insertAt<Item>(array: Item[], at: number, item: Item): void {
  for (let i = array.length; i > at; i--) array[i] = array[i - 1] as Item
  array[at] = item
}

function removeAt(array: unknown[], at: number): void {
  for (let i = at + 1; i < array.length; i++) array[i - 1] = array[i]
  array.pop()
}
