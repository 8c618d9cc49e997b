import type { Clock } from '../../clock/clock.ts'
import type { Term } from '../../core/types.ts'

/**
 * The group's clock on its leader (see `Leases`): it goes on from what the log says once all is applied that came
 * before the leader's own first entry, by the leader's monotonic clock.
 */
export class GroupClock {
  private readonly clock: Clock
  private term: Term = 0
  private base = 0
  private since = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** This replica leads in that term and has applied an entry of it, and the log says so of time. */
  lead(term: Term, time: number): void {
    if (this.term === term) return
    this.term = term
    this.restart(time)
  }

  /** Goes on from there: time in which this replica was stopped does not count. */
  restart(time: number): void {
    this.base = time
    this.since = this.clock.now()
  }

  /** Undefined where this replica does not lead in that term, or does not know yet what the log says. */
  now(term: Term): number | undefined {
    return this.term === term ? Math.floor(this.base + (this.clock.now() - this.since)) : undefined
  }
}
