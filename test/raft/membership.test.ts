import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { committedIndex, voteResult } from '../../src/core/quorum.ts'
import {
  blankMessage,
  type ConfChange,
  type ConfState,
  emptyConfState,
  packed,
} from '../../src/core/raft/index.ts'
import { changeMembership, changeSimply } from '../../src/core/raft/membership.ts'
import { Progress, progressAfter } from '../../src/core/raft/progress.ts'
import { parseSteps } from '../transcripts/describe.ts'
import { Cluster, entriesOf } from './cluster.ts'

function change(steps: string, transition: ConfChange['transition'] = 'auto'): ConfChange {
  return { transition, steps: parseSteps(steps), context: new Uint8Array(0) }
}

test('a second change waits until the first is applied (thesis §4.1)', () => {
  const cluster = new Cluster(3)
  const { node } = cluster.elect(1)
  assert.equal(node.proposeConfChange(change('v4')).type, 'proposed')
  assert.deepEqual(node.proposeConfChange(change('r3')), { type: 'refused', reason: 'pending' })
  cluster.partition([1, 2, 3], [4])
  cluster.replicas.length = 3
  cluster.settle()
  assert.deepEqual(node.status().conf.voters, [1, 2, 3, 4])
  assert.equal(node.proposeConfChange(change('r3')).type, 'proposed')
})

test('a new leader makes no change before it has committed an entry of its own term (the fix of 2015)', () => {
  const cluster = new Cluster(3)
  const leader = cluster.replica(1)
  leader.node.campaign()
  cluster.finish(leader)
  cluster.deliver()
  for (const id of [2, 3]) cluster.finish(cluster.replica(id))
  cluster.deliver()
  assert.ok(leader.isLeader)
  assert.deepEqual(leader.node.proposeConfChange(change('r3')), { type: 'refused', reason: 'pending' })
  cluster.settle()
  assert.equal(leader.node.proposeConfChange(change('r3')).type, 'proposed')
})

test('a change that cannot be made is refused by the leader, and appends nothing', () => {
  const cluster = new Cluster(1)
  const { node } = cluster.elect(1)
  assert.deepEqual(node.proposeConfChange(change('r1')), { type: 'refused', reason: 'removes-all-voters' })
  assert.deepEqual(node.proposeConfChange(change('')), { type: 'refused', reason: 'not-joint' })
  assert.equal(node.hasReady(), false)
})

test('a forwarded change that cannot be made becomes an entry without effect', () => {
  const cluster = new Cluster(3)
  cluster.elect(1)
  cluster.replica(2).node.proposeConfChange(change(''))
  cluster.settle()
  for (const replica of cluster.replicas) {
    assert.deepEqual(replica.status.conf.voters, [1, 2, 3])
    assert.equal(replica.applied.length, 2)
  }
})

test('several voters change through a joint configuration, which the leader leaves by itself (thesis §4.3)', () => {
  const cluster = new Cluster(5, {}, { conf: { voters: [1, 2, 3] } })
  const { node } = cluster.elect(1)
  node.proposeConfChange(change('v4 v5 r2'))
  cluster.settle()
  cluster.tick(3)
  for (const id of [1, 3, 4, 5]) {
    assert.deepEqual(cluster.replica(id).status.conf, { ...emptyConfState, voters: [1, 3, 4, 5] })
  }
})

test('a joint configuration is left by the next leader when the first one is lost in it', () => {
  const cluster = new Cluster(5, {}, { conf: { voters: [1, 2, 3] } })
  const { node } = cluster.elect(1)
  node.proposeConfChange(change('v4 v5'))
  // Everybody learns of the joint configuration, and the entry that leaves it gets nowhere.
  cluster.isLost = message =>
    [...message.entries].some(entry => entry.change !== null && entry.change.steps.length === 0)
  cluster.settle()
  cluster.tick(2)
  assert.equal(cluster.replica(2).status.conf.votersOutgoing.length, 3)
  cluster.partition([1], [2, 3, 4, 5])
  cluster.replica(2).node.forgetLeader()
  cluster.elect(2)
  cluster.tick(3, 2)
  assert.deepEqual(cluster.replica(2).status.conf, { ...emptyConfState, voters: [1, 2, 3, 4, 5] })
})

