import { isQuorateError } from '../../core/error.ts'
import type { Result } from '../../core/machine/command.ts'
import type { Item } from '../../core/machine/item.ts'
import type { Revision } from '../../core/types.ts'
import { decodeValue, encodeValue } from '../../wire/value.ts'
import { checkOptions } from '../calls/check-options.ts'
import { checkRevision } from '../calls/check-revision.ts'
import { type Bounds, checkBounds, watchNames } from '../query/key-filter.ts'
import { entriesOf, scanQuery } from '../query/scan-query.ts'
import { entryOf, itemValue } from '../query/store-entry.ts'
import type { TableKeys } from '../query/table-keys.ts'
import { txnCommand } from '../transactions/command.ts'
import type { Incremented, IncrementOptions } from '../transactions/command-transaction.ts'
import { StoreView } from '../transactions/store-view.ts'
import { checkTxn, type Operation } from '../transactions/txn.ts'
import {
  type Absent,
  absent,
  type Checked,
  type Deleted,
  type KeyRange,
  type PutOptions,
  type ReadOptions,
  type ScanRange,
  type StoreEntry,
  type WatchEvent,
  type WatchNotice,
  type WatchOptions,
  type WatchRange,
  type WriteOptions,
  type Written,
} from '../types.ts'
import { Live, type LiveRange } from './live.ts'
import { expectType, type StoreCalls } from './store-calls.ts'
import { Watch, type WatchedState, type WatchNews } from './watch.ts'

/** What lives as long as the store at most, and hears of the time. */
export interface Dependent {
  tick(now: number): void
  close(): void
}

/**
 * An ordered map from keys to values: a named table of a store, or the store itself, whose own keys are in none.
 *
 * Keys are well-formed strings of 1 to 1024 UTF-16 code units (with the table's name), ordered by code unit. Values are
 * null, booleans, finite numbers, strings, Uint8Array, arrays and plain objects of these, at most 1 MiB encoded;
 * anything else is a TypeError.
 *
 * Every write takes effect exactly once or not at all, through retries and changes of leadership (Raft thesis §6.3).
 * Where nobody can tell which, the error's `outcome` is 'unknown' (OUTCOME_UNKNOWN at the deadline, say), and it may
 * yet take effect; with 'none' nothing was written (NO_LEADER, SYSTEM_BUSY, REFUSED by the leader's `validate`, FENCED,
 * DIVERGED or COMMAND_UNKNOWN of a replica that serves nothing, CLOSED). A wrong argument is a TypeError, and what is
 * above its limit TOO_LARGE.
 */
export class Table {
  /** @internal */
  protected readonly calls: StoreCalls
  private readonly keys: TableKeys
  private readonly dependents: Set<Dependent>

  /** @internal */
  constructor(calls: StoreCalls, keys: TableKeys, dependents: Set<Dependent>) {
    this.calls = calls
    this.keys = keys
    this.dependents = dependents
  }

