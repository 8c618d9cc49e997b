import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  blankMessage,
  type ConfState,
  MemoryLog,
  type Message,
  packed,
  type Snapshot,
} from '../../src/core/raft/index.ts'
import { Cluster, entriesOf } from './cluster.ts'

const conf: ConfState = {
  voters: [1, 2, 3],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
}

function install(snapshot: Partial<Snapshot>) {
  const full: Snapshot = { index: 1, term: 1, conf, ...snapshot }
  return { ...blankMessage, type: 'MsgSnap' as const, from: 2, to: 1, term: 9, snapshot: full }
}

test('a follower that needs compacted entries gets a snapshot, then entries again (paper §7)', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  cluster.partition([1, 2], [3])
  cluster.propose(1, 'a', 'b', 'c')
  cluster.settle()
  const { commit } = leader.status
  leader.log.setSnapshot({ index: commit, term: 2, conf })
  leader.log.compact(commit)
  cluster.partition()
  cluster.tick(3)
  const behind = cluster.replica(3)
  assert.equal(behind.status.applied, commit)
  assert.equal(behind.log.firstIndex(), commit + 1)
  assert.equal(leader.status.progress.find(each => each.id === 3)?.state, 'replicate')
  cluster.propose(1, 'd')
  cluster.settle()
  assert.deepEqual(behind.texts, ['d'])
})

test('a follower whose snapshot the log has left behind meanwhile gets the next one', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  const compact = () => {
    const { commit } = leader.status
    leader.log.setSnapshot({ index: commit, term: 2, conf })
    leader.log.compact(commit)
  }
  cluster.partition([1, 2], [3])
  cluster.propose(1, 'a', 'b', 'c')
  cluster.settle()
  compact()
  cluster.partition()
  const snapshots: Message[] = []
  cluster.isLost = message => message.type === 'MsgSnap' && snapshots.push(message) > 0
  cluster.tick(3)
  // The first snapshot is on its way for a long time.
  cluster.isLost = ({ to }) => to === 3
  cluster.propose(1, 'd')
  cluster.settle()
  compact()
  cluster.isLost = () => false
  cluster.mail.push(...snapshots.slice(0, 1))
  cluster.settle()
  cluster.tick(3)
  assert.equal(cluster.replica(3).status.applied, leader.status.commit)
})

test('a newcomer gets a snapshot from before it joined, and the entry by which it joined behind that', () => {
  const cluster = new Cluster(3, {}, { conf: { voters: [1, 2] } })
  const leader = cluster.elect(1)
  const { commit } = leader.status
  leader.log.setSnapshot({ index: commit, term: 2, conf: { ...conf, voters: [1, 2] } })
  leader.log.compact(commit)
  const change = {
    transition: 'auto',
    steps: [{ type: 'add-learner', replica: 3 }],
    context: new Uint8Array(0),
  } as const
  assert.equal(leader.node.proposeConfChange(change).type, 'proposed')
  cluster.settle()
  cluster.tick(3)
  assert.equal(cluster.replica(3).status.commit, leader.status.commit)
})

test('a follower may compact what it applied before Raft was told, and campaigns all the same', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  const follower = cluster.replica(2)
  cluster.propose(1, 'a', 'b', 'c')
  for (let i = 0; i < 4; i++) {
    cluster.finish(leader)
    cluster.deliver()
    cluster.perform(follower)
    while (follower.appendWork.length > 0) cluster.send(follower.store())
  }
  assert.ok(follower.applyWork.length > 0 && follower.status.applied < follower.status.commit)
  const index = follower.status.commit - 1
  follower.log.setSnapshot({ index, term: 2, conf })
  follower.log.compact(index)
  assert.equal(follower.node.campaign(), true)
})

test('a snapshot at or below the commit index is not installed, and the answer says where entries will do', () => {
  const cluster = new Cluster(3)
  const follower = cluster.replica(1)
  const entries = packed(entriesOf([9, 9, 9], 2))
  follower.node.step({
    ...blankMessage,
    type: 'MsgApp',
    from: 2,
    to: 1,
    term: 9,
    index: 1,
    logTerm: 1,
    entries,
    commit: 4,
  })
  cluster.finish(follower)
  cluster.mail = []
  follower.node.step(install({ index: 3, term: 9 }))
  cluster.finish(follower)
  assert.deepEqual(follower.terms, [9, 9, 9])
  assert.equal(cluster.mail[0]?.index, 4)
})

test('a log that holds the snapshot position is kept, with what lies behind it (§7, step 6)', () => {
  const cluster = new Cluster(3, {}, { entries: () => entriesOf([2, 2, 2], 2) })
  const follower = cluster.replica(1)
  follower.node.step(install({ index: 3, term: 2 }))
  cluster.finish(follower)
  assert.deepEqual(follower.terms, [2, 2, 2])
  assert.equal(follower.status.commit, 3)
})

