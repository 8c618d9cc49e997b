import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import { deadlineMsMax } from '../../core/limits.ts'
import type { Revision } from '../../core/types.ts'
import type { CallOptions } from '../types.ts'
import { checkOptions } from './check-options.ts'

/** One call of the public face while it waits: when it must have ended, and who may end it before. */
export interface Call {
  /** In milliseconds of the engine's clock. */
  readonly deadline: number
  /** Of another host's call: when that host gives up. `deadline` is a little earlier, so that its reason arrives. */
  readonly askerDeadline?: number
  readonly signal: AbortSignal | undefined
  /** Told when what was asked for is committed. Must not throw. */
  readonly committed?: (revision: Revision) => void
}

export function startCall(
  clock: Clock,
  options: CallOptions,
  deadlineMsDefault: number,
  most = deadlineMsMax,
): Call {
  checkOptions(options)
  const { deadlineMs = deadlineMsDefault, signal } = options
  if (typeof deadlineMs !== 'number' || !(deadlineMs > 0))
    throw new TypeError('deadlineMs must be a number above 0')
  signal?.throwIfAborted()
  return { deadline: clock.now() + Math.min(deadlineMs, most), signal }
}

/**
 * A promise with its two ends, a deadline and an abort signal. It settles exactly once, whoever comes first; the
 * deadline is checked by the owner's `expire`, once a tick: a timer for each call would cost more than the call.
 */
export class Pending<Value> {
  readonly promise: Promise<Value>
  readonly call: Call
  // Both undefined as soon as it is settled.
  private resolvePromise: ((value: Value) => void) | undefined
  private rejectPromise: ((error: unknown) => void) | undefined
  private onAbort: (() => void) | undefined

  constructor(call: Call, aborted?: () => void) {
    this.call = call
    this.promise = new Promise((resolve, reject) => {
      this.resolvePromise = resolve
      this.rejectPromise = reject
    })
    const { signal } = call
    if (signal === undefined) return
    // The call may have waited for something else before, and nobody tells of an abort twice.
    if (signal.aborted) {
      this.reject(signal.reason)
      return
    }
    this.onAbort = () => {
      this.reject(signal.reason)
      aborted?.()
    }
    signal.addEventListener('abort', this.onAbort, { once: true })
  }

  get isSettled(): boolean {
    return this.resolvePromise === undefined
  }

  resolve(value: Value): void {
    const { resolvePromise } = this
    this.release()
    resolvePromise?.(value)
  }

  reject(error: unknown): void {
    const { rejectPromise } = this
    this.release()
    rejectPromise?.(error)
  }

  isDue(now: number): boolean {
    return now >= this.call.deadline
  }

  private release(): void {
    this.resolvePromise = undefined
    this.rejectPromise = undefined
    if (this.onAbort !== undefined) this.call.signal?.removeEventListener('abort', this.onAbort)
  }
}

/** The error of a write whose fate nobody can tell any more. */
export function outcomeUnknown(why: string, cause?: unknown): QuorateError {
  const unknown = 'whether it took effect is not known'
  return new QuorateError('OUTCOME_UNKNOWN', why.endsWith(unknown) ? why : `${why}; ${unknown}`, {
    outcome: 'unknown',
    cause,
  })
}
