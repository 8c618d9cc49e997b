import { isQuorateError, QuorateError } from '../core/error.ts'

/** An error that the caller's own chunks threw, on its way back to the caller. */
class CallerError extends Error {
  override readonly name = 'CallerError'
}

/**
 * The chunks, with what they throw marked as the caller's, so that it is not taken for a fault of the
 * storage.
 */
export async function* callersOwn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks
  } catch (cause) {
    throw new CallerError('the chunks of a snapshot broke off', { cause })
  }
}

/** What every adapter does about failing (contract, clause 3) and closing. */
export class Lifecycle {
  private readonly typed: (error: unknown) => unknown
  private underWay = new Set<Promise<unknown>>()
  private failure: QuorateError | undefined
  private closing: Promise<void> | undefined

  /**
   * `typed` makes a QuorateError of a fault of the world, and leaves other errors, which are mistakes, as
   * they are.
   */
  constructor(typed: (error: unknown) => unknown) {
    this.typed = typed
  }

  /** Begins the work at once, so that the order of the calls is the order of their effects. */
  perform<Result>(work: () => Promise<Result>): Promise<Result> {
    const refusal = this.failure ?? (this.closing && new QuorateError('CLOSED', 'the storage is closed'))
    if (refusal !== undefined) return Promise.reject(refusal)
    const result = this.attempt(work)
    const done = () => {
      // A new one where nothing is left: see the turn of the engine's replicas.
      if (this.underWay.size === 1) this.underWay = new Set()
      else this.underWay.delete(result)
    }
    this.underWay.add(result)
    result.then(done, done)
    return result
  }

  /**
   * Work that nobody waits for, but `close` where it began before: all that follows fails where it did. Once the
   * storage is to be closed it is left out: the next start does it.
   */
  aside(work: () => Promise<void>): void {
    this.perform(work).catch(() => undefined)
  }

  /**
   * What the caller is told of an error. A failure of the storage is remembered, and all that follows fails
   * with it.
   */
  fail(error: unknown): unknown {
    if (error instanceof CallerError) return error.cause
    const typed = this.typed(error)
    if (isQuorateError(typed) && typed.code.startsWith('STORAGE_')) this.failure ??= typed
    return typed
  }

  /** Waits for what is under way, then finishes, once. */
  close(finish: () => Promise<void>): Promise<void> {
    this.closing ??= Promise.allSettled(this.underWay).then(finish)
    return this.closing
  }

  private async attempt<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      throw this.fail(error)
    }
  }
}