test('a log that conflicts with the snapshot is discarded whole (§7, step 7)', () => {
  const cluster = new Cluster(3, {}, { entries: () => entriesOf([2, 2, 2], 2) })
  const follower = cluster.replica(1)
  follower.node.step(install({ index: 3, term: 5 }))
  cluster.finish(follower)
  assert.deepEqual(follower.terms, [])
  assert.equal(follower.log.lastIndex(), 3)
  assert.equal(follower.status.applied, 3)
})

test('a replica that installs a snapshot does not campaign before it is stored', () => {
  const cluster = new Cluster(3)
  const follower = cluster.replica(1)
  follower.node.step(install({ index: 3, term: 5 }))
  assert.equal(follower.node.campaign(), false)
  cluster.finish(follower)
  assert.equal(follower.node.campaign(), true)
})

test('entries that were handed out before the snapshot do not undo its configuration', () => {
  // The change that made 4 a voter is being applied when a snapshot arrives in which 4 has been removed
  // again.
  const cluster = new Cluster(3)
  const follower = cluster.replica(1)
  const change = {
    transition: 'auto',
    steps: [{ type: 'add-voter', replica: 4 }],
    context: new Uint8Array(0),
  } as const
  const entries = [{ term: 9, index: 2, type: 'conf-change', data: new Uint8Array(0), change } as const]
  const fields = { ...blankMessage, from: 2, to: 1, term: 9 }
  follower.node.step({ ...fields, type: 'MsgApp', index: 1, logTerm: 1, entries: packed(entries), commit: 2 })
  cluster.perform(follower)
  cluster.send(follower.store())
  cluster.perform(follower)
  assert.equal(follower.applyWork.length, 1)
  follower.node.step(install({ index: 7, term: 9 }))
  cluster.finish(follower)
  assert.deepEqual(follower.status.conf, conf)
  assert.equal(follower.status.applied, 7)
})

test('a lost snapshot is sent again when its loss is reported', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  cluster.partition([1, 2], [3])
  cluster.propose(1, 'a')
  cluster.settle()
  leader.log.setSnapshot({ index: leader.status.commit, term: 2, conf })
  leader.log.compact(leader.status.commit)
  cluster.isLost = message => message.type === 'MsgSnap'
  cluster.tick(3)
  const state = () => leader.status.progress.find(each => each.id === 3)?.state
  assert.equal(state(), 'snapshot')
  cluster.isLost = () => false
  leader.node.reportSnapshot(3, false)
  cluster.tick(3)
  assert.equal(state(), 'replicate')
})

test('a memory log keeps entries for slow followers in front of its own snapshot', () => {
  const log = new MemoryLog({ snapshot: { index: 1, term: 1, conf }, entries: entriesOf([2, 2, 3, 3], 2) })
  log.setSnapshot({ index: 4, term: 3, conf })
  log.compact(2)
  assert.deepEqual([log.firstIndex(), log.lastIndex()], [3, 5])
  assert.deepEqual([log.term(1), log.term(2), log.term(5), log.term(6)], ['compacted', 2, 3, 'unavailable'])
  assert.equal(log.entries(2, 4, 1000), 'compacted')
  const again = new MemoryLog({ snapshot: { index: 4, term: 3, conf }, entries: entriesOf([2, 3, 3], 3) })
  assert.deepEqual([again.firstIndex(), again.lastIndex(), again.term(3)], [4, 5, 2])
})

test('a memory log overwrites from the first new entry on', () => {
  const log = new MemoryLog({ entries: entriesOf([1, 1, 1], 1) })
  log.append(packed(entriesOf([2], 2)))
  assert.deepEqual([log.lastIndex(), log.term(1), log.term(2)], [2, 1, 2])
})

test('a delayed snapshot from before the compacted part of the log changes nothing', () => {
  const cluster = new Cluster(3, {}, { index: 9, term: 5 })
  const follower = cluster.replica(1)
  follower.node.step(install({ index: 4, term: 3 }))
  cluster.finish(follower)
  assert.deepEqual([follower.status.commit, follower.log.lastIndex()], [9, 9])
  assert.equal(cluster.mail[0]?.index, 9)
})

test('a log that the snapshot is a prefix of is kept whole, and is committed as far as the snapshot goes', () => {
  const cluster = new Cluster(2, {}, { entries: () => entriesOf([1, 1, 1, 1, 1], 2) })
  const follower = cluster.replica(2)
  const snapshot = { index: 4, term: 1, conf: { ...conf, voters: [1, 2] } }
  follower.node.step({ ...blankMessage, type: 'MsgSnap', from: 1, to: 2, term: 1, snapshot })
  // What it acknowledged behind the snapshot counts at every moment: it votes for nobody who lacks it.
  follower.node.step({ ...blankMessage, type: 'MsgVote', from: 1, to: 2, term: 2, index: 4, logTerm: 1 })
  cluster.finish(follower)
  assert.deepEqual([follower.log.lastIndex(), follower.status.commit], [6, 4])
  assert.deepEqual(
    cluster.mail.map(({ type, index, reject }) => [type, index, reject]),
    [
      ['MsgAppResp', 4, false],
      ['MsgVoteResp', 0, true],
    ],
  )
})
