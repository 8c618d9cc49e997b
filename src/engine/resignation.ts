import type { RaftNode } from '../core/raft/raft-node.ts'
import type { ReplicaId } from '../core/types.ts'

/** Of the replicas that could lead in place of this leader, the one that knows most of the log. */
export function successorOf(node: RaftNode, isHere: (replica: ReplicaId) => boolean): ReplicaId | undefined {
  const { id, progress } = node.status()
  const candidates = progress.filter(one => one.id !== id && one.mayLead && isHere(one.id))
  return candidates.sort((left, right) => right.match - left.match)[0]?.id
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
