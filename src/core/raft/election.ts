import { assert } from '../../base/assert.ts'
import { emptyBytes } from '../../base/bytes.ts'
import { type VoteResult, voteResult } from '../quorum.ts'
import type { ReplicaId } from '../types.ts'
import { packed } from './entry-list.ts'
import { blankMessage, type Message, type MessageType } from './message.ts'
import { appendEntries, draftEntry } from './proposal.ts'
import type { Raft } from './raft.ts'
import { broadcastAppend } from './replication.ts'

// Leader election (Raft paper §5.2, §5.4.1), with the pre-vote of the Raft thesis, §9.6.

/**
 * 'transfer': the leader asked for it, so voters do not wait for the leader's lease to run out, and there is
 * no reason to ask beforehand whether the election could be won.
 */
export type Campaign = 'pre-election' | 'election' | 'transfer'

/** Campaigns, unless this replica leads already or must not. True when it did. */
export function startElection(raft: Raft, campaign: Campaign): boolean {
  if (raft.role === 'leader' || !raft.isPromotable()) return false
  // A committed change that is not yet applied would make this replica count the votes of the wrong
  // configuration.
  if (hasUnappliedConfChange(raft)) return false
  requestVotes(raft, campaign)
  return true
}

function requestVotes(raft: Raft, campaign: Campaign): void {
  const isPreVote = campaign === 'pre-election'
  if (isPreVote) becomePreCandidate(raft)
  else becomeCandidate(raft)
  // A pre-vote asks about the term that the election would have, without entering it.
  const term = isPreVote ? raft.term + 1 : raft.term
  const index = raft.log.lastIndex()
  const logTerm = raft.log.lastTerm()
  for (const { id, isLearner } of raft.progress) {
    if (isLearner) continue
    if (id === raft.id) {
      // Its own vote counts like any other: when it is durable.
      sendVote(raft, { type: isPreVote ? 'MsgPreVoteResp' : 'MsgVoteResp', to: id, term, reject: false })
      continue
    }
    const request: Message = {
      ...blankMessage,
      type: isPreVote ? 'MsgPreVote' : 'MsgVote',
      from: raft.id,
      to: id,
      term,
      index,
      logTerm,
      force: campaign === 'transfer',
    }
    // Behind the write, with term, vote and log that it speaks of. A candidate that forgot them in a crash would get
    // the same votes again, and lead the same term a second time with another log.
    if (isPreVote || raft.config.earlyVoteRequests === true) raft.send(request)
    else raft.sendAfterAppend(request)
  }
}

function becomePreCandidate(raft: Raft): void {
  assert(raft.role !== 'leader', 'a leader does not campaign')
  raft.votes.clear()
  raft.leader = 0
  raft.role = 'pre-candidate'
}

function becomeCandidate(raft: Raft): void {
  assert(raft.role !== 'leader', 'a leader does not campaign')
  raft.reset(raft.term + 1)
  raft.vote = raft.id
  raft.role = 'candidate'
}

function becomeLeader(raft: Raft): void {
  assert(raft.role === 'candidate', 'only a candidate becomes leader')
  raft.reset(raft.term)
  raft.leader = raft.id
  raft.role = 'leader'
  const own = raft.progressOf(raft.id)
  assert(own !== undefined, 'a leader is in its configuration')
  own.becomeReplicate()
  own.recentActive = true
  raft.pendingConfIndex = raft.log.lastIndex()
  raft.firstIndexOfTerm = raft.log.lastIndex() + 1
  // An entry of the own term lets everything before it be committed (Raft paper §5.4.2 and §8).
  const wasAppended = appendEntries(raft, packed([draftEntry(emptyBytes)]))
  assert(wasAppended, 'the no-op of a new leader has no payload to refuse')
  broadcastAppend(raft)
}

/** A replica asks for this one's vote. The caller has dealt with the terms. */
export function handleVoteRequest(raft: Raft, message: Message): void {
  const isPreVote = message.type === 'MsgPreVote'
  const isFree =
    raft.vote === message.from || // a repeated request gets the same answer
    (raft.vote === 0 && raft.leader === 0) ||
    (isPreVote && message.term > raft.term)
  // A learner votes as well: the candidate may know already that it was promoted (etcd#10998).
  const isGranted = isFree && raft.log.isUpToDate(message.index, message.logTerm)
  const type = isPreVote ? 'MsgPreVoteResp' : 'MsgVoteResp'
  if (!isGranted) {
    refuseVote(raft, type, message.from)
    return
  }
  // A granted pre-vote names the term that was asked about: the own one may be lower, and would be ignored.
  sendVote(raft, { type, to: message.from, term: message.term, reject: false })
  if (isPreVote) return
  raft.electionElapsed = 0
  raft.vote = message.from
}

/**
 * Whoever cannot lead says how far it knows the log to be committed. It may hold more of the log than all who can, and
 * be asked only because they do not know yet that the configuration in which it voted is left: without this they would
 * ask, and it would refuse, for ever.
 */
function refuseVote(raft: Raft, type: MessageType, to: ReplicaId): void {
  const { committed } = raft.log
  const logTerm = raft.log.term(committed)
  const known = raft.isPromotable() || typeof logTerm !== 'number' ? {} : { commit: committed, logTerm }
  sendVote(raft, { type, to, term: raft.term, reject: true, ...known })
}

/** A refused vote may tell of a commit that was missed. What is committed stays so, whatever became of the terms. */
export function learnCommit(raft: Raft, message: Message): void {
  const isRefusal = message.type === 'MsgVoteResp' || message.type === 'MsgPreVoteResp'
  if (!isRefusal || message.commit === 0) return
  if (raft.log.matchTerm(message.commit, message.logTerm)) raft.log.commitTo(message.commit)
}

/** Also the answer to a pre-vote of an older term, which tells the asker the newer one. */
export function sendVote(
  raft: Raft,
  vote: Pick<Message, 'to' | 'term' | 'reject'> & Partial<Message> & { readonly type: MessageType },
): void {
  raft.sendAfterAppend({ ...blankMessage, from: raft.id, ...vote })
}

/** A candidate got a vote. */
export function handleVoteResponse(raft: Raft, message: Message): void {
  const expected = raft.role === 'pre-candidate' ? 'MsgPreVoteResp' : 'MsgVoteResp'
  if (message.type !== expected) return
  switch (countVote(raft, message.from, !message.reject)) {
    case 'won':
      if (raft.role === 'pre-candidate') requestVotes(raft, 'election')
      else becomeLeader(raft)
      break
    case 'lost':
      // The same term: a lost pre-vote changes none, and the own vote of a lost election stays.
      raft.becomeFollower(raft.term, 0)
      break
    case 'pending':
      break
  }
}

function countVote(raft: Raft, from: ReplicaId, granted: boolean): VoteResult {
  if (!raft.votes.has(from)) raft.votes.set(from, granted)
  return voteResult(raft.conf, id => raft.votes.get(id))
}

function hasUnappliedConfChange(raft: Raft): boolean {
  const { log } = raft
  // What is compacted was applied, even when the word of it is still on its way.
  let from = Math.max(log.applied + 1, log.firstIndex())
  while (from <= log.committed) {
    const entries = log.slice(from, log.committed + 1, raft.config.committedBytesMax)
    assert(entries !== 'compacted', 'unapplied entries were compacted')
    if (entries.runs.some(run => run.type === 'conf-change')) return true
    from += entries.length
  }
  return false
}
