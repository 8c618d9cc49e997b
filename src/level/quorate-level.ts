import { keyCharactersMax } from '../core/limits.ts'
import type { Store } from '../engine/store/store.ts'
import type { Table } from '../engine/store/table.ts'
import type { StoreView } from '../engine/transactions/store-view.ts'
import type { Operation } from '../engine/transactions/txn.ts'
import type { CallOptions, ReadOptions } from '../engine/types.ts'
import { type AbstractIteratorOptions, AbstractLevel } from './abstract-level.ts'
import { toKey } from './byte-keys.ts'
import { type ByteRange, byteRange, keyRange, type RangeOptions } from './byte-range.ts'
import { LevelIterator } from './level-iterator.ts'
import { LevelSnapshot } from './level-snapshot.ts'
import { Pages } from './pages.ts'

type Encoding<Key, Value> = NonNullable<
  ConstructorParameters<typeof AbstractLevel<Uint8Array, Key, Value>>[1]
>

export interface QuorateLevelOptions<Key = string, Value = string> extends Encoding<Key, Value> {
  /** The table of the store that holds it, 'level' unless it is said. Databases of one table are one database. */
  readonly table?: string
  /**
   * What reads promise. 'linearizable', the default, sees what anybody wrote before the read. 'session' asks nobody and
   * sees what this store wrote, and later never less than before.
   */
  readonly consistency?: 'linearizable' | 'session'
  /**
   * Of each operation, and of each page of an iterator. Default: that of the host. A write has it from when it goes to
   * the store: it may wait as long before, for the view of an iterator or snapshot that was made before it.
   */
  readonly deadlineMs?: number
}

/** What abstract-level hands on to all that reads. */
interface Reading {
  readonly snapshot?: LevelSnapshot
}

/** Keys that one entry of the log deletes, where a range is too large for that: they fit at their longest. */
const clearedAtOnce = 1000

/**
 * A database of abstract-level, with all that has: encodings, sublevels, iterators, snapshots, batches, hooks, events.
 * Its entries are those of one table of a store, so it is replicated, on members as on clients; others may write to it
 * at the same time.
 *
 * A write resolves when it is durable on a quorum. A batch is one entry of the log: all of it or nothing, also on other
 * hosts. So it has at most 10 000 keys and 8 MiB (TOO_LARGE, and nothing is written). A key has at most 1017 bytes
 * where the table is 'level' (1016 where it begins with a zero), a value 1 MiB.
 *
 * An iterator and a snapshot are of one moment, between their making and their first answer. What this database writes
 * after they were made is not in them; for that it waits for them, where the leader has to be asked first. Close them:
 * they keep alive what is overwritten. On a client they end with VIEW_EXPIRED a minute after they were last used.
 *
 * It needs the package abstract-level beside this one. Bundlers for browsers need `events` as well, for that package.
 *
 * Errors of the store come as they are (`QuorateError`), also as the `cause` of one of abstract-level. Closing the
 * database leaves the store open.
 */
export class QuorateLevel<Key = string, Value = string> extends AbstractLevel<Uint8Array, Key, Value> {
  readonly store: Store
  private readonly table: Table
  private readonly tableName: string
  private readonly call: CallOptions
  private readonly reading: ReadOptions
  private readonly keyCharactersMax: number
  /** Ends when the views that were asked for are there, and writes may go on. Undefined where none is on its way. */
  private opening: Promise<void> | undefined
  /** Writes that wait for that: they go on a step after it ended. */
  private waiting = 0

  /** Throws TypeError on what is no name of a table and no consistency. */
  constructor(store: Store, options: QuorateLevelOptions<Key, Value> = {}) {
    const { table = 'level', consistency = 'linearizable', deadlineMs, ...forward } = options
    // A stale read may miss what this very process wrote: nobody who uses a database expects that.
    if (!['linearizable', 'session'].includes(consistency))
      throw new TypeError("consistency is 'linearizable' or 'session'")
    const manifest = {
      encodings: { view: true },
      implicitSnapshots: true,
      explicitSnapshots: true,
      has: true,
      seek: true,
      signals: { iterators: true },
    }
    super(manifest, forward as Encoding<Key, Value>)
    this.store = store
    this.table = store.table(table)
    this.tableName = table
    this.call = deadlineMs === undefined ? {} : { deadlineMs }
    this.reading = { ...this.call, consistency }
    this.keyCharactersMax = keyCharactersMax - `\0${table}\0`.length
  }

