import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blankMessage, type Entry, type Message, packed } from '../../src/core/raft/index.ts'
import { Cluster, entriesOf } from './cluster.ts'

type Fields = Partial<Omit<Message, 'entries'>> & { readonly entries?: readonly Entry[] }

function append({ entries = [], ...fields }: Fields): Message {
  return { ...blankMessage, type: 'MsgApp', from: 2, to: 1, term: 9, ...fields, entries: packed(entries) }
}

test('an entry of an older term is not committed by counting replicas (paper §5.4.2, figure 8)', () => {
  // Figure 8 (c): S1 leads again, in term 4, and its entry of term 2 is on a majority by now.
  const logs = [[1, 2], [1, 2], [1], [1], [1, 3]]
  const cluster = new Cluster(5, {}, { entries: id => entriesOf(logs[id - 1] ?? [], 2) })
  const leader = cluster.replica(1)
  leader.node.step(append({ type: 'MsgHeartbeat', from: 5, term: 3 }))
  cluster.partition([1, 2, 3, 4], [5])
  leader.node.campaign()
  cluster.finish(leader)
  cluster.deliver()
  for (const id of [2, 3, 4]) cluster.finish(cluster.replica(id))
  cluster.deliver()
  assert.ok(leader.isLeader)
  assert.equal(leader.status.term, 4)
  // Replicas 2 and 3 hold the old entry, and nobody else holds the new one.
  for (const from of [2, 3])
    leader.node.step({ ...blankMessage, type: 'MsgAppResp', from, to: 1, term: 4, index: 3 })
  cluster.finish(leader)
  assert.equal(leader.status.commit, 1)
  for (const from of [2, 3])
    leader.node.step({ ...blankMessage, type: 'MsgAppResp', from, to: 1, term: 4, index: 4 })
  assert.equal(leader.status.commit, 4)
})

test('a new leader appends an entry of its term, which commits what was left over (paper §8)', () => {
  const cluster = new Cluster(3, {}, { entries: () => entriesOf([1, 1], 2) })
  cluster.elect(2)
  assert.deepEqual(
    cluster.replicas.map(replica => replica.status.commit),
    [4, 4, 4],
  )
  assert.deepEqual(cluster.replica(1).texts, ['1/2', '1/3'])
})

test('all logs of figure 7 become that of the leader (paper §5.3)', () => {
  const logs = [
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
    [1, 1, 1, 4, 4, 5, 5, 6, 6],
    [1, 1, 1, 4],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    [1, 1, 1, 4, 4, 4, 4],
    [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  ]
  const cluster = new Cluster(7, {}, { currentTerm: 7, entries: id => entriesOf(logs[id - 1] ?? [], 2) })
  cluster.elect(1)
  for (const replica of cluster.replicas)
    assert.deepEqual(replica.terms, [...(logs[0] ?? []), 8], `${replica.id}`)
})

test('an older message that arrives late cuts nothing off', () => {
  const cluster = new Cluster(3)
  const follower = cluster.replica(1)
  const entries = entriesOf([9, 9, 9], 2)
  follower.node.step(append({ index: 1, logTerm: 1, entries }))
  follower.node.step(append({ index: 1, logTerm: 1, entries: entries.slice(0, 1) }))
  follower.node.step(append({ index: 1, logTerm: 1 }))
  cluster.finish(follower)
  assert.deepEqual(follower.terms, [9, 9, 9])
  assert.deepEqual(
    cluster.mail.map(message => message.index),
    [4, 2, 1],
    'only what the message proved is acknowledged',
  )
})

test('a message whose predecessor is missing or of another term is rejected', () => {
  const cluster = new Cluster(3, {}, { entries: () => entriesOf([2, 2], 2) })
  const follower = cluster.replica(1)
  follower.node.step(append({ index: 3, logTerm: 3, entries: entriesOf([9], 4) }))
  follower.node.step(append({ index: 8, logTerm: 2, entries: entriesOf([9], 9) }))
  cluster.finish(follower)
  assert.deepEqual(follower.terms, [2, 2])
  assert.deepEqual(
    cluster.mail.map(message => message.reject),
    [true, true],
  )
})

test('a follower commits no further than what the message verified (paper, figure 2)', () => {
  // Entries 3 and 4 may not be in the leader's log at all, although the leader has committed that far.
  const cluster = new Cluster(3, {}, { entries: () => entriesOf([2, 2, 2], 2) })
  const { node } = cluster.replica(1)
  node.step(append({ index: 2, logTerm: 2, commit: 4 }))
  assert.equal(node.status().commit, 2)
})

test('the commit index never goes back', () => {
  const cluster = new Cluster(3)
  const { node } = cluster.replica(1)
  node.step(append({ index: 1, logTerm: 1, entries: entriesOf([9, 9], 2), commit: 3 }))
  node.step(append({ type: 'MsgHeartbeat', commit: 2 }))
  node.step(append({ index: 1, logTerm: 1, commit: 1 }))
  assert.equal(node.status().commit, 3)
})

test('an acknowledgement leaves only when its entries are durable', () => {
  const cluster = new Cluster(3)
  const follower = cluster.replica(1)
  follower.node.step(append({ index: 1, logTerm: 1, entries: entriesOf([9], 2) }))
  cluster.perform(follower)
  assert.equal(cluster.mail.length, 0)
  cluster.send(follower.store())
  assert.equal(cluster.mail[0]?.index, 2)
})

test('a leader counts its own entries only when they are durable (thesis §10.2.1)', () => {
  const cluster = new Cluster(1)
  const leader = cluster.elect(1)
  cluster.propose(1, 'a')
  cluster.perform(leader)
  assert.equal(leader.status.commit, 2)
  cluster.finish(leader)
  assert.equal(leader.status.commit, 3)
})

test('the entries of a leader leave in parallel with its own write (thesis §10.2.1)', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  cluster.propose(1, 'a')
  cluster.perform(leader)
  assert.deepEqual(
    cluster.mail.map(message => message.type),
    ['MsgApp', 'MsgApp'],
  )
  cluster.deliver()
  for (const id of [2, 3]) cluster.finish(cluster.replica(id))
  cluster.deliver()
  assert.equal(leader.status.commit, 3, 'two others are a majority, even when the own disk is slow')
})

