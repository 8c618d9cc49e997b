import { clockStampMs } from '../core/limits.ts'
import type { Machine } from '../core/machine/machine.ts'
import type { Index } from '../core/types.ts'

/** When a leader stamps the group's clock into the log, to end leases and sessions whose time is over. */
export class Expiry {
  /** The last stamp for the sake of sessions: another one makes no sense before more than this is applied. */
  private stampedAt: Index = 0

  isDue({ leases, times, appliedIndex }: Machine, now: number): boolean {
    if (leases.overdue(now).length > 0) return true
    // Sessions are in use; when they were is known by the last stamp.
    const isDue = now - times.group >= clockStampMs && appliedIndex > this.stampedAt
    if (isDue) this.stampedAt = appliedIndex + 1
    return isDue
  }
}
