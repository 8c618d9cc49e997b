import type { RaftNode, ReplicaProgress } from '../core/raft/raft-node.ts'
import { bestOf } from '../core/raft/succession.ts'
import type { ReplicaId } from '../core/types.ts'

/**
 * Who lags by less than this may come to vote, or to lead: else the first commit behind a promotion waits for it, and
 * while leadership is handed over nothing is written until it has the log.
 */
export const catchUpEntriesMax = 1000

/** Of the replicas that could lead in place of this leader now, the best. */
export function successorOf(node: RaftNode, isHere: (replica: ReplicaId) => boolean): ReplicaId | undefined {
  const { id, progress, commit } = node.status()
  const isNear = ({ state, match }: ReplicaProgress) =>
    state === 'replicate' && commit - match < catchUpEntriesMax
  const candidates = progress.filter(one => one.id !== id && one.mayLead && isNear(one) && isHere(one.id))
  return bestOf(candidates)
}

/**
 * The ticks of a replica whose disk may hang. Its log grows and its votes get lost, so as a leader it hands over, and
 * where that is not done within the election timeout that Raft gives it, or there is nobody to hand over to, it stops
 * leading. It does not campaign until its disk is back. A transfer is safe whatever the own disk holds: who takes over
 * is elected as anybody else is.
 */
export class Resignation {
  private readonly node: RaftNode
  private readonly isHere: (replica: ReplicaId) => boolean
  /** Once for each time that the disk hangs. */
  private hasAsked = false

  constructor(node: RaftNode, isHere: (replica: ReplicaId) => boolean) {
    this.node = node
    this.isHere = isHere
  }

  /** Who could lead in place of this leader now. */
  successor(): ReplicaId | undefined {
    return successorOf(this.node, this.isHere)
  }

  tick(isHung: boolean): void {
    const { node } = this
    if (!isHung) this.hasAsked = false
    else if (!this.isHandingOver()) return node.stepDown()
    node.tick()
  }

  private isHandingOver(): boolean {
    const { node, hasAsked } = this
    this.hasAsked = true
    const successor = hasAsked ? undefined : this.successor()
    if (successor !== undefined) node.transferLeadership(successor)
    return node.status().leadTransferee !== 0
  }
}
