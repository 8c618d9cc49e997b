import type { OrderedMap, ReadonlyOrderedMap } from '../../base/ordered-map.ts'
import type { Index, Revision } from '../types.ts'
import type { LeaseId } from './command.ts'
import type { History } from './history.ts'
import { type Change, type Item, itemAfter, putOf } from './item.ts'
import { type GrantedLease, Leases } from './leases.ts'
import { Transaction } from './transaction.ts'
import { View } from './view.ts'

/** The items of a store and the leases that keys go with. Every change of an item is made here, and remembered. */
export class Keyspace {
  readonly leases: Leases
  private items: OrderedMap<string, Item>
  private readonly history: History

  constructor(
    state: {
      readonly items: ReadonlyOrderedMap<string, Item>
      readonly leases: ReadonlyOrderedMap<LeaseId, GrantedLease>
    },
    history: History,
  ) {
    this.items = state.items.clone()
    this.leases = new Leases(state.leases, state.items.values())
    this.history = history
  }

  get(key: string): Item | undefined {
    return this.items.get(key)
  }

  all(): Iterable<Item> {
    return this.items.values()
  }

  /** A copy in constant time. */
  snapshot(): ReadonlyOrderedMap<string, Item> {
    return this.items.clone()
  }

  view(revision: Index): View {
    return new View(revision, this.items.clone())
  }

  put(revision: Revision, key: string, value: Uint8Array): Change {
    const previous = this.items.get(key)
    const item = itemAfter(previous, { revision, key, value, lease: 0 })
    this.items.set(item.key, item)
    if (previous !== undefined) this.leases.follow(previous, item)
    return this.changed(putOf(item))
  }

  erase(revision: Revision, previous: Item): Change {
    const { key } = previous
    this.items.delete(key)
    this.leases.follow(previous, null)
    return this.changed({ type: 'delete', key, revision, item: null })
  }

  /** Ends leases, and removes their keys. */
  end(revision: Revision, leases: readonly LeaseId[]): Change[] {
    const keys = leases.flatMap(id => this.leases.end(id))
    return keys.map(key => this.erase(revision, this.items.get(key) as Item))
  }

  transaction(revision: Revision): Transaction {
    return new Transaction(revision, this.items, (id, more) => this.leases.refusal(id, more))
  }

  commit(transaction: Transaction): readonly Change[] {
    const result = transaction.result()
    if (result === undefined) return []
    const before = this.items
    this.items = result.items
    for (const change of result.changes) {
      this.leases.follow(before.get(change.key), change.item)
      this.changed(change)
    }
    return result.changes
  }

  private changed(change: Change): Change {
    this.history.add(change)
    return change
  }
}
