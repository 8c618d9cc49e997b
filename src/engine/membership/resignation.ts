import type { RaftNode, ReplicaProgress } from '../../core/raft/raft-node.ts'
import { bestOf } from '../../core/raft/succession.ts'
import type { ReplicaId } from '../../core/types.ts'

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

/** So many times as long as others, a replica that should not lead waits before it campaigns. */
const asideEvery = 4

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
  private ticks = 0

  constructor(node: RaftNode, isHere: (replica: ReplicaId) => boolean) {
    this.node = node
    this.isHere = isHere
  }

  /** Who could lead in place of this leader now. */
  successor(): ReplicaId | undefined {
    return successorOf(this.node, this.isHere)
  }

  /**
   * `isAside`: the state of the replica is wrong, or may be. Its log is right, and may be all that the group has of its
   * last entries, so it still leads where nobody else can, after everybody else had his turn: it gives the log to the
   * others, takes nothing new and answers nothing (`Replica.leads`) until one of them takes over.
   */
  tick(isHung: boolean, isAside: boolean): void {
    const { node } = this
    if (!isHung) this.hasAsked = false
    else if (!this.isHandingOver()) return node.stepDown()
    this.ticks += 1
    if (!isAside || this.ticks % asideEvery === 0 || node.status().role === 'leader') node.tick()
  }

  private isHandingOver(): boolean {
    const { node, hasAsked } = this
    this.hasAsked = true
    const successor = hasAsked ? undefined : this.successor()
    if (successor !== undefined) node.transferLeadership(successor)
    return node.status().leadTransferee !== 0
  }
}
