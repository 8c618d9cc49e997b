import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster } from './cluster.ts'

const everyone = () => true

test('a lease ages by the time that nobody ticked', () => {
  const cluster = new Cluster(3, { checkQuorum: true, readOnly: 'lease' }, { currentTerm: 0 })
  const leader = cluster.elect(1)
  cluster.tick(1, 1)
  cluster.settle()
  leader.node.readIndex(1)
  cluster.perform(leader)
  assert.equal(leader.reads.length, 1, 'a lease answers at once')
  leader.node.resume(8)
  leader.node.readIndex(2)
  cluster.perform(leader)
  assert.equal(leader.reads.length, 1)
  cluster.settle()
  assert.equal(leader.reads.length, 2, 'the read waited for a round of heartbeats')
})

test('a follower that was away for an election timeout hears its peers out before it campaigns', () => {
  const cluster = new Cluster(3, { preVote: true, checkQuorum: true })
  cluster.elect(1)
  const follower = cluster.replica(2)
  cluster.partition([2], [1, 3])
  cluster.tick(9, 2)
  follower.node.resume(1000)
  for (let i = 0; i < 9; i++) {
    follower.node.tick()
    assert.equal(follower.status.role, 'follower')
  }
})

test('a leader that was away asks at once who still follows, and gives them a whole timeout to answer', () => {
  const cluster = new Cluster(3, { preVote: true, checkQuorum: true, heartbeatTicks: 5 })
  const leader = cluster.elect(1)
  cluster.settle()
  for (let i = 0; i < 9; i++) leader.node.tick()
  cluster.perform(leader)
  cluster.mail = []
  leader.node.resume(1000)
  leader.node.tick()
  cluster.perform(leader)
  assert(leader.isLeader)
  assert.deepEqual(
    cluster.mail.map(({ type, to }) => [type, to]),
    [
      ['MsgHeartbeat', 2],
      ['MsgHeartbeat', 3],
    ],
  )
})

test('a leader is at rest when all is applied, and everyone who is there has it', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  assert(leader.node.isAtRest(everyone))
  cluster.propose(1, 'a')
  cluster.perform(leader)
  assert(!leader.node.isAtRest(everyone))
  cluster.partition([3], [1, 2])
  cluster.settle()
  assert(!leader.node.isAtRest(everyone), 'one of them has to be told')
  assert(leader.node.isAtRest(id => id !== 3))
  assert(!leader.node.isAtRest(() => false), 'a quorum has to be there')
  const { commit, term } = leader.status
  assert(cluster.replica(2).node.isAtRestBehind({ from: 1, term, commit }))
  assert(!cluster.replica(3).node.isAtRestBehind({ from: 1, term, commit }))
  assert(!cluster.replica(2).node.isAtRestBehind({ from: 1, term: term + 1, commit }))
  assert(!cluster.replica(2).node.isAtRestBehind({ from: 3, term, commit }))
})

test('nothing rests while a read, a transfer or a change of members is under way', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  leader.node.readIndex(1)
  assert(!leader.node.isAtRest(everyone))
  cluster.settle()
  assert(leader.node.isAtRest(everyone))
  cluster.isLost = ({ type }) => type === 'MsgTimeoutNow'
  leader.node.transferLeadership(2)
  assert(!leader.node.isAtRest(everyone))
})

test('a follower that lost its leader campaigns within an election timeout, and votes at once', () => {
  const cluster = new Cluster(3, { preVote: true, checkQuorum: true })
  cluster.elect(1)
  cluster.settle()
  cluster.partition([1], [2, 3])
  for (const id of [2, 3]) cluster.replica(id).node.leaderLost(1)
  let ticks = 0
  while (!cluster.replica(2).isLeader && !cluster.replica(3).isLeader) {
    ticks += 1
    assert(ticks <= 10, 'an election timeout passed')
    cluster.tick(1, 2, 3)
    cluster.settle()
  }
})

test('a follower that promised a lease keeps it, whomever it lost', () => {
  for (const readOnly of ['lease', 'asked'] as const) {
    const cluster = new Cluster(3, { checkQuorum: true, readOnly }, { currentTerm: 0 })
    cluster.elect(1)
    cluster.settle()
    const { node } = cluster.replica(2)
    const { electionTicks } = node.raft.config
    node.leaderLost(electionTicks)
    assert(node.raft.isInLease())
    node.leaderLost(electionTicks + 1)
    assert(!node.raft.isInLease())
  }
})
