import { committedIndex } from '../quorum.ts'
import type { ReplicaId } from '../types.ts'
import { payloadsBytes } from './entry-size.ts'
import { blankMessage, type Message } from './message.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import { releaseEarlyReads } from './read-index.ts'
import type { Entry } from './types.ts'

// The leader's side of AppendEntries (Raft paper §5.3) and InstallSnapshot (§7).

const noEntries: readonly Entry[] = []

/** Sends every other replica what it lacks, or an empty message that tells it the commit index. */
export function broadcastAppend(raft: Raft): void {
  for (const progress of raft.progress) {
    if (progress.id !== raft.id) sendAppend(raft, progress, true)
  }
}

/**
 * Sends one MsgApp, or a snapshot where the entries are compacted. False when nothing was sent: the replica
 * is paused, or there is nothing to say and `evenEmpty` does not ask for it.
 */
export function sendAppend(raft: Raft, progress: Progress, evenEmpty: boolean): boolean {
  if (progress.isPaused()) return false
  const log = raft.log
  const prevIndex = progress.next - 1
  const prevTerm = log.term(prevIndex)
  if (typeof prevTerm !== 'number') return sendSnapshot(raft, progress)

  // With a full window an empty message still goes out: its rejection is how the loss of the whole window is
  // noticed.
  const mayCarry = progress.state !== 'replicate' || !progress.inflights.isFull()
  const entries = mayCarry ? log.entriesFrom(progress.next, raft.config.appendBytesMax) : noEntries
  if (entries === 'compacted') return sendSnapshot(raft, progress)
  if (entries.length === 0 && !evenEmpty) return false

  raft.send({
    ...blankMessage,
    type: 'MsgApp',
    from: raft.id,
    to: progress.id,
    term: raft.term,
    index: prevIndex,
    logTerm: prevTerm,
    commit: log.committed,
    entries,
  })
  progress.sentEntries(entries.length, payloadsBytes(entries))
  progress.sentCommitIndex(log.committed)
  return true
}

function sendSnapshot(raft: Raft, progress: Progress): boolean {
  // A snapshot is large, and a replica that does not answer would not get it.
  if (!progress.recentActive) return false
  const snapshot = raft.log.snapshot()
  if (snapshot === 'unavailable') return false
  progress.becomeSnapshot(snapshot.index)
  raft.send({
    ...blankMessage,
    type: 'MsgSnap',
    from: raft.id,
    to: progress.id,
    term: raft.term,
    snapshot,
  })
  return true
}

/** Commits what a quorum holds. True when the commit index rose. */
export function advanceCommit(raft: Raft): boolean {
  if (!raft.log.tryCommit(committedIndex(raft.conf, raft.matches), raft.term)) return false
  releaseEarlyReads(raft)
  return true
}

/** A follower (or the own storage) holds everything up to `message.index`, or says where its log differs. */
export function handleAppendResponse(raft: Raft, progress: Progress, message: Message): void {
  progress.recentActive = true
  if (message.reject) handleRejection(raft, progress, message)
  else handleAcknowledgement(raft, progress, message)
}

function handleAcknowledgement(raft: Raft, progress: Progress, message: Message): void {
  const isNews = progress.tryAdvance(message.index)
  // A probe that acknowledges what was known already still tells that the logs match there.
  if (!isNews && !(progress.state === 'probe' && progress.match === message.index)) return
  settle(raft, progress, message.index)

  if (advanceCommit(raft)) {
    broadcastAppend(raft)
  } else if (progress.id !== raft.id && progress.canRaiseCommit(raft.log.committed)) {
    sendAppend(raft, progress, true)
  }
  if (progress.id !== raft.id) fillWindow(raft, progress)
  if (progress.id === raft.leadTransferee && progress.match === raft.log.lastIndex()) {
    sendTimeoutNow(raft, progress.id)
  }
}

/** The window has room again. */
function fillWindow(raft: Raft, progress: Progress): void {
  let sent = true
  while (sent) sent = sendAppend(raft, progress, false)
}

function settle(raft: Raft, progress: Progress, index: number): void {
  switch (progress.state) {
    case 'probe':
      progress.becomeReplicate()
      break
    case 'snapshot':
      // By whatever way it got there, it holds enough for the entries that are left in the log.
      if (progress.match + 1 >= raft.log.firstIndex()) {
        progress.becomeProbe()
        progress.becomeReplicate()
        // It has all of the snapshot, and the log was compacted beyond that meanwhile: it needs the next one.
      } else if (progress.match >= progress.pendingSnapshot) progress.becomeProbe()
      break
    case 'replicate':
      progress.inflights.freeTo(index)
      break
  }
}

function handleRejection(raft: Raft, progress: Progress, message: Message): void {
  // The follower skipped back over its own terms; the leader skips back over its own, to where both could
  // agree.
  const hint =
    message.logTerm > 0
      ? raft.log.findConflictByTerm(message.rejectHint, message.logTerm).index
      : message.rejectHint
  if (!progress.tryRetreat(message.index, hint)) return
  if (progress.state === 'replicate') progress.becomeProbe()
  sendAppend(raft, progress, true)
}

/** A replica lives: what was sent and not acknowledged may be lost, so one more message may be tried. */
export function handleHeartbeatResponse(raft: Raft, progress: Progress): void {
  progress.recentActive = true
  progress.paused = false
  if (progress.match < raft.log.lastIndex() || progress.state === 'probe') sendAppend(raft, progress, true)
}

/** The engine could not deliver a message: pipelining would only add to the loss. */
export function handleUnreachable(progress: Progress): void {
  if (progress.state === 'replicate') progress.becomeProbe()
}

/** The engine delivered a snapshot or failed to. Either way the next message waits for a sign of life. */
export function handleSnapshotStatus(progress: Progress, failed: boolean): void {
  if (progress.state !== 'snapshot') return
  if (failed) progress.pendingSnapshot = 0
  progress.becomeProbe()
  progress.paused = true
}

/** Tells the transferee to campaign at once (Raft thesis §3.10). */
export function sendTimeoutNow(raft: Raft, to: ReplicaId): void {
  raft.isLeaseVoid = true
  raft.send({ ...blankMessage, type: 'MsgTimeoutNow', from: raft.id, to, term: raft.term })
}
