import { leaderReadsMax } from '../limits.ts'
import { decidesAlone } from '../quorum.ts'
import type { Index, ReplicaId } from '../types.ts'
import { broadcastHeartbeat } from './heartbeat.ts'
import { blankMessage, type Message } from './message.ts'
import type { Raft } from './raft.ts'

// Linearizable reads without a log entry (Raft thesis §6.4).

/** The leader got a read, from its own replica or from one that follows or learns. */
export function handleReadIndex(raft: Raft, request: Message): void {
  // Until the term's first commit the leader may not know the newest commit of earlier terms: an index given
  // now could miss a write that was acknowledged. That holds for a single voter too, whose stored commit
  // index may lag behind. Whoever asked too much asks again.
  if (raft.earlyReads.length + raft.reads.length >= leaderReadsMax) return
  if (raft.hasCommittedInTerm()) serve(raft, request)
  else raft.earlyReads.push(request)
}

/** The leader committed: where that was the first entry of its term, reads that waited for it go on. */
export function releaseEarlyReads(raft: Raft): void {
  if (raft.earlyReads.length === 0) return
  const requests = raft.earlyReads
  raft.earlyReads = []
  for (const request of requests) serve(raft, request)
}

/** A replica answered a heartbeat of the round. */
export function confirmReads(raft: Raft, from: ReplicaId, round: number): void {
  raft.reads.ack(from, round)
  for (const { request, index } of raft.reads.take(raft.conf)) answer(raft, request, index)
}

function serve(raft: Raft, request: Message): void {
  // That one voter decides is not enough: a leader that was removed may have left the group to a single other one.
  if (decidesAlone(raft.conf, raft.id) || hasLease(raft, request)) {
    answer(raft, request, raft.log.committed)
    return
  }
  raft.reads.add(request, raft.log.committed)
  broadcastHeartbeat(raft)
}

/**
 * Followers that answered a heartbeat elect nobody else for an election timeout after it came, so the leader
 * is safe for less than that after it left. The other half is left to clocks that differ, and to ticks that
 * do not coincide: a leader may be late by two or three, and followers early by two. A change of members that is
 * committed and not yet applied may have freed the voters already.
 */
function hasLease(raft: Raft, { force }: Message): boolean {
  const { readOnly, electionTicks } = raft.config
  if (readOnly === 'safe' || (readOnly === 'asked' && !force)) return false
  if (raft.isLeaseVoid || raft.log.applied < Math.min(raft.pendingConfIndex, raft.log.committed)) return false
  return raft.reads.hasLease(raft.leaderTicks, electionTicks / 2)
}

function answer(raft: Raft, request: Message, index: Index): void {
  if (request.from === raft.id) {
    raft.readStates.push({ index, context: request.context })
    return
  }
  raft.send({
    ...blankMessage,
    type: 'MsgReadIndexResp',
    from: raft.id,
    to: request.from,
    term: raft.term,
    index,
    context: request.context,
  })
}
