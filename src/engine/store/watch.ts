import { Queue } from '../../base/queue.ts'
import { isQuorateError, QuorateError } from '../../core/error.ts'
import { watchBookmarkMs, watchBufferBytesMax, watchBufferEventsMax } from '../../core/limits.ts'
import type { Change } from '../../core/machine/item.ts'
import type { Revision } from '../../core/types.ts'
import { checkRevision } from '../calls/check-revision.ts'
import { closed } from '../calls/closed.ts'
import { Condition } from '../calls/condition.ts'
import type { ChangeSink, Feed } from '../replica/watchers.ts'
import type { CallOptions, WatchBookmark, WatchReset } from '../types.ts'
import type { StoreCalls } from './store-calls.ts'

/** What a reader is told of, in the form of the store. */
export type WatchNews =
  | { readonly type: 'change'; readonly change: Change; readonly last: boolean }
  | WatchReset
  | WatchBookmark

/** All that stands in a range, at one revision. */
export type WatchedState = Pick<WatchReset, 'entries' | 'revision'>

export interface WatchParts<Event> {
  readonly from: Revision | undefined
  readonly resync: boolean
  readonly bookmarks: boolean
  readonly signal: AbortSignal | undefined
  readonly calls: Pick<StoreCalls, 'clock' | 'start'>
  readonly open: (from: Revision | undefined, sink: ChangeSink) => Feed
  /** The whole range, as it is at that revision or later. */
  readonly load: (atLeast: Revision, signal: AbortSignal) => Promise<WatchedState>
  readonly eventOf: (news: WatchNews) => Event
  readonly closed: () => void
}

/** What waits to be read: whole revisions, of which none is told in two of them, or one of the others. */
type Waiting =
  | {
      readonly type: 'changes'
      readonly changes: readonly Change[]
      readonly events: number
      readonly bytes: number
    }
  | Exclude<WatchNews, { readonly type: 'change' }>

interface Reader<Event> {
  resolve(result: IteratorResult<Event, undefined>): void
  reject(error: unknown): void
}

/**
 * Changes, one at a time: `for await (const event of watch)`. One reader. `close`, leaving the loop, and the signal all
 * end it; an error of the store is thrown out of the loop once what came before it was read.
 *
 * What waits for the reader waits encoded, and shared with all who watch the same: it is decoded as it is read, for
 * this reader alone, so that writers pay for none of it and no reader sees what another one does to a value.
 */
export class Watch<Event> implements AsyncIterableIterator<Event, undefined> {
  private readonly parts: WatchParts<Event>
  private readonly waiting = new Queue<Waiting>()
  /** How many changes of the oldest that waits were read. */
  private position = 0
  private events = 0
  private bytes = 0
  private readers: Reader<Event>[] = []
  private feed: Feed | undefined
  /** The reader did not keep up: it gets the state when it comes for more. */
  private isBehind = false
  /** Every change up to there was read. */
  private read: Revision
  private marked: Revision
  private nextMarkAt = 0
  private readonly ticked = new Condition()
  private readonly ending = new AbortController()
  private ended: { readonly error: unknown } | undefined
  private readonly onAbort = () => {
    this.end(this.parts.signal?.reason)
  }

  /** @internal */
  constructor(parts: WatchParts<Event>) {
    const { from, resync, signal } = parts
    signal?.throwIfAborted()
    this.parts = parts
    this.read = (from ?? 1) - 1
    this.marked = this.read
    if (resync && from === undefined) this.load('start')
    else this.open(from)
    signal?.addEventListener('abort', this.onAbort, { once: true })
  }

  /**
   * Every change up to this revision was read here: another watch goes on from the next one, without a gap and with
   * nothing twice. It goes on while nothing happens, too: at once on a member, once a second on a client. 0 as long as
   * a client does not know where it began.
   */
  get revision(): Revision {
    const oldest = this.waiting.peek()
    if (oldest === undefined) return Math.max(this.read, this.feed?.revision ?? 0)
    if (oldest.type !== 'changes') return this.read
    return (oldest.changes[this.position]?.revision ?? 1) - 1
  }

  /**
   * Resolves with `watch.revision` as soon as that is `revision` or later: every change up to there was read here. On a
   * client that is known up to a second late. Rejects with TIMEOUT at the deadline, CLOSED where the watch ends before.
   */
  async reached(revision: Revision, options: CallOptions = {}): Promise<Revision> {
    checkRevision(revision, 'revision')
    const { calls } = this.parts
    const { deadline, signal } = calls.start(options)
    while (this.revision < revision) {
      if (this.ended !== undefined) throw closed('none', 'watch')
      const left = deadline - calls.clock.now()
      if (left <= 0) {
        const message = `the watch is at ${this.revision}, and ${revision} was not read before the deadline`
        throw new QuorateError('TIMEOUT', message, { retryable: true })
      }
      await this.ticked.wait(calls.clock, left, signal)
    }
    return this.revision
  }

  /** @internal Whether news would come here. */
  get isConnected(): boolean {
    return this.feed?.isConnected ?? false
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    return new Promise((resolve, reject) => {
      this.readers.push({ resolve, reject })
      this.serve()
    })
  }

