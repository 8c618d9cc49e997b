import type { Clock } from '../../clock/clock.ts'
import type { GroupId, HostId, Term } from '../../core/types.ts'
import type { EngineOptions } from '../parts.ts'
import type { Replica } from '../replica/replica.ts'

/** Between two tries to hand the leadership of one group to a host that is preferred, in election timeouts. */
const pauseTimeouts = 10

/**
 * Sees to it that groups are led by the hosts that are preferred: a leader hands over to a connected voter of a higher
 * priority that has the log. Elections know nothing of priorities, so safety and the time of a failover do not depend
 * on them; and only a strictly higher one counts, so that nobody plays ball.
 */
export class Preference {
  private readonly clock: Clock
  /** How long Raft waits for a transfer: an election timeout. */
  private readonly patienceMs: number
  /** Of a connected host, as it says itself; undefined of any other one. */
  private readonly priorityOf: (host: HostId) => number | undefined
  private priority: number
  private readonly nextTry = new Map<GroupId, number>()
  /** Who told this host to take a group over, and in which term. */
  private readonly gifts = new Map<GroupId, { readonly from: HostId; readonly term: Term }>()

  constructor(options: EngineOptions, clock: Clock, priorityOf: (host: HostId) => number | undefined) {
    this.priority = options.priority
    this.patienceMs = options.electionTicks * options.tickMs
    this.clock = clock
    this.priorityOf = priorityOf
  }

  get own(): number {
    return this.priority
  }

  /** This host is preferred more or less than before: what was tried for the old priority does not count. */
  set own(priority: number) {
    this.priority = priority
    this.nextTry.clear()
    this.gifts.clear()
  }

  /** The leader of `term` tells this host to take the group over. */
  given(group: GroupId, from: HostId, term: Term): void {
    this.gifts.set(group, { from, term })
  }

  /** Hands on what this host leads, where another one shall. A try that fails makes writes wait an election timeout. */
  apply(replicas: Iterable<Replica>): void {
    const now = this.clock.now()
    for (const replica of replicas) {
      if (!replica.leads || this.isKept(replica)) continue
      if (now < (this.nextTry.get(replica.group) ?? 0)) continue
      const best = this.bestOf(replica)
      if (best === undefined) continue
      this.nextTry.set(replica.group, now + pauseTimeouts * this.patienceMs)
      replica.node.transferLeadership(best.id)
      replica.requestTurn()
    }
  }

  /**
   * A host that is preferred, and gave the group away all the same, was asked to (`transferLeadership`), or has a disk
   * that hangs: as long as it stays connected, this host leads.
   */
  private isKept({ group, term }: Replica): boolean {
    const gift = this.gifts.get(group)
    const isKept = gift?.term === term - 1 && (this.priorityOf(gift.from) ?? 0) > this.priority
    if (!isKept) this.gifts.delete(group)
    return isKept
  }

  private bestOf(replica: Replica) {
    const candidates = replica.node
      .status()
      .progress.flatMap(({ id, mayLead, state, recentActive, match }) => {
        const host = replica.hostOf(id)
        const priority = host === undefined ? undefined : this.priorityOf(host)
        if (id === replica.id || !mayLead || state !== 'replicate' || !recentActive) return []
        return priority !== undefined && priority > this.priority ? [{ id, priority, match }] : []
      })
    return candidates.sort((left, right) => right.priority - left.priority || right.match - left.match)[0]
  }
}
