import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { blankMessage } from '../../src/core/raft/index.ts'
import { Cluster, entriesOf } from './cluster.ts'

test('a follower that hears no leader campaigns between one and two election timeouts (paper §5.2)', () => {
  const timeouts = new Set<number>()
  for (let seed = 1; seed <= 60; seed++) {
    const cluster = new Cluster(3, { electionTicks: 10, random: seededRandom(seed) })
    const { node } = cluster.replica(1)
    let ticks = 0
    while (node.status().role === 'follower') {
      node.tick()
      ticks++
    }
    assert.ok(ticks >= 10 && ticks <= 19, `${ticks} ticks`)
    timeouts.add(ticks)
  }
  assert.equal(timeouts.size, 10)
})

test('the election timeout is drawn anew for every campaign, so that a split vote does not repeat (§5.2)', () => {
  const cluster = new Cluster(3, { electionTicks: 10 })
  cluster.isLost = () => true
  const { node } = cluster.replica(1)
  const waits: number[] = []
  for (let campaign = 0, ticks = 0; campaign < 12; ticks++) {
    const { term } = node.status()
    node.tick()
    if (node.status().term === term) continue
    waits.push(ticks)
    ticks = 0
    campaign++
  }
  assert.ok(new Set(waits).size > 3, waits.join(' '))
})

test('a candidate needs a majority, and each voter counts once however often it answers', () => {
  const cluster = new Cluster(5)
  const candidate = cluster.replica(1)
  candidate.node.campaign()
  cluster.finish(candidate)
  const grant = { ...blankMessage, type: 'MsgVoteResp' as const, from: 2, to: 1, term: 2 }
  for (let i = 0; i < 5; i++) candidate.node.step(grant)
  assert.equal(candidate.status.role, 'candidate')
  candidate.node.step({ ...grant, from: 3 })
  assert.equal(candidate.status.role, 'leader')
})

test('the first answer of a voter stands, whatever it says later', () => {
  const cluster = new Cluster(3)
  const candidate = cluster.replica(1)
  candidate.node.campaign()
  cluster.finish(candidate)
  const vote = { ...blankMessage, type: 'MsgVoteResp' as const, from: 2, to: 1, term: 2 }
  candidate.node.step({ ...vote, reject: true })
  candidate.node.step(vote)
  assert.equal(candidate.status.role, 'candidate')
})

test('a vote of an earlier term elects nobody', () => {
  const cluster = new Cluster(3)
  const candidate = cluster.replica(1)
  candidate.node.campaign()
  candidate.node.campaign()
  cluster.finish(candidate)
  assert.equal(candidate.status.term, 3)
  candidate.node.step({ ...blankMessage, type: 'MsgVoteResp', from: 2, to: 1, term: 2 })
  assert.equal(candidate.status.role, 'candidate')
})

test('a replica votes for one candidate per term, and repeats that vote when asked again (§5.2)', () => {
  const cluster = new Cluster(3)
  const voter = cluster.replica(3)
  const request = { ...blankMessage, type: 'MsgVote' as const, to: 3, term: 2, index: 1, logTerm: 1 }
  for (const from of [1, 2, 1]) voter.node.step({ ...request, from })
  cluster.finish(voter)
  assert.deepEqual(
    cluster.mail.map(message => [message.to, message.reject]),
    [
      [1, false],
      [2, true],
      [1, false],
    ],
  )
})

test('stepping down within a term keeps the vote of that term', () => {
  const cluster = new Cluster(3)
  const candidate = cluster.replica(1)
  candidate.node.campaign()
  candidate.node.step({ ...blankMessage, type: 'MsgHeartbeat', from: 2, to: 1, term: 2 })
  assert.equal(candidate.status.role, 'follower')
  assert.equal(candidate.status.vote, 1)
})

test('a vote leaves only when term and vote are durable (paper, figure 2)', () => {
  const cluster = new Cluster(3)
  const voter = cluster.replica(2)
  voter.node.step({ ...blankMessage, type: 'MsgVote', from: 1, to: 2, term: 2, index: 1, logTerm: 1 })
  cluster.perform(voter)
  assert.equal(cluster.mail.length, 0)
  cluster.send(voter.store())
  assert.equal(cluster.mail[0]?.type, 'MsgVoteResp')
  voter.crash()
  assert.deepEqual([voter.status.term, voter.status.vote], [2, 1])
})

