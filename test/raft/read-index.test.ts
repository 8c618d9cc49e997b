import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blankMessage } from '../../src/core/raft/index.ts'
import { Cluster } from './cluster.ts'

test('leader, follower and learner get an index not below any write acknowledged before they asked', () => {
  const cluster = new Cluster(4, {}, { conf: { voters: [1, 2, 3], learners: [4] } })
  cluster.elect(1)
  cluster.propose(1, 'a')
  cluster.settle()
  for (const replica of cluster.replicas) assert.equal(replica.node.readIndex(replica.id), 'accepted')
  cluster.settle()
  for (const replica of cluster.replicas) assert.deepEqual(replica.reads, [{ index: 3, context: replica.id }])
})

test('a replica that knows no leader has nobody to ask', () => {
  const cluster = new Cluster(3)
  assert.equal(cluster.replica(1).node.readIndex(1), 'no-leader')
})

test('a new leader answers no read before it has committed an entry of its term (thesis §6.4)', () => {
  const cluster = new Cluster(3)
  cluster.elect(1)
  cluster.propose(1, 'acknowledged')
  cluster.settle()
  // Replica 2 holds the entry but has not heard that it is committed; a crash makes that certain.
  cluster.partition([1], [2, 3])
  const next = cluster.replica(2)
  next.log.setHardState({ ...next.log.initialState().hardState, commit: 1 })
  next.crash()
  next.node.campaign()
  cluster.finish(next)
  cluster.deliver()
  cluster.finish(cluster.replica(3))
  cluster.deliver()
  assert.ok(next.isLeader)
  assert.equal(next.status.commit, 1)
  next.node.readIndex(7)
  cluster.finish(next)
  assert.deepEqual(next.reads, [])
  cluster.settle()
  assert.deepEqual(next.reads, [{ index: 4, context: 7 }])
})

test('a founding snapshot of the same term does not count as a commit of the leader', () => {
  const cluster = new Cluster(3, {}, { term: 1, currentTerm: 0 })
  const leader = cluster.replica(1)
  leader.node.campaign()
  cluster.finish(leader)
  cluster.deliver()
  for (const id of [2, 3]) cluster.finish(cluster.replica(id))
  cluster.deliver()
  assert.ok(leader.isLeader && leader.status.term === 1)
  leader.node.readIndex(1)
  cluster.settle()
  assert.deepEqual(leader.reads, [{ index: 2, context: 1 }])
})

test('a single voter that restarted waits for its first commit as well', () => {
  const cluster = new Cluster(1)
  const replica = cluster.elect(1)
  cluster.propose(1, 'a')
  cluster.settle()
  replica.log.setHardState({ ...replica.log.initialState().hardState, commit: 1 })
  replica.crash()
  replica.node.campaign()
  cluster.perform(replica)
  replica.store()
  replica.node.readIndex(1)
  cluster.perform(replica)
  assert.deepEqual(replica.reads, [])
  cluster.settle()
  assert.deepEqual(replica.reads, [{ index: 4, context: 1 }])
})

test('a leader that was deposed without knowing it answers no read', () => {
  const cluster = new Cluster(3)
  const old = cluster.elect(1)
  cluster.partition([1], [2, 3])
  cluster.elect(2)
  old.node.readIndex(1)
  cluster.settle()
  cluster.tick(5, 1)
  assert.ok(old.isLeader)
  assert.deepEqual(old.reads, [])
})

test('a read never joins a round of heartbeats that was sent before it came', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  leader.node.readIndex(1)
  cluster.finish(leader)
  cluster.deliver()
  for (const id of [2, 3]) cluster.finish(cluster.replica(id))
  // The answers to the first round are on their way when the second read arrives.
  leader.node.readIndex(2)
  cluster.deliver(message => message.type === 'MsgHeartbeatResp')
  cluster.perform(leader)
  assert.deepEqual(
    leader.reads.map(read => read.context),
    [1],
  )
  cluster.settle()
  assert.deepEqual(
    leader.reads.map(read => read.context),
    [1, 2],
  )
})

test('equal contexts of two replicas, or of one, do not release each other (etcd#20418)', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  leader.node.readIndex(5)
  cluster.finish(leader)
  const early = cluster.mail
  cluster.mail = []
  leader.node.step({ ...blankMessage, type: 'MsgReadIndex', from: 2, to: 1, context: 5 })
  leader.node.readIndex(5)
  cluster.finish(leader)
  cluster.mail = []
  for (const message of early) cluster.replica(message.to).node.step(message)
  for (const id of [2, 3]) cluster.finish(cluster.replica(id))
  cluster.deliver()
  cluster.perform(leader)
  assert.deepEqual(leader.reads, [{ index: 2, context: 5 }], 'only the first read was confirmed')
  assert.deepEqual(
    cluster.mail.filter(message => message.type === 'MsgReadIndexResp'),
    [],
  )
})

test('learners confirm no read', () => {
  const cluster = new Cluster(5, {}, { conf: { voters: [1, 2, 3], learners: [4, 5] } })
  const leader = cluster.elect(1)
  cluster.partition([1, 4, 5], [2, 3])
  leader.node.readIndex(1)
  cluster.settle()
  assert.deepEqual(leader.reads, [])
})

