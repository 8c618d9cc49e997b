import type { OrderedMap, ReadonlyOrderedMap } from '../../base/ordered-map.ts'
import { leaseKeysMax } from '../limits.ts'
import type { LeaseId } from './command.ts'
import type { Item } from './item.ts'

/** Time for which something holds unless its holder asks for more. */
export interface GrantedLease {
  readonly id: LeaseId
  readonly ttlMs: number
  /** By the group's clock. */
  readonly deadline: number
}

/**
 * The leases of a group and the keys that go with them.
 *
 * They live by the group's clock, ms for which the group has had a leader: a leader counts on from what the log said
 * when it took over, by its own monotonic clock, and stamps entries with it as it logs them. So the clock stands still
 * while nobody leads, never runs ahead of real time, and never starts anew: no lease ends early, none is prolonged for
 * ever, and what ends when is decided by the log alone.
 */
export class Leases {
  private readonly table: OrderedMap<LeaseId, GrantedLease>
  /** Which keys go with a lease. Not replicated: the items say it. */
  private readonly attached = new Map<LeaseId, Set<string>>()
  /** No lease ends before. Keeping one alive leaves it too early, until somebody looks. */
  private earliest = 0

  constructor(leases: ReadonlyOrderedMap<LeaseId, GrantedLease>, items: Iterable<Item>) {
    this.table = leases.clone()
    if (leases.size > 0) for (const item of items) this.attach(item)
  }

  get size(): number {
    return this.table.size
  }

  get(id: LeaseId): GrantedLease | undefined {
    return this.table.get(id)
  }

  all(): Iterable<GrantedLease> {
    return this.table.values()
  }

  /** The present leases in constant time; what is done later does not show. */
  snapshot(): ReadonlyOrderedMap<LeaseId, GrantedLease> {
    return this.table.clone()
  }

  grant(id: LeaseId, ttlMs: number, clock: number): void {
    this.table.set(id, { id, ttlMs, deadline: clock + ttlMs })
    this.earliest = Math.min(this.earliest, clock + ttlMs)
  }

  /** False when there is no such lease. One that is overdue, and that nobody has ended yet, goes on. */
  keepAlive(id: LeaseId, clock: number): boolean {
    const lease = this.table.get(id)
    if (lease === undefined) return false
    this.table.set(id, { ...lease, deadline: clock + lease.ttlMs })
    return true
  }

  /** Ends a lease. Returns its keys in their order, for whoever removes them: the same one on every replica. */
  end(id: LeaseId): readonly string[] {
    this.table.delete(id)
    const keys = [...(this.attached.get(id) ?? [])].sort()
    this.attached.delete(id)
    return keys
  }

  /** Leases that are over by then: of those that have keys, no more than have as many as one lease may have. */
  overdue(clock: number): readonly LeaseId[] {
    if (clock < this.earliest) return []
    const ids: LeaseId[] = []
    let keys = 0
    this.earliest = Number.POSITIVE_INFINITY
    for (const { id, deadline } of this.table.values()) {
      this.earliest = Math.min(this.earliest, deadline)
      if (deadline > clock) continue
      keys += this.attached.get(id)?.size ?? 0
      if (keys <= leaseKeysMax) ids.push(id)
    }
    return ids
  }

  /** Why so many more keys cannot go with this lease: the code of a CommandFailure. */
  refusal(id: LeaseId, more: number): 'LEASE_NOT_FOUND' | 'TOO_LARGE' | undefined {
    if (this.table.get(id) === undefined) return 'LEASE_NOT_FOUND'
    return (this.attached.get(id)?.size ?? 0) + more > leaseKeysMax ? 'TOO_LARGE' : undefined
  }

  /** Keys go with other leases than before. */
  follow(before: Item | undefined, after: Item | null): void {
    const old = before?.lease ?? 0
    if (old === (after?.lease ?? 0)) return
    if (before !== undefined && old !== 0) this.attached.get(old)?.delete(before.key)
    if (after !== null) this.attach(after)
  }

  private attach({ lease, key }: Item): void {
    if (lease === 0) return
    const keys = this.attached.get(lease)
    if (keys === undefined) this.attached.set(lease, new Set([key]))
    else keys.add(key)
  }
}
