import type { Item } from '../../core/machine/item.ts'
import { CommandFailure, type Transaction } from '../../core/machine/transaction.ts'
import type { Revision } from '../../core/types.ts'
import { encodeValue } from '../../wire/value.ts'
import { checkOptions } from '../calls/check-options.ts'
import { checkBounds, checkDeleted, checkScan } from '../query/key-filter.ts'
import { entryOf } from '../query/store-entry.ts'
import { checkTableName, TableKeys } from '../query/table-keys.ts'
import type { KeyRange, ScanRange, StoreEntry } from '../types.ts'
import type {
  CommandTransaction,
  Incremented,
  IncrementOptions,
  LeaseOptions,
} from './command-transaction.ts'

/** Shows the machine's transaction to a command: keys of a table, and values in place of their bytes. */
export class TableTransaction implements CommandTransaction {
  private readonly transaction: Transaction
  private readonly keys: TableKeys

  constructor(transaction: Transaction, keys: TableKeys = unnamed) {
    this.transaction = transaction
    this.keys = keys
  }

  get revision(): Revision {
    return this.transaction.revision
  }

  get<Value = unknown>(key: string): Value | undefined {
    return this.entry<Value>(key)?.value
  }

  entry<Value = unknown>(key: string): StoreEntry<Value> | undefined {
    const item = this.item(key)
    return item === undefined ? undefined : entryOf<Value>(item, this.keys)
  }

  has(key: string): boolean {
    return this.item(key) !== undefined
  }

  scan<Value = unknown>(range: ScanRange = {}): StoreEntry<Value>[] {
    return [...this.items(range)].map(item => entryOf<Value>(item, this.keys))
  }

  count(range: KeyRange = {}): number {
    return this.transaction.count(this.keys.range(checkBounds(range)))
  }

  put(key: string, value: unknown, options: LeaseOptions = {}): void {
    checkOptions(options)
    const { lease = 0 } = options
    this.transaction.put(this.keys.inStore(key), encodeValue(value), lease)
  }

  insert(key: string, value: unknown, options: LeaseOptions = {}): boolean {
    if (this.has(key)) return false
    this.put(key, value, options)
    return true
  }

  delete(key: string): boolean {
    return this.transaction.delete(this.keys.inStore(key))
  }

  deleteRange(range: KeyRange): number {
    let count = 0
    for (const { key } of this.items(checkDeleted(range))) if (this.transaction.delete(key)) count += 1
    return count
  }

  increment(key: string, options: IncrementOptions = {}): Incremented {
    checkOptions(options)
    const { by = 1, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER, initial = 0 } = options
    const entry = this.entry(key)
    const value = entry === undefined ? initial : entry.value
    if (!Number.isSafeInteger(value) || !Number.isSafeInteger(by)) throw new CommandFailure('NOT_A_NUMBER')
    const present = value as number
    const sum = present + by
    if (sum < min || sum > max || !Number.isSafeInteger(sum)) return { ok: false, value: present }
    // A count that goes with a lease goes on with it.
    this.put(key, sum, { lease: entry?.lease ?? 0 })
    return { ok: true, value: sum }
  }

  table(name: string): TableTransaction {
    checkTableName(name)
    return this.of(new TableKeys(name))
  }

  /** For built-in commands, which have tables that others cannot name. */
  of(keys: TableKeys): TableTransaction {
    return new TableTransaction(this.transaction, keys)
  }

  /** Nothing is decoded but what is asked for. */
  *keysOf(range: KeyRange): Generator<string> {
    for (const { key } of this.items(range)) yield this.keys.inTable(key)
  }

  shown(item: Item): StoreEntry {
    return entryOf(item, this.keys)
  }

  item(key: string): Item | undefined {
    return this.transaction.get(this.keys.inStore(key))
  }

  /** One by one, as they are asked for. */
  items(range: ScanRange): Iterable<Item> {
    const bounds = this.keys.range(checkScan(range))
    const { limit, reverse } = range
    return this.transaction.scan({ ...bounds, limit, reverse })
  }
}

const unnamed = new TableKeys('')