test('the same answer counts once, however often it arrives', () => {
  const cluster = new Cluster(5)
  const leader = cluster.elect(1)
  cluster.partition([1, 2], [3, 4, 5])
  leader.node.readIndex(1)
  cluster.settle()
  const answer = { ...blankMessage, type: 'MsgHeartbeatResp' as const, from: 2, to: 1, term: 2, context: 1 }
  for (let i = 0; i < 5; i++) leader.node.step(answer)
  cluster.settle()
  assert.deepEqual(leader.reads, [])
})

test('during a joint configuration a read needs both majorities', () => {
  const conf = { voters: [1, 2, 3], votersOutgoing: [1, 4, 5] }
  const cluster = new Cluster(5, {}, { conf })
  const leader = cluster.elect(1)
  cluster.partition([1, 2, 3], [4, 5])
  leader.node.readIndex(1)
  cluster.settle()
  assert.deepEqual(leader.reads, [])
  cluster.partition([1, 2, 4], [3, 5])
  cluster.tick(1, 1)
  assert.deepEqual(leader.reads, [{ index: 2, context: 1 }])
})

test('lost heartbeats delay a read only until the next ones', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  cluster.partition([1], [2], [3])
  leader.node.readIndex(1)
  cluster.settle()
  cluster.partition()
  cluster.tick(1, 1)
  assert.deepEqual(leader.reads, [{ index: 2, context: 1 }])
})

test('a removed leader answers no read alone, though a single voter is left', () => {
  const cluster = new Cluster(2)
  const leader = cluster.elect(1)
  leader.node.proposeConfChange({
    transition: 'auto',
    steps: [{ type: 'remove', replica: 1 }],
    context: new Uint8Array(0),
  })
  cluster.settle()
  assert.ok(leader.isLeader)
  cluster.partition([1], [2])
  leader.node.readIndex(1)
  cluster.settle()
  assert.deepEqual(leader.reads, [])
})

test('reads by lease are answered at once, but not any more when a transfer voided the lease', () => {
  const cluster = new Cluster(3, { checkQuorum: true, readOnly: 'lease' }, { currentTerm: 0 })
  const leader = cluster.elect(1)
  cluster.tick(1)
  cluster.partition([1], [2], [3])
  leader.node.readIndex(1)
  cluster.settle()
  assert.deepEqual(leader.reads, [{ index: 2, context: 1 }])
  leader.node.transferLeadership(2)
  leader.node.readIndex(2)
  cluster.settle()
  assert.equal(leader.reads.length, 1)
})

test('reads by lease go together with the check of the quorum, on which they rest', () => {
  assert.throws(() => new Cluster(3, { readOnly: 'lease' }), /lease reads need checkQuorum/)
})

test('with reads by lease a leader cannot be forgotten', () => {
  const cluster = new Cluster(3, { checkQuorum: true, readOnly: 'lease' }, { currentTerm: 0 })
  cluster.elect(1)
  cluster.replica(2).node.forgetLeader()
  assert.equal(cluster.replica(2).status.leader, 1)
})

test('a lease ends before the followers may elect another leader, counted from when the heartbeat left', () => {
  const cluster = new Cluster(
    3,
    { checkQuorum: true, readOnly: 'lease', electionTicks: 12 },
    { currentTerm: 0 },
  )
  const leader = cluster.elect(1)
  cluster.tick(1)
  cluster.partition([1], [2, 3])
  for (let tick = 1; tick < 12; tick++) {
    cluster.tick(1)
    const { length } = leader.reads
    leader.node.readIndex(tick)
    cluster.settle()
    assert.equal(leader.reads.length > length, tick < 9, `${tick} ticks after the last answered heartbeat`)
    assert.equal(cluster.replica(2).isLeader || cluster.replica(3).isLeader, false)
  }
})

test('a lease that was given by the voters before a change ends with it', () => {
  const cluster = new Cluster(3, { checkQuorum: true, readOnly: 'lease' }, { currentTerm: 0 })
  const leader = cluster.elect(1)
  cluster.tick(1)
  leader.node.readIndex(0)
  cluster.perform(leader)
  assert.equal(leader.reads.splice(0).length, 1, 'there is a lease')
  leader.node.proposeConfChange({
    transition: 'auto',
    steps: [{ type: 'add-learner', replica: 3 }],
    context: new Uint8Array(0),
  })
  cluster.settle()
  cluster.partition([1], [2], [3])
  leader.node.readIndex(1)
  cluster.settle()
  assert.deepEqual(leader.reads, [])
})

test('with reads by lease a replica neither votes nor campaigns right after its restart', () => {
  const cluster = new Cluster(3, { checkQuorum: true, readOnly: 'lease', electionTicks: 10 })
  cluster.tick(40)
  const follower = cluster.replicas.find(replica => !replica.isLeader)
  assert.ok(follower !== undefined)
  assert.equal(follower.node.campaign(), false)
  follower.crash()
  assert.equal(follower.node.campaign(), false)
  const { term } = follower.status
  const request = {
    ...blankMessage,
    type: 'MsgVote' as const,
    from: 1,
    to: follower.id,
    term: term + 1,
    index: 99,
  }
  follower.node.step({ ...request, logTerm: term })
  assert.equal(follower.status.term, term)
})
