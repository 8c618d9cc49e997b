import { committedIndex, type Quorum } from '../quorum.ts'
import type { Index, ReplicaId } from '../types.ts'
import type { Message } from './message.ts'

/** A read whose index is known, and which waits for proof that the leader still led after it arrived. */
export interface PendingRead {
  readonly request: Message
  readonly index: Index
  /** The first round of heartbeats that began after the read came: an older one proves nothing for it. */
  readonly round: number
}

/**
 * The reads of a leader that wait for a round of heartbeats (Raft thesis §6.4). Every heartbeat carries the
 * number of its round, and an answer confirms the reads that came before that round began. Rounds are
 * counted, and not named after the request's own context: replicas may use the same context twice, and then
 * an answer to one read would release another (etcd#20418).
 */
export class ReadQueue {
  private readonly own: ReplicaId
  private reads: PendingRead[] = []
  /** The last round that began. */
  private round = 0
  private readonly acks = new Map<ReplicaId, number>()
  private readonly ackedBy = (voter: ReplicaId): number =>
    voter === this.own ? this.round : (this.acks.get(voter) ?? 0)
  /** The tick at which a round began that a quorum has answered. */
  private leaseStart = Number.NEGATIVE_INFINITY
  /** A round that was chosen to prolong the lease, and when it began; 0: the next one will be. */
  private leaseRound = 0
  private leaseRoundStart = 0

  constructor(own: ReplicaId) {
    this.own = own
  }

  get length(): number {
    return this.reads.length
  }

  /** A round of heartbeats begins. Returns its number. */
  beginRound(tick: number): number {
    this.round++
    if (this.leaseRound === 0) {
      this.leaseRound = this.round
      this.leaseRoundStart = tick
    }
    return this.round
  }

  add(request: Message, index: Index): void {
    this.reads.push({ request, index, round: this.round + 1 })
  }

  ack(from: ReplicaId, round: number): void {
    if (round > this.ackedBy(from)) this.acks.set(from, Math.min(round, this.round))
  }

  /** Takes out the reads that a quorum has confirmed. */
  take(quorum: Quorum): readonly PendingRead[] {
    const confirmed = committedIndex(quorum, this.ackedBy)
    if (this.leaseRound !== 0 && confirmed >= this.leaseRound) {
      this.leaseStart = this.leaseRoundStart
      this.leaseRound = 0
    }
    let count = 0
    while (count < this.reads.length && (this.reads[count] as PendingRead).round <= confirmed) count++
    return count === 0 ? [] : this.reads.splice(0, count)
  }

  /** A quorum heard this leader less than `ticks` ago, counted from when the heartbeats left. */
  hasLease(tick: number, ticks: number): boolean {
    return tick - this.leaseStart < ticks
  }

  /** The quorum changed: what the old one promised does not bind the new one. */
  voidLease(): void {
    this.leaseStart = Number.NEGATIVE_INFINITY
    this.leaseRound = 0
  }
}
