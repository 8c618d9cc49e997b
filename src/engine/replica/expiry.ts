import { clockStampMs, leaseStampMsMax, leaseStampMsMin } from '../../core/limits.ts'
import type { Machine } from '../../core/machine/machine.ts'
import type { Index } from '../../core/types.ts'

/** Of the time that the first lease has left, by the log, how much may pass untold: more than between keep-alives. */
const untoldPart = 0.4

/** When a leader stamps the group's clock into the log, to end leases and sessions whose time is over. */
export class Expiry {
  /** The last stamp for the sake of sessions: another one makes no sense before more than this is applied. */
  private stampedAt: Index = 0
  /** When to stamp for the sake of leases, as long as the log says nothing else of time. */
  private next = { from: -1, at: 0 }

  isDue(machine: Machine, now: number): boolean {
    const { leases, times, appliedIndex } = machine
    if (leases.overdue(now).length > 0) return true
    // What the log does not say of time is lost with its leader: where leaders change often, no lease would ever end.
    if (leases.size > 0 && now - times.group >= leaseStampMsMin && now >= this.stampAt(machine)) return true
    // Sessions are in use; when they were is known by the last stamp.
    const isDue = now - times.group >= clockStampMs && appliedIndex > this.stampedAt
    if (isDue) this.stampedAt = appliedIndex + 1
    return isDue
  }

  private stampAt({ leases, times: { group } }: Machine): number {
    if (this.next.from !== group) {
      let untold = leaseStampMsMax
      for (const { deadline } of leases.all()) untold = Math.min(untold, untoldPart * (deadline - group))
      this.next = { from: group, at: group + untold }
    }
    return this.next.at
  }
}
