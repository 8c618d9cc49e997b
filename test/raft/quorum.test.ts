import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { committedIndex, decidesAlone, doMeet, quorumsOf, voteResult } from '../../src/core/quorum.ts'
import { type ConfChange, type ConfState, emptyConfState } from '../../src/core/raft/index.ts'
import { changeMembership } from '../../src/core/raft/membership.ts'
import { parseSteps } from '../transcripts/describe.ts'
import { Cluster } from './cluster.ts'

type Sets = readonly (readonly number[])[]

function change(steps: string, quorums?: Sets): ConfChange {
  const rule = quorums === undefined ? {} : { quorums }
  return { transition: 'auto', steps: parseSteps(steps), context: new Uint8Array(0), ...rule }
}

/** The rule in which more than half of all weight decides; weights in the order of the voters 1, 2, 3 … */
function weighted(...weights: readonly number[]): Sets {
  const sum = (set: readonly number[]) => set.reduce((total, id) => total + (weights[id - 1] ?? 0), 0)
  const voters = weights.map((_, position) => position + 1)
  return quorumsOf(voters, set => sum(set) > sum(voters) / 2)
}

const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 })

test('any two sets with more than half of all weight share a voter: all weights up to 4 of up to 5 voters', () => {
  for (let count = 1; count <= 5; count++) {
    for (let code = 0; code < 4 ** count; code++) {
      const given = Array.from({ length: count }, (_, i) => 1 + (Math.floor(code / 4 ** i) % 4))
      assert.ok(doMeet(weighted(...given)), given.join(' '))
    }
  }
})

test('equal weights decide as majorities do', () => {
  const acks = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 8, maxLength: 8 })
  const votes = fc.array(fc.constantFrom(true, false, undefined), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 7 }), acks, votes, (count, acked, vote) => {
      const voters = Array.from({ length: count }, (_, i) => i + 1)
      const plain = { voters, votersOutgoing: [] }
      const equal = { ...plain, quorums: weighted(...voters.map(() => 3)) }
      assert.equal(
        committedIndex(equal, id => acked[id] ?? 0),
        committedIndex(plain, id => acked[id] ?? 0),
      )
      assert.equal(
        voteResult(equal, id => vote[id]),
        voteResult(plain, id => vote[id]),
      )
    }),
  )
})

test('the committed index by weight is the highest that more than half of all weight holds', () => {
  const acks = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(weights, acks, (given, acked) => {
      const voters = given.map((_, position) => position + 1)
      const holding = (index: number) =>
        voters.reduce((sum, id) => sum + ((acked[id] ?? 0) >= index ? (given[id - 1] ?? 0) : 0), 0)
      const all = given.reduce((sum, weight) => sum + weight, 0)
      const index = committedIndex(
        { voters, votersOutgoing: [], quorums: weighted(...given) },
        id => acked[id] ?? 0,
      )
      assert.ok(holding(index) > all / 2 && holding(index + 1) <= all / 2)
    }),
  )
})

test('a side of a joint configuration decides by its own rule, and both have to', () => {
  const quorum = { voters: [1, 2, 3], votersOutgoing: [3, 4, 5], quorums: weighted(3, 1, 1) }
  const won = (...ids: number[]) => voteResult(quorum, id => ids.includes(id))
  assert.equal(won(1), 'lost')
  assert.equal(won(1, 3), 'lost')
  assert.equal(won(1, 3, 4), 'won')
  assert.equal(won(2, 3, 4), 'lost')
  const outgoing = { ...quorum, quorumsOutgoing: [[3]] }
  assert.equal(
    voteResult(outgoing, id => id === 1 || id === 3),
    'won',
  )
  assert.equal(
    committedIndex(outgoing, id => [0, 7, 9, 5, 9, 9][id] ?? 0),
    5,
  )
})

test('a voter with more than half of all weight decides alone, and nobody does without it', () => {
  const quorum = { voters: [1, 2, 3], votersOutgoing: [], quorums: weighted(3, 1, 1) }
  assert.ok(decidesAlone(quorum, 1))
  assert.ok(!decidesAlone(quorum, 2))
  assert.equal(
    voteResult(quorum, id => id !== 1),
    'lost',
  )
})

const three: ConfState = { ...emptyConfState, voters: [1, 2, 3] }

