import type { Item } from '../../core/machine/item.ts'
import type { View } from '../../core/machine/view.ts'
import type { Revision } from '../../core/types.ts'
import type { Reader } from '../backend.ts'
import { closed } from '../calls/closed.ts'
import { checkBounds, checkScan } from '../query/key-filter.ts'
import { entryOf, itemValue } from '../query/store-entry.ts'
import { checkTableName, TableKeys } from '../query/table-keys.ts'
import type { KeyRange, ScanRange, StoreEntry } from '../types.ts'

/** What a view and its tables share, so that closing one closes all. */
export interface Held {
  reader: Reader | undefined
}

/**
 * A view of a state that is on this host: nothing here waits. It needs nothing but memory, so it can be read after its
 * store was closed. Its calls throw DIVERGED once the replica is in quarantine. Values are decoded anew at each call:
 * they are the caller's to change.
 */
export class LocalView {
  readonly revision: Revision
  private readonly held: Held
  private readonly keys: TableKeys

  /** @internal */
  constructor(revision: Revision, held: Held, keys: TableKeys) {
    this.revision = revision
    this.held = held
    this.keys = keys
  }

  /** The value of a key, undefined where it does not exist. */
  get<Value = unknown>(key: string): Value | undefined {
    return itemValue<Value>(this.item(key))
  }

  /** A key's value with its revisions, undefined where it does not exist. */
  entry<Value = unknown>(key: string): StoreEntry<Value> | undefined {
    const item = this.item(key)
    return item === null ? undefined : entryOf<Value>(item, this.keys)
  }

  /** The values of at most 10 000 keys, in the order of the keys. */
  getMany<Value = unknown>(keys: readonly string[]): (Value | undefined)[] {
    return this.keys.allInStore(keys).map(key => itemValue<Value>(this.state().get(key) ?? null))
  }

  /** The entries of a range, in the order of their keys. */
  scan<Value = unknown>(range: ScanRange = {}): StoreEntry<Value>[] {
    return [...this.iterate<Value>(range)]
  }

  /** What `scan` gives, one by one: whoever leaves early, or needs little of it at a time, pays for no more. */
  iterate<Value = unknown>(range: ScanRange = {}): IterableIterator<StoreEntry<Value>> {
    const bounds = this.keys.range(checkScan(range))
    const { limit, reverse } = range
    return entries(this.state().scan({ ...bounds, limit, reverse }), this.keys) as IterableIterator<
      StoreEntry<Value>
    >
  }

  /** How many keys a range holds. */
  count(range: KeyRange = {}): number {
    return this.state().count(this.keys.range(checkBounds(range)))
  }

  /** The same view of another table of the store. */
  table(name: string): LocalView {
    checkTableName(name)
    return new LocalView(this.revision, this.held, new TableKeys(name))
  }

  private item(key: string): Item | null {
    return this.state().get(this.keys.inStore(key)) ?? null
  }

  private state(): View {
    const state = this.held.reader?.state
    if (state === undefined) throw closed('none', 'view')
    return state
  }
}

function* entries(items: Iterable<Item>, keys: TableKeys): Generator<StoreEntry> {
  for (const item of items) yield entryOf(item, keys)
}