test('an acknowledged write of an overwritten entry makes nothing durable', () => {
  // Entry 2 is handed to storage under term 2, then again under term 3, and then the first write is
  // acknowledged.
  const cluster = new Cluster(3)
  const follower = cluster.replica(1)
  follower.node.step(append({ term: 2, index: 1, logTerm: 1, entries: entriesOf([2], 2) }))
  cluster.perform(follower)
  follower.node.step(
    append({ term: 3, from: 3, index: 1, logTerm: 1, entries: entriesOf([3, 3], 2), commit: 3 }),
  )
  cluster.perform(follower)
  assert.equal(follower.appendWork.length, 2)
  cluster.send(follower.store())
  cluster.perform(follower)
  assert.deepEqual(follower.applyWork, [], 'entry 2 of term 3 is not durable yet')
  cluster.finish(follower)
  assert.deepEqual(follower.texts, ['3/2', '3/3'])
})

test('acknowledgements that arrive in any order never take back what is known', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  cluster.partition([1], [2], [3])
  cluster.propose(1, 'a', 'b', 'c')
  cluster.finish(leader)
  for (const index of [5, 3, 4, 2]) {
    leader.node.step({ ...blankMessage, type: 'MsgAppResp', from: 2, to: 1, term: 2, index })
  }
  const progress = leader.status.progress.find(each => each.id === 2)
  assert.deepEqual([progress?.match, progress?.next], [5, 6])
  assert.equal(leader.status.commit, 5)
})

test('a follower gets no more messages than its window holds, and more when it answers', () => {
  const cluster = new Cluster(2, { inflightMessagesMax: 2 })
  const leader = cluster.elect(1)
  const sentTo2 = () =>
    cluster.mail.filter(message => message.type === 'MsgApp').map(message => message.entries.length)
  for (const text of ['a', 'b', 'c', 'd']) cluster.propose(1, text)
  cluster.perform(leader)
  assert.deepEqual(sentTo2(), [1, 1])
  cluster.deliver()
  cluster.finish(cluster.replica(2))
  cluster.deliver()
  cluster.perform(leader)
  assert.deepEqual(sentTo2(), [2], 'what waited goes in one message')
})

test('the window is bounded in bytes as well, and one message always passes', () => {
  const cluster = new Cluster(2, { inflightBytesMax: 100, appendBytesMax: 100 })
  const leader = cluster.elect(1)
  cluster.propose(1, 'x'.repeat(500))
  cluster.propose(1, 'y')
  cluster.perform(leader)
  assert.equal(cluster.mail.filter(message => message.type === 'MsgApp').length, 1)
  cluster.settle()
  assert.deepEqual(cluster.replica(2).texts, ['x'.repeat(500), 'y'])
})

