import { checkListener, type Unsubscribe } from '../../base/emitter.ts'
import { QuorateError } from '../../core/error.ts'
import type { Revision } from '../../core/types.ts'
import type { KeyRange, StoreEntry, WatchNotice } from '../types.ts'
import type { Watch } from './watch.ts'

/** What a live view shows; without any bound all keys. */
export interface LiveRange extends KeyRange {
  /** One key alone. Excludes the bounds. */
  readonly key?: string
}

/** What a live view shows. Never changed: another one takes its place. What it holds is not to be changed, either. */
export interface LiveState<Value = unknown> {
  /**
   * - `loading`: nothing was read yet, or nobody listens; `entries` are the last that were known.
   * - `live`: `entries` are the present ones, as this host, or the one that it asks, knows them.
   * - `reconnecting`: no news reach it; `entries` are the last that were known. It goes on by itself.
   * - `failed`: it has ended, by `error`. Who listens anew tries anew.
   */
  readonly status: 'loading' | 'live' | 'reconnecting' | 'failed'
  /** In the order of their keys; all of one revision. An entry that did not change is the same object. */
  readonly entries: readonly StoreEntry<Value>[]
  /** Of the latest change among those that `entries` show. */
  readonly revision: Revision
  /** Why it is reconnecting, where that is known, or has failed. */
  readonly error: QuorateError | undefined
}

/** Without news for so long, a view says so: an election is over sooner, and a client hears once a second. */
const patienceMs = 3000

/** Between two attempts to watch, where the first one failed. */
const retryMs = 1000

/**
 * The entries of a range, kept up to date while somebody listens. Changes that come in one turn of the host are told at
 * once, those of one revision always are. The functions need no `this`.
 */
export class Live<Value = unknown> {
  private state: LiveState<Value> = { status: 'loading', entries: [], revision: 0, error: undefined }
  private readonly listeners = new Set<{ readonly tell: () => void }>()
  private readonly parts: {
    readonly watch: () => Watch<WatchNotice<Value>>
    readonly opened: () => void
    readonly closed: () => void
    readonly soon: (callback: () => void) => void
    readonly throwLater: (error: unknown) => void
  }
  private watch: Watch<WatchNotice<Value>> | undefined
  /** The entries that are to be shown next. */
  private draft: StoreEntry<Value>[] | undefined
  private revision: Revision = 0
  private isLoaded = false
  private isOpen = false
  private isDue = false
  private connectedAt = 0
  private retryAt = 0

  /** @internal */
  constructor(parts: Live<Value>['parts']) {
    this.parts = parts
  }

  /** The contract of Svelte's stores: `run` is called with the state, at once and whenever it is another one. */
  readonly subscribe = (run: (state: LiveState<Value>) => void): Unsubscribe => {
    checkListener(run)
    const stop = this.listen(() => run(this.state))
    run(this.state)
    return stop
  }

  /** `listener` is called whenever there is another state: React's `useSyncExternalStore(onChange, getSnapshot)`. */
  readonly onChange = (listener: () => void): Unsubscribe => {
    checkListener(listener)
    return this.listen(() => listener())
  }

  /** The state: the same object until it is another one. */
  readonly getSnapshot = (): LiveState<Value> => this.state

  /** @internal */
  tick(now: number): void {
    if (this.watch === undefined && this.retryAt === 0) this.retryAt = now + retryMs
    else if (this.watch === undefined && now >= this.retryAt) this.begin()
    if (this.watch?.isConnected || this.connectedAt === 0) this.connectedAt = now
    if (!this.isLoaded || this.watch === undefined) return
    const status = now - this.connectedAt < patienceMs ? 'live' : 'reconnecting'
    if (status !== this.state.status) this.show({ ...this.state, status, error: undefined })
  }

  /** @internal The store has ended. */
  close(): void {
    this.fail(new QuorateError('CLOSED', 'the store was closed'))
  }

