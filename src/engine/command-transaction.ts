import type { Item } from '../core/machine/item.ts'
import { CommandFailure, type Transaction } from '../core/machine/transaction.ts'
import type { Revision } from '../core/types.ts'
import { decodeValue, encodeValue } from '../wire/value.ts'
import { checkBounds } from './key-filter.ts'
import { checkTableName, TableKeys } from './table-keys.ts'
import type { KeyRange, ScanRange, StoreEntry } from './types.ts'

export interface PutOptions {
  /** The lease that the key goes with: it is deleted when the lease is over. See `store.lease`. */
  readonly lease?: number
}

export interface IncrementOptions {
  /** What is added: an integer. Default 1. */
  readonly by?: number
  /** Bounds of the sum, which stays as it is beyond them. Default: those of safe integers. */
  readonly min?: number
  readonly max?: number
  /** What a key counts as that does not exist. Default 0. */
  readonly initial?: number
}

export interface Incremented {
  /** False when the sum would leave its bounds: nothing was written. */
  readonly ok: boolean
  /** The number that stands after the call. */
  readonly value: number
}

/** What a command reads and writes of one table: all of it or nothing, at one revision. Nothing here waits. */
export interface CommandTransaction {
  /** Of everything that this command writes. */
  readonly revision: Revision
  get<Value = unknown>(key: string): Value | undefined
  entry<Value = unknown>(key: string): StoreEntry<Value> | undefined
  has(key: string): boolean
  /** In the order of the keys, as they are at this call. */
  scan<Value = unknown>(range?: ScanRange): StoreEntry<Value>[]
  count(range?: KeyRange): number
  put(key: string, value: unknown, options?: PutOptions): void
  /** False, and nothing is written, when the key exists. */
  insert(key: string, value: unknown, options?: PutOptions): boolean
  /** False when the key did not exist. */
  delete(key: string): boolean
  /** How many keys were deleted. */
  deleteRange(range: KeyRange): number
  /** Adds to a number. Ends the command with NOT_A_NUMBER where something else stands. */
  increment(key: string, options?: IncrementOptions): Incremented
  /** The same for another table of the store. */
  table(name: string): CommandTransaction
}

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
    let count = 0
    for (const _item of this.items(range)) count += 1
    return count
  }

  put(key: string, value: unknown, { lease = 0 }: PutOptions = {}): void {
    this.transaction.put(this.keys.inStore(key), encodeValue(value), lease)
  }

  insert(key: string, value: unknown, options: PutOptions = {}): boolean {
    if (this.has(key)) return false
    this.put(key, value, options)
    return true
  }

  delete(key: string): boolean {
    return this.transaction.delete(this.keys.inStore(key))
  }

  deleteRange(range: KeyRange): number {
    let count = 0
    for (const { key } of this.items(range)) if (this.transaction.delete(key)) count += 1
    return count
  }

  increment(key: string, options: IncrementOptions = {}): Incremented {
    const { by = 1, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER, initial = 0 } = options
    const value: unknown = this.get(key) ?? initial
    if (!Number.isSafeInteger(value) || !Number.isSafeInteger(by)) throw new CommandFailure('NOT_A_NUMBER')
    const present = value as number
    const sum = present + by
    if (sum < min || sum > max) return { ok: false, value: present }
    // A count that goes with a lease goes on with it.
    this.put(key, sum, { lease: this.item(key)?.lease ?? 0 })
    return { ok: true, value: sum }
  }

  table(name: string): CommandTransaction {
    checkTableName(name)
    return new TableTransaction(this.transaction, new TableKeys(name))
  }

  private item(key: string): Item | undefined {
    return this.transaction.get(this.keys.inStore(key))
  }

  private items(range: ScanRange): Iterable<Item> {
    const { limit, reverse } = range
    return this.transaction.scan({ ...this.keys.range(checkBounds(range)), limit, reverse })
  }
}

const unnamed = new TableKeys('')

/** An item as it is shown, its value decoded anew. */
export function entryOf<Value>(item: Item, keys: TableKeys): StoreEntry<Value> {
  const { createRevision, modRevision, version, lease } = item
  const value = decodeValue(item.value) as Value
  const entry = { key: keys.inTable(item.key), value, createRevision, modRevision, version }
  return lease === 0 ? entry : { ...entry, lease }
}