  /**
   * Sets a key. Resolves when the write is durable on a quorum and applied here. With a lease that is over it rejects
   * with LEASE_NOT_FOUND; without one the key is taken off the lease that it had.
   */
  put(key: string, value: unknown, options: PutOptions = {}): Promise<Written> {
    try {
      checkOptions(options)
      const { lease } = options
      if (lease !== undefined)
        return this.operate({ type: 'put', key, value, lease }, options).then(({ revision }) => ({
          revision,
        }))
      return this.calls.write(
        { type: 'put', key: this.keys.inStore(key), value: encodeValue(value) },
        options,
      )
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Sets a key that does not exist. `ok` is false, and `value` what stands there, when it does. */
  async insert<Value = unknown>(
    key: string,
    value: Value,
    options: WriteOptions = {},
  ): Promise<Checked<Value>> {
    const command = { type: 'insert', key: this.keys.inStore(key), value: encodeValue(value) } as const
    return checked(await this.calls.execute(command, options))
  }

  /** Removes a key. `ok` is false when it did not exist. */
  async delete(key: string, options: WriteOptions = {}): Promise<Deleted> {
    const result = await this.calls.execute({ type: 'delete', key: this.keys.inStore(key) }, options)
    const { ok, revision } = expectType(result, 'deleted')
    return { ok, revision }
  }

  /**
   * Removes the keys of a range, all at one revision, and says how many they were. Rejects with TOO_LARGE where they
   * are more than 10 000, or 8 MiB: nothing is removed.
   */
  async deleteRange(
    range: KeyRange,
    options: WriteOptions = {},
  ): Promise<{ readonly count: number; readonly revision: number }> {
    const { result, revision } = await this.operate({ type: 'deleteRange', range }, options)
    return { count: result as number, revision }
  }

  /**
   * Sets a key to `next` if its value equals `expected`; `absent` stands for a key that does not exist, on both sides.
   * Values are equal when they hold the same data, whatever the order of an object's keys. The value after the call
   * is in the answer.
   */
  async compareAndSwap<Value = unknown>(
    key: string,
    expected: Value | Absent,
    next: Value | Absent,
    options: WriteOptions = {},
  ): Promise<Checked<Value>> {
    const encoded = (value: Value | Absent) => (value === absent ? null : encodeValue(value))
    const command = {
      type: 'compare-and-swap',
      key: this.keys.inStore(key),
      expected: encoded(expected),
      value: encoded(next),
    } as const
    return checked(await this.calls.execute(command, options))
  }

  /** Removes a key if its value equals `expected`; else the key stays, and its value is in the answer. */
  compareAndDelete<Value = unknown>(
    key: string,
    expected: Value,
    options: WriteOptions = {},
  ): Promise<Checked<Value>> {
    return this.compareAndSwap<Value>(key, expected, absent, options)
  }

  /**
   * Adds an integer to a number, within bounds: `ok` is false, and nothing is written, where the sum would leave them.
   * A key that does not exist counts as `initial`. Rejects with COMMAND_FAILED (`detail.code` NOT_A_NUMBER) where
   * something else stands.
   */
  async increment(key: string, options: IncrementOptions & WriteOptions = {}): Promise<Incremented> {
    checkOptions(options)
    const { by, min, max, initial } = options
    const given = Object.entries({ by, min, max, initial }).filter(([, number]) => number !== undefined)
    const operation = { type: 'increment', key, ...Object.fromEntries(given) } as const
    return (await this.operate(operation, options)).result as Incremented
  }

  /** The value of a key, undefined where it does not exist. Linearizable unless `consistency` says otherwise. */
  get<Value = unknown>(key: string, options: ReadOptions = {}): Promise<Value | undefined> {
    return this.item(key, options, itemValue<Value>)
  }

  /** A key's value with its revisions, undefined where it does not exist. */
  entry<Value = unknown>(key: string, options: ReadOptions = {}): Promise<StoreEntry<Value> | undefined> {
    return this.item(key, options, item => (item === null ? undefined : entryOf<Value>(item, this.keys)))
  }

  /** The values of at most 10 000 keys as they were at one moment, in the order of the keys. */
  async getMany<Value = unknown>(
    keys: readonly string[],
    options: ReadOptions = {},
  ): Promise<(Value | undefined)[]> {
    const { items } = await this.calls.read({ type: 'get', keys: this.keys.allInStore(keys) }, options)
    return items.map(itemValue<Value>)
  }

  /**
   * All entries of a range as they were at one moment, in the order of their keys. A client takes 8 MiB at most
   * (TOO_LARGE); more is read in pages, of a view: see `read`.
   */
  async scan<Value = unknown>(
    range: ScanRange = {},
    options: ReadOptions = {},
  ): Promise<StoreEntry<Value>[]> {
    const query = { ...scanQuery(range, this.keys), isPage: false }
    return entriesOf<Value>((await this.calls.read(query, options)).items, this.keys)
  }

  /** How many keys a range holds. */
  async count(range: KeyRange = {}, options: ReadOptions = {}): Promise<number> {
    const bounds = this.keys.range(checkBounds(range))
    return (await this.calls.read({ type: 'count', bounds }, options)).count
  }

  /**
   * A view: everything as it is at one revision, whatever is written meanwhile. As fresh as `consistency` says.
   * Close it (`using view = await store.read()`), as it keeps alive what is overwritten after it.
   */
  async read(options: ReadOptions = {}): Promise<StoreView> {
    return new StoreView(await this.calls.view(options), this.calls, this.keys)
  }

  /**
   * Changes of keys, as they are applied here: in the order of their revisions, each once, none left out, and those of
   * one revision together. The watch is registered before this returns; where a connection or a gateway is lost it goes
   * on by itself. It ends with COMPACTED when the history from `range.from` is gone (on a client also where a gateway's
   * state was a wrong one: the error's `cause` is DIVERGED then), SLOW_CONSUMER when its reader does not keep up (what
   * waits for it is bounded, and nobody else is delayed), SYSTEM_BUSY where there are too many (10 000 of a store on a
   * host, 1000 on a client: thrown at once, or told to a client seconds later where its gateways have no room), the
   * error of the store when that ends; without an error by `close`. `watch.revision` is where another watch can go on.
   * With `resync` it tells the state instead of the first two.
   */
  watch<Value = unknown>(
    range?: WatchRange & { readonly resync?: false; readonly bookmarks?: false },
  ): Watch<WatchEvent<Value>>
  watch<Value = unknown>(options: WatchOptions): Watch<WatchNotice<Value>>
  watch<Value>(options: WatchOptions = {}): Watch<WatchNotice<Value>> {
    const range = checkBounds(options, watchNames)
    const { from, signal, resync = false, bookmarks = false } = options
    const { calls } = this
    checkRevision(from, 'from')
    calls.check()
    const bounds = this.keys.range(range)
    let watch: Watch<WatchNotice<Value>> | undefined
    watch = new Watch<WatchNotice<Value>>({
      from,
      resync,
      bookmarks,
      signal,
      calls,
      open: (next, sink) => calls.backend.watch(bounds, next, sink, calls.latest),
      load: (atLeast, ending) => this.state(range, atLeast, ending),
      eventOf: news => this.noticeOf<Value>(news),
      closed: () => watch && this.dependents.delete(watch),
    })
    this.dependents.add(watch)
    return watch
  }

  private item<Shown>(key: string, options: ReadOptions, show: (item: Item | null) => Shown): Promise<Shown> {
    try {
      return this.calls.get(this.keys.inStore(key), options, show)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * The entries of a range as they are now and from then on, for what shows them: Svelte takes it for a store, and
   * React's `useSyncExternalStore` takes `live.onChange` and `live.getSnapshot`. It watches while somebody listens.
   */
  live<Value = unknown>(range: LiveRange = {}): Live<Value> {
    checkBounds(range, ['key'])
    const { calls } = this
    const live = new Live<Value>({
      watch: () => this.watch<Value>({ ...range, resync: true }),
      opened: () => this.dependents.add(live),
      closed: () => this.dependents.delete(live),
      soon: callback => calls.clock.soon(callback),
      throwLater: error => calls.throwLater(error),
    })
    return live
  }

  /** As it is at one revision, this one or a later one, however long that takes. */
  private async state(
    { key, ...bounds }: Bounds,
    revision: Revision,
    signal: AbortSignal,
  ): Promise<WatchedState> {
    const { calls } = this
    for (;;) {
      const freshness = { consistency: 'session', atLeast: Math.max(revision, calls.latest) } as const
      const reader = await calls.backend.view(freshness, { deadline: Number.POSITIVE_INFINITY, signal })
      const view = new StoreView(reader, calls, this.keys)
      try {
        const entry = key === undefined ? undefined : await view.entry(key, { signal })
        const entries = key === undefined ? await view.scan(bounds, { signal }) : entry ? [entry] : []
        return { entries, revision: view.revision }
      } catch (error) {
        // Another gateway may have it.
        if (!isQuorateError(error) || !(error.retryable || error.code === 'VIEW_EXPIRED')) throw error
      } finally {
        view.close()
      }
    }
  }

  private noticeOf<Value>(news: WatchNews): WatchNotice<Value> {
    if (news.type !== 'change') return news as WatchNotice<Value>
    const { change, last } = news
    const { item, revision } = change
    if (item !== null) {
      const { modRevision, ...entry } = entryOf<Value>(item, this.keys)
      return { type: 'put', revision: modRevision, last, ...entry }
    }
    const key = this.keys.inTable(change.key)
    return { type: 'delete', key, value: undefined, revision, last, createRevision: 0, version: 0 }
  }

  /** A transaction of one operation. */
  private async operate(
    operation: Operation,
    options: WriteOptions,
  ): Promise<{ readonly result: unknown; readonly revision: number }> {
    const table = this.keys.name === '' ? {} : { table: this.keys.name }
    const txn = checkTxn({ success: [{ ...operation, ...table }] })
    const { value, revision } = await this.calls.run(txnCommand, txn, options)
    const [result] = (value as { readonly results: readonly unknown[] }).results
    return { result, revision }
  }
}

function checked<Value>(result: Result): Checked<Value> {
  const { ok, revision, value } = expectType(result, 'checked')
  return { ok, revision, value: value === null ? undefined : (decodeValue(value) as Value) }
}
