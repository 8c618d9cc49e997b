import type { StoreEntry } from '../engine/types.ts'
import { AbstractIterator, type AbstractIteratorOptions } from './abstract-level.ts'
import { toBytes, toKey } from './byte-keys.ts'
import type { Pages } from './pages.ts'

/** What is read ahead of single steps: little at first, as many take one step only, then so many times more. */
const stepsAhead = 16
const stepsGrowth = 4
const stepsAheadMax = 1000

type Entry = [key: Uint8Array, value: unknown]

/** Reads one view from its creation on. */
export class LevelIterator extends AbstractIterator<unknown, Uint8Array, unknown> {
  private readonly pages: Pages
  private readonly signal: AbortSignal | undefined
  private readonly closed: () => void
  private ahead: StoreEntry[] = []
  private position = 0
  private stepSize = stepsAhead

  constructor(
    db: unknown,
    options: AbstractIteratorOptions<Uint8Array, unknown>,
    { pages, closed }: { readonly pages: Pages; readonly closed: () => void },
  ) {
    super(db, options)
    this.pages = pages
    this.signal = options.signal
    this.closed = closed
  }

  protected async _next(): Promise<Entry | undefined> {
    if (this.position === this.ahead.length) {
      const left = this.limit - this.count
      this.ahead = await this.page(Math.min(this.stepSize, left))
      this.position = 0
      this.stepSize = Math.min(stepsGrowth * this.stepSize, stepsAheadMax)
    }
    const entry = this.ahead[this.position]
    if (entry === undefined) return undefined
    this.position += 1
    return bytesOf(entry)
  }

  protected async _nextv(size: number): Promise<Entry[]> {
    const entries = this.ahead.slice(this.position, this.position + size)
    this.position += entries.length
    if (entries.length < size) entries.push(...(await this.page(size - entries.length)))
    return entries.map(bytesOf)
  }

  protected _seek(target: Uint8Array): void {
    this.ahead = []
    this.position = 0
    this.stepSize = stepsAhead
    this.pages.seek(toKey(target))
  }

  protected async _close(): Promise<void> {
    this.closed()
  }

  private page(size: number): Promise<StoreEntry[]> {
    const page = this.pages.next(size)
    return this.signal === undefined ? page : unlessAborted(page, this.signal)
  }
}

function bytesOf({ key, value }: StoreEntry): Entry {
  return [toBytes(key), value]
}

/** Goes on waiting no longer than until the signal. abstract-level itself refuses what is asked after that. */
function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(abortError(signal.reason))
    signal.addEventListener('abort', aborted, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}

/** The error that abstract-level has for it, and does not export. */
function abortError(cause: unknown): Error {
  const error = new Error('the read was aborted', { cause })
  return Object.assign(error, { name: 'AbortError', code: 'LEVEL_ABORTED' })
}
