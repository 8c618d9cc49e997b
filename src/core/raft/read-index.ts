import { isOnlyVoter } from '../quorum.ts'
import type { Index, ReplicaId } from '../types.ts'
import { broadcastHeartbeat } from './heartbeat.ts'
import { blankMessage, type Message } from './message.ts'
import type { Raft } from './raft.ts'

// Linearizable reads without a log entry (Raft thesis §6.4).

/** The leader got a read, from its own replica or from one that follows or learns. */
export function handleReadIndex(raft: Raft, request: Message): void {
  // Until the term's first commit the leader may not know the newest commit of earlier terms: an index given now could
  // miss a write that was acknowledged. That holds for a single voter too, whose stored commit index may lag behind.
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

/** A replica answered a heartbeat that was sent when `position` reads had joined the queue. */
export function confirmReads(raft: Raft, from: ReplicaId, position: number): void {
  if (position === 0) return
  raft.reads.ack(from, position)
  for (const { request, index } of raft.reads.take(raft.conf)) answer(raft, request, index)
}

function serve(raft: Raft, request: Message): void {
  // One voter is not enough: a leader that was removed may have left the group to a single other one.
  const mayAnswer = isOnlyVoter(raft.conf, raft.id) || (raft.config.readOnly === 'lease' && !raft.isLeaseVoid)
  if (mayAnswer) {
    answer(raft, request, raft.log.committed)
    return
  }
  raft.reads.add(request, raft.log.committed)
  raft.reads.ack(raft.id, raft.reads.position)
  broadcastHeartbeat(raft)
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