  /** Ends the watch, and nothing more is read: neither what is buffered nor an error. */
  async return(): Promise<IteratorResult<Event, undefined>> {
    this.read = this.revision
    this.close()
    this.ended = { error: undefined }
    this.waiting.clear()
    return { done: true, value: undefined }
  }

  /** Ends the watch without an error; what is buffered can still be read. Idempotent. */
  close(): void {
    this.end(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** @internal */
  tick(now: number): void {
    this.ticked.notify()
    if (!this.parts.bookmarks || now < this.nextMarkAt || this.waiting.length > 0) return
    this.nextMarkAt = now + watchBookmarkMs
    const { revision } = this
    if (revision <= this.marked || this.ended !== undefined) return
    this.push({ type: 'bookmark', revision })
  }

  private open(from: Revision | undefined): void {
    try {
      this.feed = this.parts.open(from, {
        changes: (changes, isPast) => this.add(changes, isPast),
        end: error => {
          if (error !== undefined) this.feedEnded(error)
        },
      })
    } catch (error) {
      if (!this.parts.resync || !isQuorateError(error, 'COMPACTED')) throw error
      this.load('COMPACTED')
    }
  }

  private feedEnded(error: QuorateError): void {
    this.detach()
    if (this.parts.resync && error.code === 'COMPACTED')
      this.load(isQuorateError(error.cause, 'DIVERGED') ? 'DIVERGED' : 'COMPACTED')
    else this.end(error)
  }

  /** Whatever this feed comes to know from now on is not told here. */
  private detach(): void {
    if (this.waiting.length === 0 && !this.isBehind) this.read = this.revision
    this.feed = undefined
  }

  /** Tells the state, and what comes after it: nothing is left out in between, and nothing is in both. */
  private load(cause: WatchReset['cause']): void {
    const loaded = ({ entries, revision }: WatchedState) => {
      if (this.ended !== undefined) return
      this.push({ type: 'reset', entries, revision, cause })
      this.open(revision + 1)
    }
    this.parts
      .load(this.read, this.ending.signal)
      .then(loaded)
      .catch(error => this.end(error))
  }

  private add(changes: readonly Change[], isPast = false): void {
    if (this.ended !== undefined) return
    // Nobody can keep up with what happened before the watch was: it does not count.
    const events = isPast ? 0 : changes.length
    const bytes = isPast ? 0 : changes.reduce((sum, { item }) => sum + (item?.value.length ?? 0), 0)
    const isFull = this.events + events > watchBufferEventsMax || this.bytes + bytes > watchBufferBytesMax
    if (isFull && this.waiting.length > 0) return this.overflow()
    this.events += events
    this.bytes += bytes
    this.push({ type: 'changes', changes, events, bytes })
  }

  private overflow(): void {
    const { feed } = this
    if (this.parts.resync) {
      this.isBehind = true
      this.waiting.clear()
      this.position = this.events = this.bytes = 0
      this.detach()
      feed?.stop()
    } else {
      const max = `${watchBufferEventsMax} events or ${watchBufferBytesMax} bytes`
      this.end(new QuorateError('SLOW_CONSUMER', `${max} wait to be read; watch again`))
    }
  }

  private push(waiting: Waiting): void {
    this.waiting.push(waiting)
    this.serve()
  }

  private serve(): void {
    for (let reader = this.readers[0]; reader !== undefined; reader = this.readers[0]) {
      const { ended } = this
      const isNews = this.waiting.length > 0
      if (!isNews && ended === undefined) break
      this.readers.shift()
      if (isNews) this.tell(reader)
      else if (ended?.error === undefined) reader.resolve({ done: true, value: undefined })
      else {
        // Thrown once; then it is over.
        this.ended = { error: undefined }
        reader.reject(ended.error)
      }
    }
    if (this.readers.length === 0 || !this.isBehind) return
    this.isBehind = false
    this.load('SLOW_CONSUMER')
  }

  private tell(reader: Reader<Event>): void {
    try {
      reader.resolve({ done: false, value: this.parts.eventOf(this.take()) })
    } catch (error) {
      reader.reject(error)
    }
  }

  /** The oldest that waits. */
  private take(): WatchNews {
    const oldest = this.waiting.peek() as Waiting
    const news = oldest.type === 'changes' ? this.takeChange(oldest.changes) : oldest
    if (oldest.type !== 'changes' || this.position === oldest.changes.length) {
      this.waiting.shift()
      this.position = 0
      if (oldest.type === 'changes') {
        this.events -= oldest.events
        this.bytes -= oldest.bytes
      }
    }
    if (news.type === 'change') this.read = news.change.revision - (news.last ? 0 : 1)
    else this.read = news.revision
    this.marked = this.read
    return news
  }

  private takeChange(changes: readonly Change[]): WatchNews {
    const change = changes[this.position++] as Change
    return { type: 'change', change, last: changes[this.position]?.revision !== change.revision }
  }

  private end(error: unknown): void {
    if (this.ended !== undefined) return
    this.ended = { error }
    const { feed } = this
    this.detach()
    feed?.stop()
    this.ending.abort()
    this.parts.signal?.removeEventListener('abort', this.onAbort)
    this.parts.closed()
    this.serve()
    this.ticked.notify()
  }
}
