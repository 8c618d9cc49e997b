import type { Clock } from '../../clock/clock.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import type { Outbox } from './outbox.ts'
import type { Replica } from './replica.ts'
import type { Writer } from './writer.ts'

/**
 * The replicas of a host that run, and their part in a turn of its loop: every one that was touched does what it can,
 * and what came of it is sent and stored, as one frame per peer and lane, and one storage write for all groups.
 * Applying comes last, while the disk and the peers are at work.
 */
export class RunningReplicas {
  readonly byGroup = new Map<GroupId, Replica>()
  private touched = new Set<Replica>()
  private readonly clock: Clock
  private readonly outbox: Outbox
  private readonly writer: Writer
  private readonly schedule: () => void

  constructor(parts: {
    readonly clock: Clock
    readonly outbox: Outbox
    readonly writer: Writer
    /** Asks for a turn. */
    readonly schedule: () => void
  }) {
    this.clock = parts.clock
    this.outbox = parts.outbox
    this.writer = parts.writer
    this.schedule = parts.schedule
  }

  /** That of the group, which has something to do in this turn, if it runs here. */
  touch(group: GroupId): Replica | undefined {
    const replica = this.byGroup.get(group)
    if (replica !== undefined) this.touched.add(replica)
    return replica
  }

  wake(replica: Replica): void {
    this.touched.add(replica)
    this.schedule()
  }

  turn(): void {
    const now = this.clock.now()
    const touched = [...this.touched].filter(replica => this.byGroup.get(replica.group) === replica)
    // Whoever is touched while it pumps is pumped in another turn, or a long way to apply were one long turn. A new set
    // where one could be cleared, here and wherever turns leave something behind: V8 lets the table of a cleared one,
    // once it is old, keep all its successors and what they hold alive until the whole heap is collected.
    this.touched = new Set()
    for (const replica of touched) replica.pump(now)
    // The disk first: it is at work while this thread sends, which takes longer than to hand a write over.
    this.writer.flush()
    this.outbox.flush()
    for (const replica of touched) replica.applySlice()
  }

  tick(now: number): void {
    for (const replica of this.byGroup.values()) if (replica.tick(now)) this.touched.add(replica)
    this.writer.tick()
  }

  /** So many ticks were missed, because the process stood still. */
  paused(ticks: number): void {
    for (const replica of this.byGroup.values()) replica.paused(ticks)
  }

  /** Time may have passed that the clock did not count. */
  leapt(): void {
    for (const { node } of this.byGroup.values()) node.endLease()
  }

  /** The connection to a host came or went. */
  peerChanged(host: HostId): void {
    for (const replica of this.byGroup.values()) replica.peerChanged(host)
  }
}