test('the last voter learns that the joint configuration was left from those who cannot vote any more', () => {
  const cluster = new Cluster(3, { stepDownOnRemoval: true })
  const leader = cluster.elect(1)
  leader.node.proposeConfChange(change('l1 l3'))
  // The new voter acknowledges the change that leaves the joint configuration, and never hears that it is committed.
  // Nor does it hear that it is to campaign.
  cluster.isLost = ({ to, commit, type }) => to === 2 && (commit > 3 || type === 'MsgTimeoutNow')
  cluster.settle()
  assert.deepEqual(leader.status.conf, { ...emptyConfState, voters: [2], learners: [1, 3] })
  assert.equal(leader.status.role, 'follower')
  assert.equal(cluster.replica(2).status.conf.votersOutgoing.length, 3)
  // Both others hold an entry more, so that neither can vote for it.
  for (const id of [1, 3]) {
    const { term, commit } = cluster.replica(id).status
    const entries = entriesOf([term], commit + 1)
    const append = {
      ...blankMessage,
      type: 'MsgApp' as const,
      from: 4 - id,
      to: id,
      term,
      index: commit,
      logTerm: term,
    }
    cluster.replica(id).node.step({ ...append, entries: packed(entries) })
  }
  cluster.settle()
  cluster.isLost = () => false
  cluster.tick(30)
  assert.ok(cluster.replica(2).isLeader)
})

test('a refused vote tells of no commit to whoever has another entry there', () => {
  const entries = (id: number) => entriesOf(id === 2 ? [2, 2] : [3, 3], 2)
  const conf = { voters: [1, 2], learners: [3] }
  const cluster = new Cluster(3, {}, { conf, entries, currentTerm: 3 })
  const { node } = cluster.replica(2)
  node.campaign()
  const refusal = { type: 'MsgVoteResp' as const, from: 1, to: 2, term: 4, reject: true }
  node.step({ ...blankMessage, ...refusal, commit: 3, logTerm: 3 })
  assert.equal(node.status().commit, 1)
  node.step({ ...blankMessage, ...refusal, commit: 3, logTerm: 2 })
  assert.equal(node.status().commit, 3)
})

test('a change that another replica hands on is not made while one of the last leader may be under way', () => {
  const cluster = new Cluster(3)
  cluster.elect(1)
  cluster.isLost = ({ type }) => type === 'MsgAppResp'
  cluster.replica(1).node.proposeConfChange(change('l3'))
  cluster.settle()
  cluster.isLost = ({ from, to, type }) => from === 1 || to === 1 || type === 'MsgAppResp'
  cluster.elect(2)
  const { log } = cluster.replica(2)
  const before = log.lastIndex()
  cluster.replica(3).node.proposeConfChange(change('r1'))
  cluster.settle()
  const [handedOn] = log.entries(before + 1, before + 2, 100) as Iterable<{ readonly type: string }>
  assert.equal(handedOn?.type, 'normal', 'an entry without effect')
})

test('a joint configuration that could not be left during a transfer is left when that is over', () => {
  const cluster = new Cluster(5, {}, { conf: { voters: [1, 2, 3] } })
  const leader = cluster.elect(1)
  cluster.isLost = ({ to, type }) => to === 3 && type !== 'MsgHeartbeat'
  leader.node.proposeConfChange(change('v4 v5'))
  leader.node.transferLeadership(3)
  cluster.settle()
  assert.equal(leader.status.conf.votersOutgoing.length, 3)
  cluster.tick(30, 1)
  assert.deepEqual(leader.status.conf.votersOutgoing, [])
})

test('while the configuration is joint, a commit needs a majority of each side', () => {
  const conf: ConfState = { ...emptyConfState, voters: [1, 2, 3], votersOutgoing: [1, 4, 5] }
  const cluster = new Cluster(5, {}, { conf })
  cluster.elect(1)
  cluster.partition([1, 2, 3], [4, 5])
  cluster.propose(1, 'a')
  cluster.settle()
  assert.equal(cluster.replica(1).status.commit, 2)
  cluster.partition([1, 2, 4], [3, 5])
  cluster.tick(2, 1)
  assert.equal(cluster.replica(1).status.commit, 3)
})

test('learners are not counted, however many they are', () => {
  const cluster = new Cluster(3, {}, { conf: { voters: [1, 2], learners: [3] } })
  cluster.elect(1)
  cluster.partition([1, 3], [2])
  cluster.propose(1, 'a')
  cluster.settle()
  cluster.tick(3, 1)
  assert.equal(cluster.replica(1).status.commit, 2)
  assert.equal(cluster.replica(1).status.progress.find(each => each.id === 3)?.match, 3)
})

test('a removed leader does not count itself, and commits what its successors hold', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  leader.node.proposeConfChange(change('r1'))
  cluster.settle()
  assert.ok(leader.isLeader)
  assert.deepEqual(cluster.propose(1, 'a'), { type: 'refused', reason: 'removed' })
})

