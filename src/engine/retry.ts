import type { Clock } from '../clock/clock.ts'
import { QuorateError } from '../core/error.ts'
import type { Call } from './call.ts'

/** Between two attempts: about a tenth of the time in which a new leader is found. */
const pauseMs = 200

/**
 * Tries until it succeeds, fails for good, or the call ends. The last error is the one that the caller sees: it says
 * more than "timeout". Only for what may be done twice.
 */
export async function retrying<Value>(
  clock: Clock,
  call: Call,
  attempt: () => Promise<Value>,
): Promise<Value> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const mayRetry = error instanceof QuorateError && error.retryable
      if (!mayRetry || clock.now() + pauseMs >= call.deadline) throw error
    }
    await pause(clock, pauseMs, call.signal)
  }
}

/** Resolves after `ms`, or rejects with the signal's reason. */
export function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', aborted)
      resolve()
    })
    const aborted = () => {
      cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', aborted, { once: true })
  })
}
