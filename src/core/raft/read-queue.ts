import { committedIndex, type Quorum } from '../quorum.ts'
import type { Index, ReplicaId } from '../types.ts'
import type { Message } from './message.ts'

/** A read whose index is known, and which waits for proof that the leader still led after it arrived. */
export interface PendingRead {
  readonly request: Message
  readonly index: Index
}

/**
 * The reads of a leader that wait for a round of heartbeats (Raft thesis §6.4). Every heartbeat carries how many
 * reads had joined the queue when it was sent; an answer that carries n therefore proves leadership for the first n
 * reads, and for no later one. The position in the queue identifies the round, not the request's own context:
 * replicas may use the same context twice, and then an answer to one read would release another (etcd#20418).
 */
export class ReadQueue {
  private reads: PendingRead[] = []
  /** How many reads have left the queue. */
  private confirmed = 0
  private readonly acks = new Map<ReplicaId, number>()
  private readonly ackedBy = (voter: ReplicaId): number => this.acks.get(voter) ?? 0

  /** How many reads have joined so far, or 0 when none waits: what a heartbeat has to carry now. */
  get position(): number {
    return this.reads.length === 0 ? 0 : this.confirmed + this.reads.length
  }

  add(request: Message, index: Index): void {
    this.reads.push({ request, index })
  }

  ack(from: ReplicaId, position: number): void {
    if (position > this.ackedBy(from)) this.acks.set(from, position)
  }

  /** Takes out the reads that a quorum has confirmed. */
  take(quorum: Quorum): readonly PendingRead[] {
    const count = Math.min(committedIndex(quorum, this.ackedBy) - this.confirmed, this.reads.length)
    if (count <= 0) return []
    this.confirmed += count
    return this.reads.splice(0, count)
  }
}