test('when a whole window is lost, an answered heartbeat starts it again', () => {
  const cluster = new Cluster(2, { inflightMessagesMax: 3 })
  const leader = cluster.elect(1)
  cluster.isLost = message => message.type === 'MsgApp'
  for (const text of ['a', 'b', 'c', 'd', 'e']) cluster.propose(1, text)
  cluster.settle()
  cluster.isLost = () => false
  cluster.tick(2)
  assert.deepEqual(cluster.replica(2).texts, ['a', 'b', 'c', 'd', 'e'])
  assert.equal(leader.status.commit, 7)
})

test('an entry above the size of a message is sent alone', () => {
  const cluster = new Cluster(2, { appendBytesMax: 50 })
  cluster.elect(1)
  cluster.partition([1], [2])
  cluster.propose(1, 'small')
  cluster.propose(1, 'x'.repeat(400))
  cluster.propose(1, 'small')
  cluster.settle()
  cluster.partition()
  cluster.tick(3)
  assert.deepEqual(cluster.replica(2).texts, ['small', 'x'.repeat(400), 'small'])
})

test('proposals above the quota of uncommitted payload are refused, and taken again after commits', () => {
  const cluster = new Cluster(3, { uncommittedBytesMax: 10 })
  cluster.elect(1)
  cluster.partition([1], [2], [3])
  assert.equal(cluster.propose(1, 'twenty bytes of data').type, 'proposed', 'one always passes')
  assert.deepEqual(cluster.propose(1, 'x'), { type: 'refused', reason: 'busy' })
  assert.equal(cluster.propose(1, '').type, 'proposed', 'what has no payload always passes')
  cluster.settle()
  cluster.partition()
  cluster.tick(3)
  assert.equal(cluster.propose(1, 'x').type, 'proposed')
})

test('a new leader starts with an empty quota', () => {
  const cluster = new Cluster(3, { uncommittedBytesMax: 10 })
  cluster.elect(1)
  cluster.partition([1], [2, 3])
  cluster.propose(1, 'twenty bytes of data')
  cluster.settle()
  cluster.elect(2)
  cluster.partition()
  cluster.tick(2)
  cluster.replica(3).node.forgetLeader()
  cluster.elect(1)
  assert.equal(cluster.propose(1, 'x').type, 'proposed')
})

test('committed entries are handed out in bounded portions, the next when the last is applied', () => {
  const cluster = new Cluster(1, { committedBytesMax: 30 })
  const leader = cluster.elect(1)
  cluster.propose(1, 'ten bytes.', 'ten bytes.', 'ten bytes.', 'x'.repeat(100))
  cluster.perform(leader)
  while (leader.appendWork.length > 0) leader.store()
  const portions: number[] = []
  cluster.perform(leader)
  while (leader.applyWork.length > 0) {
    assert.equal(leader.applyWork.length, 1)
    portions.push(leader.applyWork[0]?.entries.length ?? 0)
    leader.apply()
    cluster.perform(leader)
  }
  assert.deepEqual(portions, [1, 1, 1, 1])
})

test('a follower forwards proposals to the leader, or refuses when it was told to', () => {
  const forwarding = new Cluster(2)
  assert.deepEqual(forwarding.propose(2, 'a'), { type: 'refused', reason: 'no-leader' })
  forwarding.elect(1)
  assert.deepEqual(forwarding.propose(2, 'a'), { type: 'forwarded', leader: 1 })
  forwarding.settle()
  assert.deepEqual(forwarding.replica(1).texts, ['a'])
  const refusing = new Cluster(2, { disableProposalForwarding: true })
  refusing.elect(1)
  assert.deepEqual(refusing.propose(2, 'a'), { type: 'refused', reason: 'not-leader' })
})

test('a deposed leader that reconnects hears of the newer term and follows (paper §5.1)', () => {
  const cluster = new Cluster(3, { preVote: true, checkQuorum: true })
  const old = cluster.elect(1)
  cluster.partition([1], [2, 3])
  cluster.propose(1, 'lost')
  cluster.tick(40)
  const leader = cluster.leader
  assert.notEqual(leader.id, 1)
  cluster.propose(leader.id, 'kept')
  cluster.settle()
  cluster.partition()
  cluster.tick(3)
  assert.equal(old.status.leader, leader.id)
  for (const replica of cluster.replicas) assert.deepEqual(replica.texts, ['kept'])
})

