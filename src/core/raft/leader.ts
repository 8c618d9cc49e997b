import { voteResult } from '../quorum.ts'
import type { ReplicaId } from '../types.ts'
import { broadcastHeartbeat } from './heartbeat.ts'
import type { Message } from './message.ts'
import { leaveJointWhenDue } from './proposal.ts'
import type { Raft } from './raft.ts'
import { confirmReads, handleReadIndex } from './read-index.ts'
import { handleAppendResponse, handleHeartbeatResponse, sendAppend, sendTimeoutNow } from './replication.ts'

/** What a leader does with a message of its term. */
export function stepLeader(raft: Raft, message: Message): void {
  if (message.type === 'MsgReadIndex') {
    handleReadIndex(raft, message)
    return
  }
  const progress = raft.progressOf(message.from)
  if (progress === undefined) return
  switch (message.type) {
    case 'MsgAppResp':
      handleAppendResponse(raft, progress, message)
      break
    case 'MsgHeartbeatResp':
      handleHeartbeatResponse(raft, progress)
      confirmReads(raft, message.from, message.context)
      break
    case 'MsgTransferLeader':
      transferLeadership(raft, message.from)
      break
  }
}

/**
 * Hands leadership over (Raft thesis §3.10): brings the transferee's log up to date, then has it campaign.
 */
export function transferLeadership(raft: Raft, to: ReplicaId): void {
  const progress = raft.progressOf(to)
  if (progress === undefined || !progress.mayLead) return
  if (raft.leadTransferee === to) return
  // Another transferee than before: the newer wish counts.
  raft.leadTransferee = 0
  if (to === raft.id) return
  // It has to succeed within an election timeout, or proposals go on here.
  raft.electionElapsed = 0
  raft.leadTransferee = to
  if (progress.match === raft.log.lastIndex()) sendTimeoutNow(raft, to)
  else sendAppend(raft, progress, true)
}

export function tickLeader(raft: Raft): void {
  raft.leaderTicks++
  raft.heartbeatElapsed++
  raft.electionElapsed++
  if (raft.electionElapsed >= raft.config.electionTicks) {
    raft.electionElapsed = 0
    if (raft.config.checkQuorum) checkQuorum(raft)
    raft.leadTransferee = 0
  }
  leaveJointWhenDue(raft)
  if (raft.role !== 'leader') return
  if (raft.heartbeatElapsed < raft.config.heartbeatTicks) return
  raft.heartbeatElapsed = 0
  broadcastHeartbeat(raft)
}

/**
 * A leader that heard no quorum within an election timeout may have a successor already, and steps down, so
 * that its clients look for that one (Raft thesis §6.2).
 */
function checkQuorum(raft: Raft): void {
  const isActive = (id: ReplicaId) => id === raft.id || raft.progressOf(id)?.recentActive === true
  if (voteResult(raft.conf, isActive) !== 'won') raft.becomeFollower(raft.term, 0)
  for (const progress of raft.progress) if (progress.id !== raft.id) progress.recentActive = false
}