test('quorums that could decide apart from each other are refused, as are those of strangers and none', () => {
  const refusal = (conf: ConfState, quorums: Sets, steps = 'u1') => {
    const result = changeMembership(conf, change(steps, quorums))
    return result.type === 'refused' ? result.reason : undefined
  }
  assert.equal(refusal(three, [[1], [2, 3]]), 'quorums-apart')
  assert.equal(refusal(three, [[1, 2], [3]]), 'quorums-apart')
  assert.equal(refusal(three, [[1, 4]]), 'quorums-apart')
  assert.equal(refusal(three, [[]]), 'quorums-apart')
  assert.equal(refusal(three, []), 'quorums-apart')
  assert.equal(
    refusal(three, [
      [1, 2],
      [1, 3],
    ]),
    undefined,
  )
  // A rule of two that is majority-1 of four, and the right one.
  const four = { ...three, voters: [1, 2, 3, 4] }
  const ofSize = (size: number) => quorumsOf([1, 2, 3, 4], set => set.length >= size)
  assert.equal(refusal(four, ofSize(2)), 'quorums-apart')
  assert.equal(refusal(four, ofSize(3)), undefined)
})

test('every rule that is accepted has no two disjoint quorums, whatever was asked for', () => {
  const sets = fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }), { maxLength: 5 })
  fc.assert(
    fc.property(sets, quorums => {
      const result = changeMembership({ ...three, voters: [1, 2, 3, 4] }, change('u1', quorums))
      if (result.type === 'refused') return
      const { conf } = result.change
      for (let mask = 0; mask < 16; mask++) {
        const has = (id: number) => (mask & (1 << (id - 1))) !== 0
        const wins = (set: (id: number) => boolean) =>
          voteResult({ ...conf, votersOutgoing: [] }, set) === 'won'
        assert.ok(!(wins(has) && wins(id => !has(id))), `${mask} and the rest`)
      }
    }),
    { numRuns: 1000 },
  )
})

test('a new rule comes into force through a joint configuration, even for a single voter', () => {
  const result = changeMembership(three, change('u1', weighted(3, 1, 1)))
  assert.ok(result.type === 'changed')
  assert.deepEqual(result.change.conf.votersOutgoing, [1, 2, 3])
  assert.equal(result.change.conf.quorumsOutgoing, undefined)
  const left = changeMembership(result.change.conf, change(''))
  assert.ok(left.type === 'changed')
  assert.deepEqual(left.change.conf, { ...three, quorums: weighted(3, 1, 1) })
  const again = changeMembership(left.change.conf, change('u1', weighted(1, 1, 3)))
  assert.ok(again.type === 'changed')
  assert.deepEqual(again.change.conf.quorumsOutgoing, weighted(3, 1, 1))
  const over = changeMembership(again.change.conf, change(''))
  assert.ok(over.type === 'changed')
  assert.deepEqual(over.change.conf, { ...three, quorums: weighted(1, 1, 3) })
})

test('a rule stays while its voters stay, and ends with them, through a joint configuration', () => {
  const conf = { ...three, quorums: weighted(3, 1, 1) }
  const learner = changeMembership(conf, change('l4'))
  assert.ok(learner.type === 'changed')
  assert.deepEqual(learner.change.conf, { ...conf, learners: [4] })
  const voter = changeMembership(conf, change('v4'))
  assert.ok(voter.type === 'changed')
  assert.deepEqual(voter.change.conf.votersOutgoing, [1, 2, 3])
  assert.deepEqual(voter.change.conf.quorumsOutgoing, conf.quorums)
  assert.equal(voter.change.conf.quorums, undefined)
})

test('by weight a leader commits without its lighter followers, and they elect nobody without it', () => {
  const cluster = new Cluster(3, { checkQuorum: true }, { conf: { quorums: weighted(3, 1, 1) } })
  const leader = cluster.elect(1)
  cluster.partition([1], [2, 3])
  cluster.propose(1, 'a')
  cluster.tick(50)
  assert.ok(leader.isLeader, 'it hears a quorum: itself')
  assert.deepEqual(leader.texts, ['a'])
  leader.node.readIndex(7)
  cluster.settle()
  assert.equal(leader.reads.at(-1)?.context, 7)
  assert.ok(!cluster.replica(2).isLeader && !cluster.replica(3).isLeader)
})

test('a change of weights by the leader reaches everybody, and old quorums decide until then', () => {
  const cluster = new Cluster(3)
  const leader = cluster.elect(1)
  cluster.partition([1], [2, 3])
  assert.equal(leader.node.proposeConfChange(change('u1', weighted(3, 1, 1))).type, 'proposed')
  cluster.settle()
  assert.equal(leader.status.conf.quorums, undefined, 'alone it cannot make itself the only one that counts')
  cluster.partition()
  cluster.tick(5)
  for (const replica of cluster.replicas) {
    assert.deepEqual(replica.status.conf, { ...three, quorums: weighted(3, 1, 1) })
  }
})
