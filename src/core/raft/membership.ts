import { unreachable } from '../../base/assert.ts'
import { doMeet, type QuorumSets, voteResult } from '../quorum.ts'
import type { ReplicaId } from '../types.ts'
import type { ConfChange, ConfChangeStep, ConfState } from './types.ts'

/** Why a change cannot be made to a configuration. */
export type MembershipRefusal =
  | 'already-joint' // a joint configuration cannot be made joint again
  | 'in-joint' // a simple change cannot be made while the configuration is joint
  | 'not-joint' // there is no joint configuration to leave
  | 'no-voters' // the configuration has no voter to start from
  | 'removes-all-voters' // nobody would be left to decide
  | 'changes-many-voters' // without joint consensus only one voter may change (Raft thesis §4.1)
  | 'quorums-apart' // two of the quorums share no voter, or one of them is none of voters
  | 'witnesses-decide' // witnesses alone would be a quorum, so that nobody need hold a value that is committed
  | 'witness-for-life' // a replica that had values would lose them, and one that had none would lack them

export type MembershipResult =
  | { readonly type: 'changed'; readonly change: MembershipChange }
  | { readonly type: 'refused'; readonly reason: MembershipRefusal }

export interface MembershipChange {
  readonly conf: ConfState
  /** Replicas that were removed and added again by the one change: what was known of them is void. */
  readonly renewed: readonly ReplicaId[]
}

/**
 * The configuration after a change (Raft thesis §4.3). The same on every replica, so it decides by its input
 * only.
 */
export function changeMembership(conf: ConfState, change: ConfChange): MembershipResult {
  if (isLeaveJoint(change)) return leaveJoint(conf)
  const { transition, steps, quorums } = change
  if (transition === 'auto' && steps.length === 1 && quorums === undefined) {
    const simple = changeSimply(conf, steps)
    if (simple.type === 'changed' || simple.reason !== 'changes-many-voters') return simple
  }
  return enterJoint(conf, steps, transition !== 'joint-explicit', quorums)
}

/** A change without steps ends a joint configuration. */
export function isLeaveJoint(change: ConfChange): boolean {
  return change.steps.length === 0
}

export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0
}

/** Replicas that the log is sent to: voters of either side and learners, ascending. */
export function replicasOf(conf: ConfState): ReplicaId[] {
  return ascending(new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners]))
}

/**
 * Changes voters without joint consensus; safe for one voter only, because then old and new majorities
 * overlap.
 */
export function changeSimply(conf: ConfState, steps: readonly ConfChangeStep[]): MembershipResult {
  if (isJoint(conf)) return refused('in-joint')
  const draft = new Draft(conf)
  draft.take(steps)
  if (draft.voters.size === 0) return refused('removes-all-voters')
  // That one voter is no danger to the overlap is true of majorities only. And where a witness is what two quorums
  // share, who leaves may hold the only copy of a value: in a joint configuration those who stay have to get it.
  const differencesMax = conf.quorums === undefined && conf.witnesses === undefined ? 1 : 0
  if (differences(conf.voters, draft.voters) > differencesMax) return refused('changes-many-voters')
  return changed(draft, false)
}

/**
 * From here on decisions need a majority of the old voters and one of the new, until the configuration is
 * left.
 */
export function enterJoint(
  conf: ConfState,
  steps: readonly ConfChangeStep[],
  autoLeave: boolean,
  quorums?: QuorumSets,
): MembershipResult {
  if (isJoint(conf)) return refused('already-joint')
  if (conf.voters.length === 0) return refused('no-voters')
  const draft = new Draft(conf)
  for (const id of conf.voters) draft.votersOutgoing.add(id)
  draft.quorumsOutgoing = conf.quorums
  draft.take(steps)
  if (draft.voters.size === 0) return refused('removes-all-voters')
  if (quorums !== undefined || differences(conf.voters, draft.voters) > 0) draft.quorums = quorums
  return changed(draft, autoLeave)
}

/** The new voters decide alone. Outgoing voters that were demoted become learners only now. */
export function leaveJoint(conf: ConfState): MembershipResult {
  if (!isJoint(conf)) return refused('not-joint')
  const draft = new Draft(conf)
  for (const id of draft.learnersNext) draft.learners.add(id)
  draft.learnersNext.clear()
  draft.votersOutgoing.clear()
  draft.quorumsOutgoing = undefined
  return changed(draft, false)
}

