import type { Clock } from '../../clock/clock.ts'
import { type ErrorCode, QuorateError } from '../../core/error.ts'
import { type Call, outcomeUnknown } from './call.ts'
import { Condition } from './condition.ts'

/** Between two attempts: about a tenth of the time in which a new leader is found. Half of what is left, at the end. */
const pauseMs = 200

/** So shortly before the deadline no other attempt is made: its answer would hardly be in time. */
const lastMs = 50

/** The caller is to hear of these, though a later call may go well. */
const lastWords: readonly ErrorCode[] = ['TRANSFER_ABORTED']

/**
 * Tries until it succeeds, fails for good, or the call ends: after a pause, or as soon as there are news. The last
 * error is the one that the caller sees: it says more than "timeout". Only for what may be done twice. Where an attempt
 * may have worked, no later one's error says that nothing was changed, and the attempt is told so.
 */
export async function retrying<Value>(
  clock: Clock,
  call: Call,
  attempt: (mayHaveWorked: boolean) => Promise<Value>,
  news = new Condition(),
): Promise<Value> {
  for (let mayHaveWorked = false; ; ) {
    try {
      return await attempt(mayHaveWorked)
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      mayHaveWorked ||= error.outcome === 'unknown'
      const isLastWord = error.outcome !== 'none' && !error.retryable
      if (lastWords.includes(error.code)) throw error
      if (!error.retryable || call.deadline - clock.now() <= lastMs) {
        throw mayHaveWorked && !isLastWord ? outcomeUnknown(error.message, error) : error
      }
    }
    await news.wait(clock, Math.min(pauseMs, (call.deadline - clock.now()) / 2), call.signal)
  }
}
