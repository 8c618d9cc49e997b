import { unreachable } from '../../base/assert.ts'
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
  if (change.transition === 'auto' && change.steps.length === 1) return changeSimply(conf, change.steps)
  return enterJoint(conf, change.steps, change.transition !== 'joint-explicit')
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
  if (differences(conf.voters, draft.voters) > 1) return refused('changes-many-voters')
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
): MembershipResult {
  if (isJoint(conf)) return refused('already-joint')
  if (conf.voters.length === 0) return refused('no-voters')
  const draft = new Draft(conf)
  for (const id of conf.voters) draft.votersOutgoing.add(id)
  draft.take(steps)
  if (draft.voters.size === 0) return refused('removes-all-voters')
  return changed(draft, autoLeave)
}

/** The new voters decide alone. Outgoing voters that were demoted become learners only now. */
export function leaveJoint(conf: ConfState): MembershipResult {
  if (!isJoint(conf)) return refused('not-joint')
  const draft = new Draft(conf)
  for (const id of draft.learnersNext) draft.learners.add(id)
  draft.learnersNext.clear()
  draft.votersOutgoing.clear()
  return changed(draft, false)
}

class Draft {
  readonly voters: Set<ReplicaId>
  readonly votersOutgoing: Set<ReplicaId>
  readonly learners: Set<ReplicaId>
  readonly learnersNext: Set<ReplicaId>
  readonly renewed: ReplicaId[] = []
  private readonly removed = new Set<ReplicaId>()

  constructor(conf: ConfState) {
    this.voters = new Set(conf.voters)
    this.votersOutgoing = new Set(conf.votersOutgoing)
    this.learners = new Set(conf.learners)
    this.learnersNext = new Set(conf.learnersNext)
  }

  take(steps: readonly ConfChangeStep[]): void {
    for (const { type, replica } of steps) {
      if (replica === 0) continue // no replica has this number
      switch (type) {
        case 'add-voter':
          this.addVoter(replica)
          break
        case 'add-learner':
          this.addLearner(replica)
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

  private addVoter(replica: ReplicaId): void {
    this.arrive(replica)
    this.learners.delete(replica)
    this.learnersNext.delete(replica)
    this.voters.add(replica)
  }

  private addLearner(replica: ReplicaId): void {
    this.arrive(replica)
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

  private arrive(replica: ReplicaId): void {
    if (this.removed.delete(replica)) this.renewed.push(replica)
  }

  private has(replica: ReplicaId): boolean {
    return this.voters.has(replica) || this.votersOutgoing.has(replica) || this.learners.has(replica)
  }
}

function changed(draft: Draft, autoLeave: boolean): MembershipResult {
  const conf: ConfState = {
    voters: ascending(draft.voters),
    learners: ascending(draft.learners),
    votersOutgoing: ascending(draft.votersOutgoing),
    learnersNext: ascending(draft.learnersNext),
    autoLeave,
  }
  return { type: 'changed', change: { conf, renewed: draft.renewed } }
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
