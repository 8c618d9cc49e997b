import type { Index, ReplicaId } from '../types.ts'
import { startElection } from './election.ts'
import { blankMessage, type Message } from './message.ts'
import type { Raft } from './raft.ts'
import { handleSnapshot } from './snapshot.ts'

/** What a follower, and a learner, does with a message of its term. */
export function stepFollower(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      // Any word of the leader shows that it lives, also one that has to be rejected.
      raft.electionElapsed = 0
      raft.leader = message.from
      // It leads on: whatever it asked for before is void.
      raft.isCalled = false
      followLeader(raft, message)
      break
    case 'MsgTransferLeader':
      // Its sender field names the transferee, not who asked; the term is that of whoever passes it on.
      if (raft.leader !== 0) raft.send({ ...message, to: raft.leader, term: raft.term })
      break
    case 'MsgReadIndex':
      if (raft.leader !== 0) raft.send({ ...message, to: raft.leader })
      break
    case 'MsgReadIndexResp':
      raft.readStates.push({ index: message.index, context: message.context })
      break
    case 'MsgTimeoutNow':
      // The change that the leader left behind may be what this replica has still to apply.
      raft.isCalled = !startElection(raft, 'transfer')
      break
  }
}

/** What a candidate does with it: whoever leads in its term has won the election. */
export function stepDefeated(raft: Raft, message: Message): void {
  raft.becomeFollower(message.term, message.from)
  followLeader(raft, message)
}

function followLeader(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'MsgApp':
      handleAppend(raft, message)
      break
    case 'MsgHeartbeat':
      handleHeartbeat(raft, message)
      break
    case 'MsgSnap':
      handleSnapshot(raft, message)
      break
  }
}

/** The receiver's side of AppendEntries (Raft paper, figure 2). */
function handleAppend(raft: Raft, message: Message): void {
  const { log } = raft
  // What is committed here matches the leader's log by Leader Completeness, so nothing before it needs a
  // check.
  if (message.index < log.committed) {
    acknowledge(raft, message.from, log.committed)
    return
  }

  const verified = log.tryAppend(message.index, message.logTerm, message.entries)
  if (verified !== undefined) {
    // Not our own last index: behind the verified one there may be entries that the leader does not have.
    log.commitTo(Math.min(message.commit, verified))
    acknowledge(raft, message.from, verified)
    return
  }
  const hint = log.findConflictByTerm(Math.min(message.index, log.lastIndex()), message.logTerm)
  raft.sendAfterAppend({
    ...blankMessage,
    type: 'MsgAppResp',
    from: raft.id,
    to: message.from,
    term: raft.term,
    index: message.index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  })
}

function acknowledge(raft: Raft, to: ReplicaId, index: Index): void {
  raft.sendAfterAppend({
    ...blankMessage,
    type: 'MsgAppResp',
    from: raft.id,
    to,
    term: raft.term,
    index,
  })
}

function handleHeartbeat(raft: Raft, message: Message): void {
  raft.log.commitTo(message.commit)
  // It promises nothing that has to be durable, so it does not wait for storage.
  raft.send({
    ...blankMessage,
    type: 'MsgHeartbeatResp',
    from: raft.id,
    to: message.from,
    term: raft.term,
    context: message.context,
  })
}