test('leadership goes over to a follower that has to catch up first (thesis §3.10)', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  cluster.partition([1, 2], [3])
  cluster.propose(1, 'a')
  cluster.settle()
  cluster.partition()
  leader.node.transferLeadership(3)
  assert.deepEqual(cluster.propose(1, 'b'), { type: 'refused', reason: 'transferring' })
  cluster.tick(2)
  assert.ok(cluster.replica(3).isLeader)
  assert.deepEqual(cluster.replica(3).texts, ['a'])
})

test('a transfer that does not succeed within an election timeout is given up', () => {
  const cluster = new Cluster(3, { electionTicks: 10 })
  const leader = cluster.elect(1)
  cluster.partition([1, 2], [3])
  leader.node.transferLeadership(3)
  cluster.tick(10, 1)
  assert.equal(leader.status.leadTransferee, 0)
  assert.equal(cluster.propose(1, 'a').type, 'proposed')
})

test('an unreachable follower is probed, and pipelined again when it answers', () => {
  const cluster = new Cluster(2)
  const leader = cluster.elect(1)
  const state = () => leader.status.progress.find(each => each.id === 2)?.state
  assert.equal(state(), 'replicate')
  leader.node.reportUnreachable(2)
  assert.equal(state(), 'probe')
  cluster.tick(1)
  assert.equal(state(), 'replicate')
})

test('a probe that was lost is repeated when its follower can be heard, and not only at the next heartbeat', () => {
  const cluster = new Cluster(2)
  const leader = cluster.elect(1)
  cluster.partition([1], [2])
  leader.node.reportUnreachable(2)
  cluster.propose(1, 'a')
  cluster.settle()
  cluster.partition()
  leader.node.reportReachable(2)
  cluster.settle()
  assert.deepEqual(cluster.replica(2).texts, leader.texts)
  assert.ok(leader.texts.includes('a'))
})

test('a write that was acknowledged under an older term makes nothing durable, even of an equal entry', () => {
  // Entry 2 of term 2 is handed out, overwritten in term 3, and put back in term 4: a crash between the
  // second and the third write would leave the entry of term 3.
  const cluster = new Cluster(3)
  const follower = cluster.replica(1)
  for (const [term, entryTerm] of [
    [2, 2],
    [3, 3],
    [4, 2],
  ] as const) {
    follower.node.step(
      append({ term, index: 1, logTerm: 1, entries: entriesOf([entryTerm], 2), commit: term === 4 ? 2 : 1 }),
    )
    cluster.perform(follower)
  }
  for (const applied of [0, 0, 1]) {
    cluster.send(follower.store())
    cluster.perform(follower)
    assert.equal(follower.applyWork.length, applied)
  }
})

test('a vote that is written together with an older entry does not make the newer one durable', () => {
  const cluster = new Cluster(3)
  const follower = cluster.replica(1)
  follower.node.step(append({ term: 2, index: 1, logTerm: 1, entries: entriesOf([2], 2) }))
  cluster.perform(follower)
  follower.node.step(append({ type: 'MsgVote', from: 3, term: 3, index: 9, logTerm: 2 }))
  cluster.perform(follower)
  follower.node.step(
    append({ from: 3, term: 3, index: 1, logTerm: 1, entries: entriesOf([3], 2), commit: 2 }),
  )
  cluster.perform(follower)
  for (const applied of [0, 0, 1]) {
    cluster.send(follower.store())
    cluster.perform(follower)
    assert.equal(follower.applyWork.length, applied)
  }
})

test('a rejection that was overtaken by an acknowledgement is stale', () => {
  const cluster = new Cluster(2)
  const leader = cluster.elect(1)
  cluster.propose(1, 'a', 'b')
  cluster.settle()
  leader.node.step({
    ...blankMessage,
    type: 'MsgAppResp',
    from: 2,
    to: 1,
    term: 2,
    index: 3,
    reject: true,
    rejectHint: 1,
  })
  const progress = leader.status.progress.find(each => each.id === 2)
  assert.deepEqual([progress?.state, progress?.next], ['replicate', 5])
})

test('a state machine that is ahead of the stored commit index raises it', () => {
  // A commit index need not be written for its own sake, and a snapshot may be newer than the last one that
  // was.
  const cluster = new Cluster(1, {}, { entries: () => entriesOf([1, 1, 1], 2) })
  const replica = cluster.replica(1)
  replica.log.setSnapshot({ index: 3, term: 1, conf: replica.status.conf })
  replica.crash()
  assert.deepEqual([replica.status.commit, replica.status.applied], [3, 3])
})
