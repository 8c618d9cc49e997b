import { handleVoteRequest, handleVoteResponse, learnCommit, sendVote, startElection } from './election.ts'
import { entriesBytes } from './entry-size.ts'
import { stepDefeated, stepFollower } from './follower.ts'
import { stepLeader, tickLeader } from './leader.ts'
import { blankMessage, isLocalMessage, isResponseMessage, type Message } from './message.ts'
import { entriesApplied, propose } from './proposal.ts'
import type { Raft } from './raft.ts'
import { appendToWitnesses } from './replication.ts'
import { snapshotApplied } from './snapshot.ts'

/**
 * 'refused': a forwarded proposal could not be taken. 'unknown-peer': an answer from outside the
 * configuration.
 */
export type StepResult = 'ok' | 'refused' | 'unknown-peer'

/** One tick of the logical clock. */
export function tick(raft: Raft): void {
  if (raft.role === 'leader') tickLeader(raft)
  else tickElection(raft)
}

function tickElection(raft: Raft): void {
  raft.electionElapsed++
  if (raft.electionElapsed >= raft.config.electionTicks) raft.mayOweLease = false
  if (raft.electionElapsed < raft.electionTimeout || !raft.isPromotable()) return
  raft.electionElapsed = 0
  startElection(raft, raft.config.preVote ? 'pre-election' : 'election')
}

/** Takes a message of another replica, or one to itself that waited for storage. */
export function stepPeer(raft: Raft, message: Message): StepResult {
  if (isLocalMessage(message.type)) return 'refused'
  if (isResponseMessage(message.type) && raft.progressOf(message.from) === undefined) return 'unknown-peer'
  learnCommit(raft, message)
  // Whoever lags behind in terms must not change anything here; whoever is ahead is followed first (Raft
  // paper §5.1).
  if (message.term !== 0 && message.term < raft.term) {
    answerStale(raft, message)
    return 'ok'
  }
  if (message.term > raft.term && !enterTerm(raft, message)) return 'ok'

  switch (message.type) {
    case 'MsgVote':
    case 'MsgPreVote':
      handleVoteRequest(raft, message)
      return 'ok'
    case 'MsgProp':
      return propose(raft, message.entries, message.from).type === 'refused' ? 'refused' : 'ok'
    default:
      stepRole(raft, message)
      return 'ok'
  }
}

function stepRole(raft: Raft, message: Message): void {
  switch (raft.role) {
    case 'leader':
      stepLeader(raft, message)
      break
    case 'follower':
      stepFollower(raft, message)
      break
    case 'candidate':
    case 'pre-candidate':
      stepCandidate(raft, message)
      break
  }
}

function stepCandidate(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      stepDefeated(raft, message)
      break
    case 'MsgVoteResp':
    case 'MsgPreVoteResp':
      handleVoteResponse(raft, message)
      break
  }
}

/** Enters a higher term as a follower. False when the message is to be ignored. */
function enterTerm(raft: Raft, message: Message): boolean {
  switch (message.type) {
    case 'MsgVote':
    case 'MsgPreVote':
      // The asker may only be cut off, or removed, and the leader be well. Not even an answer is given, which
      // the asker could take for a lost election.
      if (!message.force && raft.isInLease()) return false
      // A pre-vote changes nobody's term, neither by its question nor, below, by its consent.
      if (message.type === 'MsgVote') raft.becomeFollower(message.term, 0)
      return true
    case 'MsgPreVoteResp':
      if (message.reject) raft.becomeFollower(message.term, 0)
      return true
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      raft.becomeFollower(message.term, message.from)
      return true
    default:
      raft.becomeFollower(message.term, 0)
      return true
  }
}

function answerStale(raft: Raft, message: Message): void {
  const { checkQuorum, preVote } = raft.config
  switch (message.type) {
    case 'MsgApp':
    case 'MsgHeartbeat':
      // A replica with a higher term that cannot win elections any more (others do not answer it) would stay
      // apart for ever, because a live leader never learns of its term. The answer makes that leader step
      // down once.
      if (!checkQuorum && !preVote) return
      raft.sendAfterAppend({
        ...blankMessage,
        type: 'MsgAppResp',
        from: raft.id,
        to: message.from,
        term: raft.term,
      })
      return
    case 'MsgPreVote':
      // Tells the asker the newer term: it could otherwise ask for ever with a longer log of an older one.
      sendVote(raft, { type: 'MsgPreVoteResp', to: message.from, term: raft.term, reject: true })
      return
    default:
      return
  }
}

/** What was handed to the append thread is durable: entries up to (index, logTerm), and the snapshot. */
export function storageAppended(raft: Raft, message: Message): void {
  // Written in an older term, entries may have been overwritten since, even by equal (index, term) pairs of a
  // log that was truncated and filled again. The write that belongs to what is here now is acknowledged
  // separately.
  if (message.index !== 0 && message.term === raft.term) {
    raft.log.unstable.stableTo(message.index, message.logTerm)
    appendToWitnesses(raft)
  }
  if (message.snapshot !== null) snapshotApplied(raft, message.snapshot)
}

/** What was handed to the apply thread is applied. */
export function storageApplied(raft: Raft, message: Message): void {
  entriesApplied(raft, message.entries, entriesBytes(message.entries))
  if (raft.isCalled) raft.isCalled = !startElection(raft, 'transfer')
}