  private listen(tell: () => void): Unsubscribe {
    const listener = { tell }
    if (!this.isOpen) this.open()
    this.listeners.add(listener)
    return () => {
      this.listeners.delete(listener)
      // Not at once: who leaves often comes back in the same turn, as a component does that is mounted anew.
      if (this.listeners.size === 0)
        this.parts.soon(() => this.listeners.size === 0 && this.isOpen && this.end('loading'))
    }
  }

  private open(): void {
    this.isOpen = true
    this.connectedAt = 0
    this.parts.opened()
    if (this.state.status === 'failed') this.show({ ...this.state, status: 'loading', error: undefined })
    this.begin()
  }

  private begin(): void {
    this.retryAt = 0
    try {
      const watch = this.parts.watch()
      this.watch = watch
      this.follow(watch).catch(error => {
        if (this.watch === watch) this.ended(error)
      })
    } catch (error) {
      this.ended(error)
    }
  }

  private async follow(watch: Watch<WatchNotice<Value>>): Promise<void> {
    for await (const notice of watch) if (this.watch === watch) this.take(notice)
  }

  private take(notice: WatchNotice<Value>): void {
    if (notice.type === 'bookmark') return
    const { entries } = this.state
    this.draft ??= [...entries]
    if (notice.type === 'reset') {
      // Of another state, an entry of the same revision may be another one.
      this.draft = notice.cause === 'DIVERGED' ? [...notice.entries] : kept(this.draft, notice.entries)
      this.isLoaded = true
    } else {
      const { type, revision, last: _, ...entry } = notice
      const at = rank(this.draft, entry.key)
      const isThere = this.draft[at]?.key === entry.key
      if (type === 'put') {
        const value = entry.value as Value
        this.draft.splice(at, isThere ? 1 : 0, { ...entry, value, modRevision: revision })
      } else if (isThere) this.draft.splice(at, 1)
    }
    this.revision = notice.revision
    if (this.isDue) return
    this.isDue = true
    // All that waits is read by then, and whole revisions wait.
    this.parts.soon(() => this.flush())
  }

  private flush(): void {
    this.isDue = false
    const { draft, revision } = this
    if (draft === undefined || !this.isOpen) return
    this.draft = undefined
    const { entries } = this.state
    const isSame = draft.length === entries.length && draft.every((entry, at) => entry === entries[at])
    // Where the watch has ended meanwhile, these are the last that are known.
    const { status, error } =
      this.watch === undefined ? this.state : ({ status: 'live', error: undefined } as const)
    this.show({ status, entries: isSame ? entries : draft, revision, error })
  }

  private ended(cause: unknown): void {
    const error =
      cause instanceof QuorateError ? cause : new QuorateError('INTERNAL', 'a live view failed', { cause })
    if (!error.retryable) return this.fail(error)
    this.watch = undefined
    this.show({ ...this.state, status: this.isLoaded ? 'reconnecting' : 'loading', error })
  }

  private fail(error: QuorateError): void {
    this.end('failed', error)
  }

  private end(status: LiveState['status'], error?: QuorateError): void {
    const { watch } = this
    this.watch = undefined
    this.draft = undefined
    this.isOpen = this.isLoaded = false
    this.parts.closed()
    watch?.close()
    this.show({ ...this.state, status, error })
  }

  private show(state: LiveState<Value>): void {
    this.state = state
    for (const { tell } of this.listeners) {
      try {
        tell()
      } catch (error) {
        this.parts.throwLater(error)
      }
    }
  }
}

/** The new entries; those that are as they were, as the objects that they were. */
function kept<Value>(
  before: readonly StoreEntry<Value>[],
  entries: readonly StoreEntry<Value>[],
): StoreEntry<Value>[] {
  return entries.map(entry => {
    const known = before[rank(before, entry.key)]
    return known?.key === entry.key && known.modRevision === entry.modRevision ? known : entry
  })
}

/** How many of the entries have a lower key. */
function rank(entries: readonly StoreEntry[], key: string): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle]?.key ?? '') < key) low = middle + 1
    else high = middle
  }
  return low
}
