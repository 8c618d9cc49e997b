import type { Revision } from '../../core/types.ts'
import type { Call } from '../calls/call.ts'
import type { LogSlice } from '../query/log-slice.ts'
import { logEntryOf } from '../replica/log-entry.ts'
import type { LogEntry } from '../types.ts'

export interface LogStreamOptions<Event> {
  /** Undefined: whatever comes after the call. */
  readonly from: Revision | undefined
  readonly to: Revision
  readonly signal: AbortSignal | undefined
  /** Waits for entries from there on; may come back without any. */
  readonly read: (from: Revision | undefined, call: Call) => Promise<LogSlice>
  /** Undefined: the reader does not want to hear of it. */
  readonly eventOf: (entry: LogEntry) => Event | undefined
  readonly closed: (stream: LogStream<Event>) => void
}

/**
 * The log, one entry at a time: `for await (const entry of store.entries())`. More is asked for only when all is read,
 * so nothing piles up behind a slow reader. `close`, leaving the loop, `to` and the signal all end it; an error is
 * thrown out of the loop once what came before it was read.
 */
export class LogStream<Event = LogEntry> implements AsyncIterableIterator<Event, undefined> {
  private readonly options: LogStreamOptions<Event>
  private readonly ending = new AbortController()
  private readonly onAbort = () => this.end(this.options.signal?.reason)
  /** What was asked for first, with the call: nothing that comes after the call may be missed. */
  private first: Promise<LogSlice> | undefined
  private slice: LogSlice | undefined
  /** How many entries of the slice were read. */
  private position = 0
  /** The next revision to be read. */
  private from: Revision | undefined
  /** Readers take turns. */
  private turn: Promise<unknown> = Promise.resolve()
  private ended: { readonly error: unknown } | undefined

  /** @internal */
  constructor(options: LogStreamOptions<Event>) {
    const { from, signal } = options
    signal?.throwIfAborted()
    this.options = options
    this.from = from
    this.first = this.ask()
    // Whoever reads first hears of it.
    this.first.catch(() => {})
    signal?.addEventListener('abort', this.onAbort, { once: true })
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    const result = this.turn.then(() => this.pull())
    this.turn = result.catch(() => {})
    return result
  }

  async return(): Promise<IteratorResult<Event, undefined>> {
    this.close()
    this.ended = { error: undefined }
    return { done: true, value: undefined }
  }

  /** Ends the stream without an error. Idempotent. */
  close(): void {
    this.end(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** @internal Ends the stream; a reader who waits, or comes next, gets the error. */
  end(error: unknown): void {
    if (this.ended !== undefined) return
    this.ended = { error }
    this.options.signal?.removeEventListener('abort', this.onAbort)
    this.ending.abort()
    this.options.closed(this)
  }

  private async pull(): Promise<IteratorResult<Event, undefined>> {
    const { eventOf, to } = this.options
    while (this.ended === undefined) {
      const { slice } = this
      const entry = slice?.entries[this.position]
      if (this.from !== undefined && this.from > to) this.close()
      else if (slice === undefined || entry === undefined) await this.load()
      else {
        this.position += 1
        this.from = entry.index + 1
        const event = eventOf(logEntryOf(entry, session => slice.hostOf(session)))
        if (event !== undefined) return { done: false, value: event }
      }
    }
    const { error } = this.ended
    this.ended = { error: undefined }
    if (error !== undefined) throw error
    return { done: true, value: undefined }
  }

  private async load(): Promise<void> {
    try {
      const slice = await (this.first ?? this.ask())
      this.slice = slice
      this.position = 0
      this.from = slice.entries[0]?.index ?? slice.from
    } catch (error) {
      this.end(error)
    }
    this.first = undefined
  }

  private ask(): Promise<LogSlice> {
    const call = { deadline: Number.POSITIVE_INFINITY, signal: this.ending.signal }
    return this.options.read(this.from, call)
  }
}
