import type { Change } from '../core/machine/item.ts'
import { ChangeBuffer, type ChangeSink } from './watchers.ts'

/**
 * Changes, one at a time: `for await (const event of watch)`. One reader. `close`, leaving the loop, and the signal all
 * end it; an error of the store is thrown out of the loop once what came before it was read.
 */
export class Watch<Event> implements AsyncIterableIterator<Event, undefined> {
  private readonly buffer: ChangeBuffer<Event>
  private readonly closed: () => void
  private readonly signal: AbortSignal | undefined
  private readonly onAbort = () => {
    this.buffer.end(this.signal?.reason)
    this.close()
  }
  private stop: () => void = () => {}

  /** @internal */
  constructor(options: {
    readonly signal: AbortSignal | undefined
    readonly open: (sink: ChangeSink) => () => void
    readonly eventOf: (change: Change) => Event
    readonly closed: () => void
  }) {
    const { signal, open, eventOf } = options
    signal?.throwIfAborted()
    this.closed = options.closed
    this.signal = signal
    this.buffer = new ChangeBuffer<Event>(() => this.close())
    let isPast = true
    this.stop = open({
      changes: changes => {
        if (isPast) this.buffer.fill(changes.map(eventOf))
        else for (const change of changes) this.buffer.push(eventOf(change), change.item?.value.length ?? 0)
      },
      end: error => {
        this.buffer.end(error)
        this.release()
      },
    })
    isPast = false
    signal?.addEventListener('abort', this.onAbort, { once: true })
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    return this.buffer.next()
  }

  async return(): Promise<IteratorResult<Event, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  /** Ends the watch without an error; what is buffered can still be read. Idempotent. */
  close(): void {
    this.stop()
    this.buffer.end(undefined)
    this.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  private release(): void {
    this.signal?.removeEventListener('abort', this.onAbort)
    this.closed()
  }
}