  protected async _get(key: Uint8Array, { snapshot }: Reading): Promise<unknown> {
    if (snapshot === undefined) return this.table.get(toKey(key), this.reading)
    return (await snapshot.view).get(toKey(key), this.call)
  }

  protected async _getMany(keys: readonly Uint8Array[], { snapshot }: Reading): Promise<unknown[]> {
    if (snapshot === undefined) return this.table.getMany(keys.map(toKey), this.reading)
    return (await snapshot.view).getMany(keys.map(toKey), this.call)
  }

  protected async _has(key: Uint8Array, options: Reading): Promise<boolean> {
    return (await this._get(key, options)) !== undefined
  }

  protected async _hasMany(keys: readonly Uint8Array[], options: Reading): Promise<boolean[]> {
    return (await this._getMany(keys, options)).map(value => value !== undefined)
  }

  protected async _put(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.inTurn(() => this.table.put(toKey(key), value, this.call))
  }

  protected async _del(key: Uint8Array): Promise<void> {
    await this.inTurn(() => this.table.delete(toKey(key), this.call))
  }

  protected async _batch(
    operations: readonly (
      | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
      | { readonly type: 'del'; readonly key: Uint8Array }
    )[],
  ): Promise<void> {
    const table = this.tableName
    await this.write(
      operations.map(operation => {
        const key = toKey(operation.key)
        return operation.type === 'put'
          ? { type: 'put', table, key, value: operation.value }
          : { type: 'delete', table, key }
      }),
    )
  }

  /** At once where one entry of the log can do it. Else in steps, which may end in the middle. */
  protected async _clear(
    options: Reading & RangeOptions & { readonly limit: number; readonly reverse: boolean },
  ): Promise<void> {
    const { snapshot, limit, reverse } = options
    const range = byteRange(options)
    if (snapshot === undefined && limit < 0 && (await this.clearAtOnce(range))) return
    const { view, close } = this.view(snapshot)
    const pages = this.pages(view, range, reverse)
    try {
      for (let left = limit < 0 ? Number.POSITIVE_INFINITY : limit; left > 0; left -= clearedAtOnce) {
        const entries = await pages.next(Math.min(left, clearedAtOnce))
        if (entries.length === 0) return
        await this.write(entries.map(({ key }) => ({ type: 'delete', table: this.tableName, key })))
      }
    } finally {
      close()
    }
  }

  /** False, and nothing is cleared, where that is too much for one entry of the log. */
  private async clearAtOnce(range: ByteRange): Promise<boolean> {
    try {
      await this.inTurn(() => this.table.deleteRange(keyRange(range, this.keyCharactersMax), this.call))
      return true
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'TOO_LARGE') return false
      throw error
    }
  }

  protected _iterator(
    options: Reading & RangeOptions & AbstractIteratorOptions<Uint8Array, unknown>,
  ): LevelIterator {
    const { view, close } = this.view(options.snapshot)
    const pages = this.pages(view, byteRange(options), options.reverse === true)
    return new LevelIterator(this, options, { pages, closed: close })
  }

  protected _snapshot(options: object): LevelSnapshot {
    const { view, close } = this.view(undefined)
    return new LevelSnapshot(options, view, close)
  }

  private pages(view: Promise<StoreView>, range: ByteRange, reverse: boolean): Pages {
    return new Pages(view, { range, reverse, keyCharactersMax: this.keyCharactersMax, call: this.call })
  }

  private async write(operations: readonly Operation[]): Promise<void> {
    await this.inTurn(() => this.store.txn({ success: operations }, this.call))
  }

  /** Writes behind the views that were asked for before, and behind the writes that wait for them. */
  private inTurn<Result>(write: () => Promise<Result>): Promise<Result> {
    if (this.opening === undefined && this.waiting === 0) return write()
    this.waiting += 1
    return Promise.resolve(this.opening).then(() => {
      this.waiting -= 1
      return write()
    })
  }

  /** The view of a snapshot; or a new one, before all that is written after this call, and how to let go of it. */
  private view(snapshot: LevelSnapshot | undefined): {
    readonly view: Promise<StoreView>
    readonly close: () => void
  } {
    if (snapshot !== undefined) return { view: snapshot.view, close: () => {} }
    const view = this.table.read(this.reading)
    // Whoever reads from it is told why there is none.
    const closed = view.catch(() => undefined)
    const settled = Promise.all([this.opening, closed]).then(() => {
      if (this.opening === settled) this.opening = undefined
    })
    this.opening = settled
    // Nobody waits for a view in order to let go of it.
    const close = () => {
      closed.then(opened => opened?.close())
    }
    return { view, close }
  }
}
