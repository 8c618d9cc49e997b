import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blankMessage, type ConfChange, type ConfState, emptyConfState } from '../../src/core/raft/index.ts'
import { changeMembership } from '../../src/core/raft/membership.ts'
import { Cluster } from './cluster.ts'

type Step = ConfChange['steps'][number]

function change(...steps: readonly Step[]): ConfChange {
  return { transition: 'auto', steps, context: new Uint8Array(0) }
}

const two: ConfState = { ...emptyConfState, voters: [1, 2, 3], witnesses: [3] }

/** Two replicas that keep values and a witness, the third. */
function group(options = {}): Cluster {
  return new Cluster(3, options, { conf: two })
}

test('a witness gets the positions of entries without their data, and changes of members whole', () => {
  const cluster = group()
  const leader = cluster.elect(1)
  cluster.propose(1, 'a')
  cluster.settle()
  leader.node.proposeConfChange(change({ type: 'update', replica: 1 }))
  cluster.settle()
  cluster.tick(2)
  const witness = cluster.replica(3)
  assert.deepEqual(witness.terms, leader.terms)
  assert.deepEqual(
    witness.applied.map(({ type, data, change: steps }) => [type, data.length, steps !== null]),
    [
      ['normal', 0, false],
      ['stripped', 0, false],
      ['conf-change', 0, true],
    ],
  )
  assert.deepEqual(cluster.replica(2).texts, ['a'])
})

test('the acknowledgement of a witness counts', () => {
  const cluster = group()
  cluster.elect(1)
  cluster.partition([1, 3], [2])
  cluster.propose(1, 'a')
  cluster.settle()
  assert.deepEqual(cluster.replica(1).texts, ['a'])
})

test('a witness never campaigns, neither by itself nor when it is told to', () => {
  const cluster = group()
  cluster.isLost = () => true
  const { node } = cluster.replica(3)
  for (let i = 0; i < 100; i++) node.tick()
  assert.equal(node.campaign(), false)
  node.step({ ...blankMessage, type: 'MsgTimeoutNow', from: 1, to: 3, term: 1 })
  assert.equal(node.status().role, 'follower')
})

test('leadership is not handed to a witness', () => {
  const cluster = group()
  const leader = cluster.elect(1)
  leader.node.transferLeadership(3)
  assert.equal(leader.status.leadTransferee, 0)
})

test('a witness that acknowledged an entry elects nobody who lacks it, and its holder when that is back', () => {
  const cluster = group()
  cluster.elect(1)
  cluster.partition([1, 3], [2])
  cluster.propose(1, 'a')
  cluster.settle()
  // The one holder of the value crashes: the other replica must not lead without it.
  cluster.partition([2, 3], [1])
  cluster.tick(60, 2, 3)
  assert.ok(!cluster.replica(2).isLeader)
  cluster.replica(1).crash()
  cluster.partition()
  cluster.tick(200)
  assert.deepEqual(cluster.replica(2).texts, ['a'])
  assert.equal(cluster.leader.id, 1)
})

test('with a witness a replica that has all entries goes on without the other one', () => {
  const cluster = group()
  cluster.elect(1)
  cluster.propose(1, 'a')
  cluster.settle()
  cluster.partition([2, 3], [1])
  cluster.tick(60, 2, 3)
  cluster.propose(2, 'b')
  cluster.settle()
  assert.deepEqual(cluster.replica(2).texts, ['a', 'b'])
})

test('a witness gets no position before the disk of the leader has the value: a crash could leave it alone', () => {
  const cluster = group()
  const leader = cluster.elect(1)
  cluster.partition([1, 3], [2])
  cluster.propose(1, 'a')
  cluster.perform(leader)
  cluster.deliver()
  leader.crash()
  cluster.tick(60, 1, 3)
  assert.ok(leader.isLeader, 'the witness knows of nothing that the crash took')
  cluster.propose(1, 'b')
  cluster.settle()
  assert.deepEqual(leader.texts, ['b'])
})

