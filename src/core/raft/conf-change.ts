import { assert } from '../../base/assert.ts'
import { isVoter } from '../quorum.ts'
import type { Index } from '../types.ts'
import {
  changeMembership,
  isJoint,
  isLeaveJoint,
  type MembershipChange,
  type MembershipRefusal,
} from './membership.ts'
import type { Raft } from './raft.ts'
import { advanceCommit, broadcastAppend, sendAppend, sendTimeoutNow } from './replication.ts'
import { bestOf } from './succession.ts'
import type { ConfChange, ConfState } from './types.ts'

/** 'pending': another change is in the log and not yet applied. */
export type ChangeRefusal = 'pending' | MembershipRefusal

/**
 * Why a leader must not append the change now, or null. One change at a time; a new leader takes its last
 * entry for one, because a change of its predecessor may be among what it has not applied yet.
 */
export function changeRefusal(raft: Raft, change: ConfChange, pendingIndex: Index): ChangeRefusal | null {
  if (raft.config.disableConfChangeValidation) return null
  if (pendingIndex > raft.log.applied) return 'pending'
  if (isJoint(raft.conf) && !isLeaveJoint(change)) return 'in-joint'
  const result = changeMembership(raft.conf, change)
  return result.type === 'refused' ? result.reason : null
}

/**
 * A committed change is applied: from here on it is in force on this replica (Raft thesis §4.1, applied
 * late).
 */
export function applyConfChange(raft: Raft, change: ConfChange): ConfState {
  // The configuration of a snapshot is in force as soon as it is accepted. What was handed out to be applied
  // before lies below it, so its changes are contained in it already.
  if (raft.log.unstable.snapshot !== null) return raft.conf
  const result = changeMembership(raft.conf, change)
  assert(result.type === 'changed', 'a membership change was committed that cannot be made')
  switchConfiguration(raft, result.change)
  return raft.conf
}

/** Acts by another configuration from here on; a leader sends what it makes possible. */
export function switchConfiguration(raft: Raft, change: MembershipChange): void {
  raft.setConfiguration(change)
  raft.reads.voidLease()
  if (raft.role !== 'leader') return

  const own = raft.progressOf(raft.id)
  if (own === undefined || own.isLearner) {
    // It leads on, without counting itself, until its followers elect another one; or it stops at once if
    // told so.
    if (!raft.config.stepDownOnRemoval) return
    callSuccessor(raft)
    raft.becomeFollower(raft.term, 0)
    return
  }
  // Fewer voters may have to agree now: what they hold already may be committed by the change itself.
  if (advanceCommit(raft)) {
    broadcastAppend(raft)
  } else {
    // A new replica is probed at once instead of at the next heartbeat.
    for (const progress of raft.progress) if (progress.id !== raft.id) sendAppend(raft, progress, false)
  }
  if (raft.leadTransferee !== 0 && !isVoter(raft.conf, raft.leadTransferee)) raft.leadTransferee = 0
}

/**
 * Has one of who remains campaign: else everybody waits for an election timeout (Raft thesis §4.2.2). It holds all that
 * is committed, or it could not win. As safe as any election, and a call that is lost costs that timeout only.
 */
function callSuccessor(raft: Raft): void {
  const candidates = raft.progress.filter(({ mayLead, match }) => mayLead && match >= raft.log.committed)
  const successor = bestOf(candidates, raft.leadTransferee)
  if (successor !== undefined) sendTimeoutNow(raft, successor)
}
