import type { Clock } from '../../clock/clock.ts'
import { isQuorateError, QuorateError } from '../../core/error.ts'
import { type Call, Pending } from './call.ts'

/** The attempt ends with its own error a tick after a deadline that it shares with those who wait: that says more. */
const graceMs = 250

type Landing<Value> = { readonly value: Value } | { readonly error: unknown }

/**
 * One attempt at a time at what many calls want. Whoever comes while one is under way waits for it within their own
 * call, and tries for themselves where it failed: the deadline or abort of one caller ends nobody else's wait.
 */
export class SingleFlight<Value> {
  private readonly clock: Clock
  private flight: Promise<Value> | undefined

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** `attempt` ends with the call that it is made for. */
  async run(call: Call, attempt: () => Promise<Value>): Promise<Value> {
    while (this.flight !== undefined) {
      const landing = await this.landing(this.flight, call)
      if ('value' in landing) return landing.value
      if (isQuorateError(landing.error) && this.clock.now() >= call.deadline) throw landing.error
    }
    this.flight = attempt().finally(() => {
      this.flight = undefined
    })
    return this.flight
  }

  private async landing(flight: Promise<Value>, call: Call): Promise<Landing<Value>> {
    const pending = new Pending<Landing<Value>>(call)
    flight.then(
      value => pending.resolve({ value }),
      error => pending.resolve({ error }),
    )
    const patienceMs = Math.max(0, call.deadline - this.clock.now()) + graceMs
    const cancel = this.clock.after(patienceMs, () => pending.reject(late()))
    return pending.promise.finally(cancel)
  }
}

function late(): QuorateError {
  return new QuorateError('TIMEOUT', 'what an earlier call began did not end before the deadline', {
    retryable: true,
  })
}