test('a candidate counts its own vote only when that is durable', () => {
  const cluster = new Cluster(1)
  const { node } = cluster.replica(1)
  node.campaign()
  cluster.perform(cluster.replica(1))
  assert.equal(node.status().role, 'candidate')
  cluster.finish(cluster.replica(1))
  assert.equal(node.status().role, 'leader')
})

test('a voter refuses a candidate whose log is less up to date: last term first, then length (§5.4.1)', () => {
  const own = entriesOf([2, 2, 4], 2)
  const cases = [
    { index: 9, logTerm: 3, granted: false }, // longer, but of an older term
    { index: 3, logTerm: 4, granted: false }, // the same term, but shorter
    { index: 4, logTerm: 4, granted: true },
    { index: 2, logTerm: 5, granted: true }, // shorter, but of a newer term
  ]
  for (const { index, logTerm, granted } of cases) {
    const cluster = new Cluster(3, {}, { entries: () => own })
    const voter = cluster.replica(1)
    voter.node.step({ ...blankMessage, type: 'MsgVote', from: 2, to: 1, term: 9, index, logTerm })
    cluster.finish(voter)
    assert.equal(cluster.mail[0]?.reject, !granted, `candidate with ${logTerm}/${index}`)
  }
})

test('of the logs of figure 7 exactly those win that are at least as up to date as a majority', () => {
  const logs = [
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
    [1, 1, 1, 4, 4, 5, 5, 6, 6],
    [1, 1, 1, 4],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    [1, 1, 1, 4, 4, 4, 4],
    [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  ]
  const winners = logs.flatMap((_, i) => {
    const cluster = new Cluster(7, {}, { currentTerm: 7, entries: id => entriesOf(logs[id - 1] ?? [], 2) })
    cluster.replica(i + 1).node.campaign()
    cluster.settle()
    return cluster.replica(i + 1).isLeader ? [i + 1] : []
  })
  assert.deepEqual(winners, [1, 2, 4, 5])
})

test('a replica that was cut off with pre-vote comes back without a newer term (thesis §9.6)', () => {
  const cluster = new Cluster(3, { preVote: true })
  const leader = cluster.elect(1)
  const { term } = leader.status
  cluster.partition([1, 2], [3])
  cluster.tick(60, 3)
  assert.equal(cluster.replica(3).status.role, 'pre-candidate')
  assert.equal(cluster.replica(3).status.term, term)
  cluster.partition()
  cluster.tick(3)
  assert.ok(leader.isLeader)
  assert.equal(leader.status.term, term)
})

test('a pre-vote changes neither the term nor the vote nor the timer of who is asked', () => {
  const cluster = new Cluster(3, { preVote: true })
  const { node } = cluster.replica(2)
  node.setElectionTimeout(10)
  for (let i = 0; i < 9; i++) node.tick()
  node.step({ ...blankMessage, type: 'MsgPreVote', from: 1, to: 2, term: 2, index: 1, logTerm: 1 })
  assert.deepEqual([node.status().term, node.status().vote, node.status().role], [1, 0, 'follower'])
  node.tick()
  assert.equal(node.status().role, 'pre-candidate')
})

test('a refused pre-vote of a higher term brings the asker up to that term', () => {
  const cluster = new Cluster(3, { preVote: true })
  const { node } = cluster.replica(1)
  node.campaign()
  node.step({ ...blankMessage, type: 'MsgPreVoteResp', from: 2, to: 1, term: 7, reject: true })
  assert.deepEqual([node.status().term, node.status().role], [7, 'follower'])
})

test('followers that hear a leader refuse to depose it, unless it asked for that itself (thesis §4.2.3)', () => {
  const cluster = new Cluster(3, { checkQuorum: true })
  const leader = cluster.elect(1)
  cluster.replica(3).node.campaign()
  cluster.settle()
  assert.ok(leader.isLeader)
  // The heartbeat's answer carries the newer term, so that replica 3 does not stay apart for ever.
  cluster.tick(1, 1)
  cluster.tick(40)
  const before = cluster.leader
  const to = before.id === 2 ? 3 : 2
  before.node.transferLeadership(to)
  cluster.settle()
  assert.equal(cluster.leader.id, to)
})

test('a leader that hears no quorum steps down within two election timeouts (thesis §6.2)', () => {
  const cluster = new Cluster(5, { checkQuorum: true }, { conf: { voters: [1, 2, 3], learners: [4, 5] } })
  const leader = cluster.elect(1)
  cluster.partition([1, 4, 5], [2, 3])
  cluster.tick(20, 1)
  assert.equal(leader.status.role, 'follower', 'learners are no quorum')
})

test('a leader that hears a quorum leads on', () => {
  const cluster = new Cluster(3, { checkQuorum: true })
  const leader = cluster.elect(1)
  cluster.partition([1, 2], [3])
  cluster.tick(100, 1, 2)
  assert.ok(leader.isLeader)
})

test('a learner never campaigns, but grants its vote (etcd#10998)', () => {
  const cluster = new Cluster(3, {}, { conf: { voters: [1, 2], learners: [3] } })
  cluster.tick(50, 3)
  assert.equal(cluster.replica(3).status.role, 'follower')
  assert.equal(cluster.replica(3).node.campaign(), false)
  cluster.replica(3).node.step({
    ...blankMessage,
    type: 'MsgVote',
    from: 1,
    to: 3,
    term: 2,
    index: 1,
    logTerm: 1,
  })
  cluster.finish(cluster.replica(3))
  assert.equal(cluster.mail[0]?.reject, false)
})

test('terms and indexes above 2^31 and up to 2^53 are ordinary numbers', () => {
  for (const base of [2 ** 31 - 2, 2 ** 32 - 2, 2 ** 53 - 1000]) {
    const cluster = new Cluster(3, {}, { index: base, term: base })
    cluster.elect(1)
    cluster.elect(2)
    assert.deepEqual(cluster.propose(2, 'a', 'b'), { type: 'proposed', index: base + 3, term: base + 2 })
    cluster.settle()
    for (const replica of cluster.replicas) {
      assert.deepEqual(replica.texts, ['a', 'b'])
      assert.equal(replica.status.commit, base + 4)
      replica.crash()
      assert.equal(replica.status.term, base + 2)
    }
  }
})

test('a leader of an older term is told of the newer one, or its follower of that term were apart for ever', () => {
  for (const options of [{ checkQuorum: true }, { preVote: true }]) {
    const cluster = new Cluster(3, options, { currentTerm: 7 })
    const { node } = cluster.replica(1)
    for (const type of ['MsgHeartbeat', 'MsgApp'] as const)
      node.step({ ...blankMessage, type, from: 2, to: 1, term: 6, index: 1, logTerm: 1 })
    cluster.finish(cluster.replica(1))
    assert.deepEqual(
      cluster.mail.map(({ type, to, term }) => [type, to, term]),
      [
        ['MsgAppResp', 2, 7],
        ['MsgAppResp', 2, 7],
      ],
    )
  }
})

test('a message of the leader that has to be rejected still shows that it lives', () => {
  const cluster = new Cluster(3)
  const { node } = cluster.replica(1)
  node.step({ ...blankMessage, type: 'MsgHeartbeat', from: 2, to: 1, term: 2 })
  node.setElectionTimeout(10)
  for (let i = 0; i < 30; i++) {
    node.tick()
    if (i % 5 === 0)
      node.step({ ...blankMessage, type: 'MsgApp', from: 2, to: 1, term: 2, index: 9, logTerm: 2 })
  }
  assert.equal(node.status().role, 'follower')
})

test('a replica that knows the leader of a term votes for nobody else in it', () => {
  const cluster = new Cluster(3)
  const voter = cluster.replica(1)
  voter.node.step({ ...blankMessage, type: 'MsgHeartbeat', from: 2, to: 1, term: 2 })
  voter.node.step({ ...blankMessage, type: 'MsgVote', from: 3, to: 1, term: 2, index: 9, logTerm: 2 })
  cluster.finish(voter)
  assert.equal(cluster.mail.at(-1)?.reject, true)
})

test('a candidate asks for votes when its term and own vote are durable, or it could lead a term twice', () => {
  const cluster = new Cluster(3)
  const candidate = cluster.replica(1)
  candidate.node.campaign()
  const { messages } = candidate.node.ready()
  const [append, ...others] = messages
  assert.deepEqual(others, [])
  assert.deepEqual([append?.type, append?.term, append?.vote], ['MsgStorageAppend', 2, 1])
  assert.deepEqual(
    append?.responses.map(({ type, to }) => `${type} ${to}`),
    ['MsgVoteResp 1', 'MsgVote 2', 'MsgVote 3'],
  )
})