class Draft {
  readonly voters: Set<ReplicaId>
  readonly votersOutgoing: Set<ReplicaId>
  readonly learners: Set<ReplicaId>
  readonly learnersNext: Set<ReplicaId>
  readonly witnesses: Set<ReplicaId>
  readonly renewed: ReplicaId[] = []
  quorums: QuorumSets | undefined
  quorumsOutgoing: QuorumSets | undefined
  /** A step asked for what a replica cannot become. */
  isImpossible = false
  private readonly removed = new Set<ReplicaId>()

  constructor(conf: ConfState) {
    this.voters = new Set(conf.voters)
    this.votersOutgoing = new Set(conf.votersOutgoing)
    this.learners = new Set(conf.learners)
    this.learnersNext = new Set(conf.learnersNext)
    this.witnesses = new Set(conf.witnesses)
    this.quorums = conf.quorums
    this.quorumsOutgoing = conf.quorumsOutgoing
  }

  take(steps: readonly ConfChangeStep[]): void {
    for (const { type, replica, witness } of steps) {
      if (replica === 0) continue // no replica has this number
      switch (type) {
        case 'add-voter':
          this.addVoter(replica, witness)
          break
        case 'add-learner':
          this.addLearner(replica, witness)
          break
        case 'remove':
          this.remove(replica)
          break
        case 'update':
          break
        default:
          unreachable(type)
      }
    }
  }

  private addVoter(replica: ReplicaId, witness = false): void {
    this.arrive(replica, witness)
    this.learners.delete(replica)
    this.learnersNext.delete(replica)
    this.voters.add(replica)
  }

  private addLearner(replica: ReplicaId, witness = false): void {
    this.arrive(replica, witness)
    this.voters.delete(replica)
    // An outgoing voter still votes until the joint configuration is left, so it cannot be a learner before.
    if (this.votersOutgoing.has(replica)) this.learnersNext.add(replica)
    else this.learners.add(replica)
  }

  private remove(replica: ReplicaId): void {
    if (!this.has(replica)) return
    this.voters.delete(replica)
    this.learners.delete(replica)
    this.learnersNext.delete(replica)
    if (!this.has(replica)) this.removed.add(replica)
  }

  private arrive(replica: ReplicaId, witness: boolean): void {
    if (witness && this.has(replica) && !this.witnesses.has(replica)) this.isImpossible = true
    if (witness) this.witnesses.add(replica)
    if (this.removed.delete(replica)) this.renewed.push(replica)
  }

  has(replica: ReplicaId): boolean {
    return this.voters.has(replica) || this.votersOutgoing.has(replica) || this.learners.has(replica)
  }
}

function changed(draft: Draft, autoLeave: boolean): MembershipResult {
  const { quorums, quorumsOutgoing } = draft
  const voters = ascending(draft.voters)
  if (draft.isImpossible) return refused('witness-for-life')
  if (quorums !== undefined && !isSafe(quorums, voters)) return refused('quorums-apart')
  const rule = quorums === undefined ? {} : { quorums }
  const decision = { voters, votersOutgoing: [], ...rule }
  if (voteResult(decision, id => draft.witnesses.has(id)) === 'won') return refused('witnesses-decide')
  const witnesses = ascending(draft.witnesses).filter(id => draft.has(id))
  const conf: ConfState = {
    voters,
    learners: ascending(draft.learners),
    votersOutgoing: ascending(draft.votersOutgoing),
    learnersNext: ascending(draft.learnersNext),
    autoLeave,
    ...(witnesses.length === 0 ? {} : { witnesses }),
    ...rule,
    ...(quorumsOutgoing === undefined ? {} : { quorumsOutgoing }),
  }
  return { type: 'changed', change: { conf, renewed: draft.renewed } }
}

/** Some set decides, each one consists of voters, and no two can decide apart. */
function isSafe(quorums: QuorumSets, voters: readonly ReplicaId[]): boolean {
  return quorums.length > 0 && quorums.every(set => set.every(id => voters.includes(id))) && doMeet(quorums)
}

function refused(reason: MembershipRefusal): MembershipResult {
  return { type: 'refused', reason }
}

function differences(before: readonly ReplicaId[], after: ReadonlySet<ReplicaId>): number {
  let kept = 0
  for (const id of before) if (after.has(id)) kept++
  return before.length - kept + (after.size - kept)
}

function ascending(ids: ReadonlySet<ReplicaId>): ReplicaId[] {
  return [...ids].sort((left, right) => left - right)
}
