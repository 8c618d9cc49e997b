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
    this.base = time
    this.restart()
  }

  /** Stands still until `restart`, at what it told last: the log may not be applied up to where it told that. */
  stop(): void {
    this.base += this.clock.now() - this.since
  }

  /** Time in which this replica was stopped does not count. */
  restart(): void {
    this.since = this.clock.now()
  }

  /** Undefined where this replica does not lead in that term, or does not know yet what the log says. */
  now(term: Term): number | undefined {
    return this.term === term ? Math.floor(this.base + (this.clock.now() - this.since)) : undefined
  }
}
