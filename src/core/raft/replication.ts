import { emptyBytes } from '../../base/bytes.ts'
import { committedIndex } from '../quorum.ts'
import type { Index, ReplicaId } from '../types.ts'
import { type Entries, noEntries, packed } from './entry-list.ts'
import { payloadsBytes } from './entry-size.ts'
import { blankMessage, type Message } from './message.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import { releaseEarlyReads } from './read-index.ts'
import type { Entry } from './types.ts'

// The leader's side of AppendEntries (Raft paper §5.3) and InstallSnapshot (§7).

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

  const entries = entriesFor(raft, progress)
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

function entriesFor(raft: Raft, progress: Progress): Entries | 'compacted' {
  // With a full window an empty message still goes out: its rejection is how the loss of the whole window is
  // noticed.
  if (progress.state === 'replicate' && progress.inflights.isFull()) return noEntries
  const { log, config } = raft
  if (!progress.isWitness) return log.entriesFrom(progress.next, config.appendBytesMax)
  const end = Math.min(heldIndex(raft), log.lastIndex()) + 1
  if (progress.next >= end) return noEntries
  const entries = log.slice(progress.next, end, config.appendBytesMax)
  return entries === 'compacted' ? entries : packed([...entries].map(stripped))
}

/**
 * How far the log is durable on a voter that keeps values, and that does not leave with a joint configuration. Only so
 * much goes to witnesses: one that held a position whose value a crash took, or a voter that left, would refuse its
 * vote to everybody who remains, for ever.
 */
function heldIndex(raft: Raft): Index {
  const keepers = raft.conf.voters.filter(id => raft.conf.witnesses?.includes(id) !== true)
  const heldBy = (id: ReplicaId) => (id === raft.id ? raft.log.unstable.offset - 1 : raft.matches(id))
  return Math.max(0, ...keepers.map(heldBy))
}

/** More of the log is durable somewhere: witnesses may have waited for it. */
export function appendToWitnesses(raft: Raft): void {
  if (raft.role !== 'leader') return
  for (const progress of raft.progress) if (progress.isWitness) sendAppend(raft, progress, false)
}

/** What a witness gets of an entry. Changes of members it gets whole: they say whose votes count. */
function stripped(entry: Entry): Entry {
  return entry.type !== 'normal' || entry.data.length === 0
    ? entry
    : { ...entry, type: 'stripped', data: emptyBytes }
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
  if (!progress.isWitness) appendToWitnesses(raft)
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

/** The engine hears of a replica that was not there: what was sent to it is lost, and the heartbeat may be far. */
export function handleReachable(raft: Raft, progress: Progress): void {
  if (progress.id === raft.id || progress.state !== 'probe') return
  progress.paused = false
  sendAppend(raft, progress, true)
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