test('witnesses are never a quorum by themselves: nobody need hold what they alone acknowledged', () => {
  const refusal = (conf: ConfState, asked: ConfChange) => {
    const result = changeMembership(conf, asked)
    return result.type === 'refused' ? result.reason : undefined
  }
  const second = change({ type: 'add-voter', replica: 4, witness: true })
  assert.equal(refusal({ ...two, voters: [1, 3], learners: [2] }, second), 'witnesses-decide')
  assert.equal(refusal(two, second), undefined, 'two of four are no majority')
  assert.equal(refusal(two, change({ type: 'remove', replica: 1 })), undefined)
  const both = change({ type: 'remove', replica: 1 }, { type: 'remove', replica: 2 })
  assert.equal(refusal(two, both), 'witnesses-decide')
  const heavy = { ...change({ type: 'update', replica: 3 }), quorums: [[3]] }
  assert.equal(refusal(two, heavy), 'witnesses-decide')
})

test('a replica is a witness for as long as it is a member, and no other one becomes it', () => {
  const after = (conf: ConfState, step: Step) => {
    const joint = changeMembership(conf, change(step))
    assert.ok(joint.type === 'changed')
    assert.deepEqual(
      joint.change.conf.votersOutgoing,
      conf.voters,
      'it is left only when who stays has all values',
    )
    const left = changeMembership(joint.change.conf, change())
    assert.ok(left.type === 'changed')
    return left.change.conf
  }
  const demoted = after(two, { type: 'add-learner', replica: 3 })
  assert.deepEqual(demoted.witnesses, [3])
  assert.deepEqual(after(demoted, { type: 'add-voter', replica: 3 }), two)
  assert.equal(after(two, { type: 'remove', replica: 3 }).witnesses, undefined)
  for (const type of ['add-voter', 'add-learner'] as const) {
    assert.deepEqual(changeMembership(two, change({ type, replica: 2, witness: true })), {
      type: 'refused',
      reason: 'witness-for-life',
    })
  }
})

test('a witness of the outgoing side stays one until the joint configuration is left', () => {
  const steps = [{ type: 'remove', replica: 3 } as const, { type: 'add-learner', replica: 4 } as const]
  const joint = changeMembership(two, { ...change(...steps), transition: 'joint-implicit' })
  assert.ok(joint.type === 'changed')
  assert.deepEqual(joint.change.conf.witnesses, [3])
  const left = changeMembership(joint.change.conf, change())
  assert.ok(left.type === 'changed')
  assert.equal(left.change.conf.witnesses, undefined)
})

test('a witness is told as soon as anybody who keeps values has them on disk', () => {
  const cluster = group()
  const leader = cluster.elect(1)
  cluster.propose(1, 'a')
  cluster.perform(leader)
  cluster.deliver()
  cluster.finish(cluster.replica(2))
  cluster.deliver()
  cluster.perform(leader)
  assert.deepEqual(
    cluster.mail.flatMap(({ to, entries }) => (to === 3 ? [...entries].map(({ type }) => type) : [])),
    ['stripped'],
  )
})

test('where a replica leaves, who stays gets its values before the witness may know of any more of the log', () => {
  const cluster = group({ stepDownOnRemoval: true })
  const leader = cluster.elect(1)
  cluster.isLost = message => message.to === 2 && message.entries.length > 0
  cluster.propose(1, 'a')
  leader.node.proposeConfChange(change({ type: 'remove', replica: 1 }))
  cluster.tick(3)
  assert.deepEqual(leader.status.conf.votersOutgoing, [1, 2, 3], 'the last copy of a value does not go')
  cluster.propose(1, 'b')
  cluster.tick(3)
  assert.equal(cluster.replica(3).log.lastIndex(), leader.status.commit)
  cluster.isLost = () => false
  cluster.tick(60)
  assert.deepEqual(cluster.replica(2).texts, ['a', 'b'])
  assert.ok(cluster.replica(2).isLeader)
})

test('a witness that is too far behind for the log gets a snapshot, and goes on without values behind it', () => {
  const cluster = group()
  const leader = cluster.elect(1)
  cluster.partition([1, 2], [3])
  cluster.propose(1, 'a', 'b', 'c')
  cluster.settle()
  const { applied, conf } = leader.status
  leader.log.setSnapshot({ index: applied, term: 2, conf })
  leader.log.compact(applied)
  cluster.partition()
  for (let i = 0; i < 5; i++) {
    cluster.tick(1)
    leader.node.reportSnapshot(3, true)
  }
  cluster.propose(1, 'd')
  cluster.settle()
  cluster.tick(2)
  const witness = cluster.replica(3)
  assert.equal(witness.log.firstIndex(), applied + 1)
  assert.deepEqual(
    witness.applied.map(entry => entry.type),
    ['normal', 'stripped'],
  )
  assert.equal(witness.status.conf.witnesses?.[0], 3)
})
