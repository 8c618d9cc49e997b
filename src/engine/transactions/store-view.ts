import type { Revision } from '../../core/types.ts'
import type { Reader } from '../backend.ts'
import { closed } from '../calls/closed.ts'
import { checkBounds } from '../query/key-filter.ts'
import type { ReadAnswer, ReadQuery } from '../query/read-query.ts'
import { entriesOf, scanQuery } from '../query/scan-query.ts'
import { itemValue } from '../query/store-entry.ts'
import { checkTableName, TableKeys } from '../query/table-keys.ts'
import type { StoreCalls } from '../store/store-calls.ts'
import type { CallOptions, KeyRange, ScanRange, StoreEntry } from '../types.ts'
import { type Held, LocalView } from './local-view.ts'

/**
 * A store, or one of its tables, as it was at one revision. The calls are the same on a member and on a client, and so
 * they are promises; where the state is on this host, `local` answers at once. A client's view is held by the host that
 * opened it: it is gone, and calls reject with VIEW_EXPIRED, when the connection to that host is lost, when nothing was
 * asked of it for a minute, and after an hour. A member's rejects with DIVERGED once its replica is in quarantine. An
 * open view keeps alive what is overwritten after it.
 */
export class StoreView {
  readonly revision: Revision
  /** The same view without promises, for whoever reads a lot: undefined on a client, which does not have the state. */
  readonly local: LocalView | undefined
  private readonly held: Held
  private readonly calls: StoreCalls
  private readonly keys: TableKeys

  /** @internal */
  constructor(reader: Reader, calls: StoreCalls, keys: TableKeys, held?: Held) {
    this.revision = reader.revision
    this.held = held ?? { reader }
    this.calls = calls
    this.keys = keys
    this.local = reader.state && new LocalView(reader.revision, this.held, keys)
  }

  /** The value of a key, undefined where it does not exist. */
  async get<Value = unknown>(key: string, options: CallOptions = {}): Promise<Value | undefined> {
    return (await this.getMany<Value>([key], options))[0]
  }

  /** A key's value with its revisions, undefined where it does not exist. */
  async entry<Value = unknown>(
    key: string,
    options: CallOptions = {},
  ): Promise<StoreEntry<Value> | undefined> {
    const { items } = await this.ask({ type: 'get', keys: [this.keys.inStore(key)] }, options)
    return entriesOf<Value>(items, this.keys)[0]
  }

  /** The values of at most 10 000 keys, in the order of the keys. */
  async getMany<Value = unknown>(
    keys: readonly string[],
    options: CallOptions = {},
  ): Promise<(Value | undefined)[]> {
    const { items } = await this.ask({ type: 'get', keys: this.keys.allInStore(keys) }, options)
    return items.map(itemValue<Value>)
  }

  /** All entries of a range, in the order of their keys, however many they are. */
  async scan<Value = unknown>(
    range: ScanRange = {},
    options: CallOptions = {},
  ): Promise<StoreEntry<Value>[]> {
    const entries: StoreEntry<Value>[] = []
    for await (const page of this.pages<Value>(range, options)) entries.push(...page)
    return entries
  }

  /**
   * What `scan` gives, one by one. It is read in pages of at most 1000 entries, between which everything else has its
   * turn; a deadline is that of each page.
   */
  async *iterate<Value = unknown>(
    range: ScanRange = {},
    options: CallOptions = {},
  ): AsyncGenerator<StoreEntry<Value>, undefined> {
    for await (const page of this.pages<Value>(range, options)) yield* page
  }

  /** How many keys a range holds. */
  async count(range: KeyRange = {}, options: CallOptions = {}): Promise<number> {
    const bounds = this.keys.range(checkBounds(range))
    return (await this.ask({ type: 'count', bounds }, options)).count
  }

  /** The same view of another table of the store. Closing one closes all. */
  table(name: string): StoreView {
    checkTableName(name)
    return new StoreView(this.reader(), this.calls, new TableKeys(name), this.held)
  }

  /** Lets go of it: calls reject with CLOSED, and its host forgets it. Idempotent. */
  close(): void {
    this.held.reader?.close()
    this.held.reader = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private async *pages<Value>(
    range: ScanRange,
    options: CallOptions,
  ): AsyncGenerator<StoreEntry<Value>[], undefined> {
    let query = scanQuery(range, this.keys)
    for (;;) {
      const { items, isWhole } = await this.ask({ ...query, isPage: true }, options)
      yield entriesOf<Value>(items, this.keys)
      const last = items.at(-1)
      if (isWhole || !last) return
      const limit = query.limit === undefined ? undefined : query.limit - items.length
      query = { ...query, limit, after: last.key }
    }
  }

  private async ask(query: ReadQuery, options: CallOptions): Promise<ReadAnswer> {
    return this.reader().read(query, this.calls.start(options))
  }

  private reader(): Reader {
    const { reader } = this.held
    if (reader === undefined) throw closed('none', 'view')
    return reader
  }
}