test('a leader that is told to steps down when it applies its own removal', () => {
  const cluster = new Cluster(3, { stepDownOnRemoval: true })
  const leader = cluster.elect(1)
  leader.node.proposeConfChange(change('r1'))
  cluster.settle()
  assert.equal(leader.status.role, 'follower')
  cluster.elect(2)
})

test('a leader that steps down has who remains campaign at once, also one that has still to apply the change', () => {
  for (const steps of ['r1', 'l1', 'l1 l3']) {
    const cluster = new Cluster(3, { stepDownOnRemoval: true, checkQuorum: true, preVote: true })
    cluster.elect(1).node.proposeConfChange(change(steps))
    cluster.settle()
    assert.notEqual(cluster.leader.id, 1, steps)
  }
})

test('a leader that steps down calls the voter that knows most of the log', () => {
  const cluster = new Cluster(3, { stepDownOnRemoval: true })
  cluster.elect(1)
  cluster.isLost = ({ to, type }) => to === 2 && type === 'MsgApp'
  cluster.replica(1).node.proposeConfChange(change('r1'))
  cluster.settle()
  assert.equal(cluster.leader.id, 3)
})

test('a leader that steps down calls nobody who lacks what is committed, keeps no values, or is no voter', () => {
  const conf = { voters: [1, 2, 4, 5], witnesses: [2], learners: [3] }
  const cluster = new Cluster(5, { stepDownOnRemoval: true }, { conf })
  const leader = cluster.elect(1)
  const called: number[] = []
  cluster.isLost = ({ to, type }) => {
    // The one that has all was heard longer ago than the others, whenever the leader says something.
    for (const progress of leader.node.raft.progress) progress.recentActive = progress.id !== 5
    if (type === 'MsgTimeoutNow') called.push(to)
    return to === 4 && type === 'MsgApp'
  }
  leader.node.proposeConfChange(change('r1'))
  cluster.tick(2)
  assert.equal(leader.status.role, 'follower')
  assert.deepEqual(called, [5])
})

test('a leader that steps down has the one campaign that it hands over to, and no second one', () => {
  const cluster = new Cluster(3, { stepDownOnRemoval: true })
  const leader = cluster.elect(1)
  const called: number[] = []
  cluster.isLost = ({ to, type }) => type === 'MsgTimeoutNow' && called.push(to) > 0
  leader.node.proposeConfChange(change('r1'))
  cluster.finish(leader)
  cluster.deliver()
  for (const id of [2, 3]) cluster.finish(cluster.replica(id))
  cluster.deliver()
  leader.node.transferLeadership(3)
  cluster.settle()
  assert.deepEqual([leader.status.role, called], ['follower', [3, 3]])
})

test('a call to campaign waits for changes to be applied, and is void when the leader is heard again before', () => {
  for (const isHeard of [false, true]) {
    const cluster = new Cluster(3)
    cluster.elect(1)
    const one = cluster.replica(2)
    const { term, commit } = one.status
    const word = { ...blankMessage, from: 1, to: 2, term }
    const entries = entriesOf([term], commit + 1).map(entry => {
      return { ...entry, type: 'conf-change' as const, change: change('l3') }
    })
    const append = { index: commit, logTerm: term, commit: commit + 1, entries: packed(entries) }
    one.node.step({ ...word, type: 'MsgApp', ...append })
    one.node.step({ ...word, type: 'MsgTimeoutNow' })
    assert.equal(one.status.term, term)
    if (isHeard) one.node.step({ ...word, type: 'MsgHeartbeat', commit })
    cluster.settle()
    assert.deepEqual(one.status.conf.learners, [3])
    assert.equal(one.status.term, isHeard ? term : term + 1)
  }
})

test('a removed replica takes part until its removal is applied there, not only appended', () => {
  const cluster = new Cluster(2)
  const leader = cluster.elect(1)
  leader.node.proposeConfChange(change('r2'))
  cluster.settle()
  assert.deepEqual(leader.status.conf.voters, [1])
  cluster.propose(1, 'alone')
  cluster.settle()
  assert.deepEqual(leader.texts, ['alone'])
})

test('without joint consensus one voter changes at a time, or old and new majorities need not overlap', () => {
  const conf = { ...emptyConfState, voters: [1, 2, 3] }
  for (const steps of ['v4', 'r3', 'l3', 'l4 l5', 'v4 l5']) {
    assert.equal(changeSimply(conf, parseSteps(steps)).type, 'changed', steps)
  }
  for (const steps of ['v4 v5', 'r2 r3', 'r3 v4', 'l2 l3']) {
    assert.deepEqual(changeSimply(conf, parseSteps(steps)), {
      type: 'refused',
      reason: 'changes-many-voters',
    })
  }
})

