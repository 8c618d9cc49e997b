import { QuorateError } from '../../core/error.ts'
import { transactionKeysMax } from '../../core/limits.ts'
import type { Revision } from '../../core/types.ts'
import { decodeValue, encodeValue } from '../../wire/value.ts'
import { checkOptions } from '../calls/check-options.ts'
import { closed } from '../calls/closed.ts'
import { checkBounds, checkScan, keyFilter } from '../query/key-filter.ts'
import { TableKeys } from '../query/table-keys.ts'
import type { CallOptions, KeyRange, ScanRange, StoreEntry } from '../types.ts'
import type { LeaseOptions } from './command-transaction.ts'
import type { StoreView } from './store-view.ts'
import type { Compare, Operation, Txn } from './txn.ts'

/** Null: the key is deleted. */
type Write = { readonly value: Uint8Array; readonly lease: number } | null

/** What one table of a transaction read and wrote. */
interface TableRecord {
  /** What was read, by its modRevision; 0: there was nothing. */
  readonly keys: Map<string, Revision>
  /** By what they say: a range that is read twice is compared once. */
  readonly ranges: Map<string, Compare>
  readonly writes: Map<string, Write>
}

/** What a transaction read, to be checked when it writes, and what it is to write. */
export class TransactionRecord {
  private readonly revision: Revision
  private readonly tables = new Map<string, TableRecord>()
  private notes = 0
  private isOver = false

  /** Of the view that it reads from. */
  constructor(revision: Revision) {
    this.revision = revision
  }

  get hasWrites(): boolean {
    return [...this.tables.values()].some(({ writes }) => writes.size > 0)
  }

  table(name: string): TableRecord {
    if (this.isOver) throw closed('none', 'transaction')
    const record = this.tables.get(name) ?? { keys: new Map(), ranges: new Map(), writes: new Map() }
    this.tables.set(name, record)
    return record
  }

  /** Called before a note is made: a transaction that is noted in part must not be committed. */
  count(): void {
    this.notes += 1
    if (this.notes > transactionKeysMax)
      throw new QuorateError(
        'TOO_LARGE',
        `a transaction reads and writes at most ${transactionKeysMax} times`,
      )
  }

  /**
   * That a range holds what it held: as many keys, none of them changed since. (Had one come and another gone, one
   * would be newer.)
   */
  noteRange(table: string, range: KeyRange, count: number): void {
    this.note(table, { range, count })
    this.note(table, { range, modRevision: this.revision, is: '<=' })
  }

  note(table: string, compare: Compare): void {
    this.table(table).ranges.set(JSON.stringify(compare), compare)
  }

  /** Nothing is read or written any more. */
  end(): void {
    this.isOver = true
  }

  txn(): Txn {
    const compare: Compare[] = []
    const success: Operation[] = []
    for (const [name, { keys, ranges, writes }] of this.tables) {
      const table = name === '' ? {} : { table: name }
      for (const [key, modRevision] of keys) compare.push({ ...table, key, modRevision })
      for (const range of ranges.values()) compare.push({ ...table, ...range })
      for (const [key, write] of writes) {
        success.push(
          write === null
            ? { ...table, type: 'delete', key }
            : { ...table, type: 'put', key, value: decodeValue(write.value), lease: write.lease },
        )
      }
    }
    return { compare, success }
  }
}

/**
 * What the function of `store.transact` reads and writes: all of it from one revision, and its own writes are seen. It
 * reads and writes 10 000 times at most, and scans 262 144 keys where it writes (TOO_LARGE).
 * `entry` and `scan` show an own write with revisions of 0, for it has none yet. After the function nothing works any
 * more (CLOSED).
 */
export class StoreTransaction {
  /** That everything is read from. */
  readonly revision: Revision
  private readonly view: StoreView
  private readonly record: TransactionRecord
  private readonly options: () => CallOptions
  private readonly name: string
  private readonly keys: TableKeys

  /** @internal */
  constructor(view: StoreView, record: TransactionRecord, options: () => CallOptions, name = '') {
    this.revision = view.revision
    this.view = view
    this.record = record
    this.options = options
    this.name = name
    this.keys = new TableKeys(name)
  }

  /**
   * The value of a key, undefined where it does not exist.
   * What is read may not be changed by others before the commit; that it does not exist counts, too.
   */
  async get<Value = unknown>(key: string): Promise<Value | undefined> {
    return (await this.entry<Value>(key))?.value
  }

  /** A key's value with its revisions, undefined where it does not exist. */
  async entry<Value = unknown>(key: string): Promise<StoreEntry<Value> | undefined> {
    const { writes, keys } = this.here()
    this.keys.inStore(key)
    const write = writes.get(key)
    if (write !== undefined) return write === null ? undefined : written<Value>(key, write)
    this.record.count()
    const entry = await this.view.entry<Value>(key, this.options())
    keys.set(key, entry?.modRevision ?? 0)
    return entry
  }

  /** The values of keys, in their order. */
  async getMany<Value = unknown>(keys: readonly string[]): Promise<(Value | undefined)[]> {
    return Promise.all(keys.map(key => this.get<Value>(key)))
  }

  /** In the order of the keys. Nothing may come into the range, go from it or change in it until the commit. */
  async scan<Value = unknown>(range: ScanRange = {}): Promise<StoreEntry<Value>[]> {
    const bounds = checkScan(range)
    const { limit, reverse } = range
    const own = this.own(bounds)
    this.record.count()
    // Each own write may hide one of those that are there.
    const most = limit === undefined ? undefined : limit + own.length
    const found = await this.view.scan<Value>(
      { ...range, ...(most !== undefined && { limit: most }) },
      this.options(),
    )
    await this.noteScan(range, found, found.length === most)
    return merged(found, own, reverse === true).slice(0, limit)
  }

  /** How many keys a range holds; that must be so at the commit, whichever they are. */
  async count(range: KeyRange = {}): Promise<number> {
    const bounds = checkBounds(range)
    if (this.own(bounds).length > 0) return (await this.scan(bounds)).length
    this.record.count()
    const count = await this.view.count(bounds, this.options())
    this.record.note(this.name, { range: bounds, count })
    return count
  }

  /** Sets a key at the commit. With a lease that is over by then the transaction rejects (LEASE_NOT_FOUND). */
  put(key: string, value: unknown, options: LeaseOptions = {}): void {
    checkOptions(options)
    const { lease = 0 } = options
    if (!Number.isSafeInteger(lease)) throw new TypeError('lease must be an integer')
    this.write(key, { value: encodeValue(value), lease })
  }

  /** Removes a key at the commit, where it exists. */
  delete(key: string): void {
    this.write(key, null)
  }

  /** The same transaction in another table of the store. */
  table(name: string): StoreTransaction {
    return new StoreTransaction(this.view.table(name), this.record, this.options, name)
  }

  private write(key: string, write: Write): void {
    const { writes } = this.here()
    this.keys.inStore(key)
    this.record.count()
    writes.set(key, write)
  }

  private here(): TableRecord {
    return this.record.table(this.name)
  }

  private own(bounds: KeyRange): [string, Write][] {
    const matches = keyFilter(bounds)
    return [...this.here().writes].filter(([key]) => matches(key))
  }

  /** What a scan that ended at its limit has seen goes from one end of its range to the last key it found. */
  private async noteScan(range: ScanRange, found: readonly StoreEntry[], isCut: boolean): Promise<void> {
    const { limit, reverse, ...bounds } = range
    const last = found.at(-1)?.key
    if (isCut && last === undefined) return
    if (!isCut || last === undefined)
      return this.record.noteRange(this.name, checkBounds(bounds), found.length)
    const { prefix, gt, gte, lt, lte } = bounds
    if (reverse !== true) {
      const seen = { ...given({ gt, gte: prefix ?? gte }), lte: last }
      return this.record.noteRange(this.name, seen, found.length)
    }
    if (prefix === undefined) {
      const seen = { ...given({ lt, lte }), gte: last }
      return this.record.noteRange(this.name, seen, found.length)
    }
    // The end of a prefix has no name that is well-formed in every case, so all of it counts.
    const count = await this.view.count({ prefix }, this.options())
    this.record.noteRange(this.name, { prefix }, count)
  }
}

/** The bounds among these. */
function given(bounds: Readonly<Record<string, string | undefined>>): KeyRange {
  return Object.fromEntries(Object.entries(bounds).filter(([, bound]) => bound !== undefined))
}

function written<Value>(key: string, { value, lease }: NonNullable<Write>): StoreEntry<Value> {
  const entry = { key, value: decodeValue(value) as Value, createRevision: 0, modRevision: 0, version: 0 }
  return lease === 0 ? entry : { ...entry, lease }
}

/** What is found, with the own writes in their places. */
function merged<Value>(
  found: readonly StoreEntry<Value>[],
  own: readonly (readonly [string, Write])[],
  isReverse: boolean,
): StoreEntry<Value>[] {
  if (own.length === 0) return [...found]
  const writes = new Map(own)
  const entries = found.filter(({ key }) => !writes.has(key))
  for (const [key, write] of own) if (write !== null) entries.push(written<Value>(key, write))
  const sign = isReverse ? -1 : 1
  return entries.sort((left, right) => (left.key < right.key ? -sign : sign))
}