test('the answer of a replica that is not in the configuration changes nothing', () => {
  const cluster = new Cluster(3, {}, { conf: { voters: [1, 2] } })
  const leader = cluster.elect(1)
  const answer = { ...blankMessage, type: 'MsgAppResp' as const, from: 3, to: 1, term: 2, index: 2 }
  assert.equal(leader.node.step(answer), 'unknown-peer')
})

test('what is known of a replica is void when one change removes it and adds it again', () => {
  const result = changeMembership({ ...emptyConfState, voters: [1, 2], learners: [3] }, change('r3 l3'))
  assert.ok(result.type === 'changed')
  assert.deepEqual(result.change.renewed, [3])
})

test('a leader knows nothing of a replica that was removed and added again, whatever it knew before', () => {
  const window = { messagesMax: 8, bytesMax: 1000 }
  const part = { isLearner: true, isWitness: false, recentActive: true, window }
  const known = [new Progress({ id: 3, match: 9, next: 10, ...part })]
  const conf = { ...emptyConfState, voters: [1], learners: [3] }
  const matchAfter = (renewed: readonly number[]) =>
    progressAfter(known, { conf, renewed }, { next: 5, window }).find(({ id }) => id === 3)?.match
  assert.equal(matchAfter([]), 9)
  assert.equal(matchAfter([3]), 0)
})

test('a replica does not campaign with a committed change that it has not applied', () => {
  const cluster = new Cluster(2)
  const leader = cluster.elect(1)
  leader.node.proposeConfChange(change('l2'))
  cluster.isLost = () => false
  const follower = cluster.replica(2)
  for (let i = 0; i < 6; i++) {
    cluster.finish(leader)
    cluster.deliver()
    cluster.perform(follower)
    while (follower.appendWork.length > 0) cluster.send(follower.store())
    cluster.perform(follower)
  }
  assert.ok(follower.applyWork.length > 0)
  assert.equal(follower.node.campaign(), false)
})

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 })

test('any two majorities of one configuration share a voter; a joint one shares with both sides', () => {
  const subset = fc.uniqueArray(fc.integer({ min: 1, max: 7 }))
  fc.assert(
    fc.property(
      ids,
      fc.oneof(fc.constant<number[]>([]), ids),
      subset,
      subset,
      (voters, votersOutgoing, one, other) => {
        const wins = (group: readonly number[]) =>
          voteResult({ voters, votersOutgoing }, id => group.includes(id)) === 'won'
        fc.pre(wins(one) && wins(other))
        for (const side of [voters, votersOutgoing].filter(each => each.length > 0)) {
          assert.ok(one.some(id => side.includes(id) && other.includes(id)))
        }
      },
    ),
  )
})

test('the committed index is the highest one that a quorum would vote for', () => {
  const acks = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(ids, fc.oneof(fc.constant<number[]>([]), ids), acks, (voters, votersOutgoing, acked) => {
      const quorum = { voters, votersOutgoing }
      const holds = (index: number) => voteResult(quorum, id => (acked[id] ?? 0) >= index) === 'won'
      const index = committedIndex(quorum, id => acked[id] ?? 0)
      assert.ok(holds(index) && !holds(index + 1))
    }),
  )
})

test('every chain of changes keeps the configuration well formed', () => {
  const steps = fc.array(
    fc.record({
      type: fc.constantFrom('add-voter', 'add-learner', 'remove', 'update'),
      replica: fc.integer({ min: 0, max: 5 }),
    }),
    { maxLength: 4 },
  )
  const changes = fc.array(
    fc.record({
      transition: fc.constantFrom('auto', 'joint-implicit', 'joint-explicit'),
      steps,
      context: fc.constant(new Uint8Array(0)),
    }),
    { maxLength: 12 },
  )
  fc.assert(
    fc.property(changes, list => {
      let conf: ConfState = { ...emptyConfState, voters: [1] }
      for (const each of list as ConfChange[]) {
        const result = changeMembership(conf, each)
        if (result.type === 'refused') continue
        const next = result.change.conf
        const isJoint = next.votersOutgoing.length > 0
        assert.ok(next.voters.length > 0)
        assert.ok(next.learners.every(id => !next.voters.includes(id) && !next.votersOutgoing.includes(id)))
        assert.ok(
          next.learnersNext.every(id => next.votersOutgoing.includes(id) && !next.voters.includes(id)),
        )
        assert.ok(isJoint || (!next.autoLeave && next.learnersNext.length === 0))
        conf = next
      }
    }),
  )
})
