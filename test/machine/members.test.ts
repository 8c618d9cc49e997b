import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { evictedMax, membersMax, quorumSetsMax, votersMax } from '../../src/core/limits.ts'
import {
  applyDelta,
  type Members,
  type MembersDelta,
  memberOfHost,
  noMembers,
  wasEvicted,
  wasRemoved,
} from '../../src/core/machine/members.ts'
import {
  type MembersPlan,
  planDecide,
  planDemote,
  planEvict,
  planFounding,
  planJoin,
  planPromote,
  planRemove,
  planWeigh,
} from '../../src/core/machine/members-plan.ts'

const leader = 1

test('the founder is the first replica and the only voter', () => {
  const plan = planFounding(noMembers, 'a')
  assert.deepEqual(stepsOf(plan), [{ type: 'add-voter', replica: 1 }])
  assert.equal(shape(grow('a')), 'A')
  assert.equal(codeOf(planFounding(grow('a'), 'b')), 'MEMBERSHIP_REFUSED')
  assert.equal(codeOf(planJoin(noMembers, 'b')), 'MEMBERSHIP_REFUSED')
})

test('a host joins as a learner, once', () => {
  const members = grow('a')
  assert.deepEqual(stepsOf(planJoin(members, 'b')), [{ type: 'add-learner', replica: 2 }])
  const joined = commit(members, planJoin(members, 'b'))
  assert.equal(shape(joined), 'Ab')
  assert.deepEqual(planJoin(joined, 'b'), { type: 'unchanged' })
})

test('a second voter waits for the third, then both vote in one change', () => {
  const one = grow('abc')
  const marking = planPromote(one, ['b'], leader)
  assert.deepEqual(stepsOf(marking), [{ type: 'update', replica: 2 }])
  const marked = commit(one, marking)
  assert.equal(shape(marked), 'Ab*c')
  assert.deepEqual(planPromote(marked, ['b'], leader), { type: 'unchanged' })
  const widening = planPromote(marked, ['c'], leader)
  assert.deepEqual(stepsOf(widening), [
    { type: 'add-voter', replica: 2 },
    { type: 'add-voter', replica: 3 },
  ])
  assert.equal(shape(commit(marked, widening)), 'ABC')
})

test('two hosts promoted together make three voters at once', () => {
  const members = grow('abc')
  assert.equal(shape(commit(members, planPromote(members, ['b', 'c'], leader))), 'ABC')
})

test('one of three that leaves takes another one out of the vote, never the leader', () => {
  const three = promoted('abc')
  assert.equal(shape(commit(three, planRemove(three, 'b', 1))), 'Ac*')
  assert.equal(shape(commit(three, planRemove(three, 'b', 3))), 'a*C')
  assert.equal(
    shape(commit(three, planRemove(three, 'b', 2))),
    'Ac*',
    'the leader leaves: the lowest id stays',
  )
  assert.deepEqual(stepsOf(planRemove(three, 'b', 3)), [
    { type: 'add-learner', replica: 1 },
    { type: 'remove', replica: 2 },
  ])
})

test('a demoted voter is wanted no more, and the one that waits comes back with the next', () => {
  const three = promoted('abc')
  const demoted = commit(three, planDemote(three, 'c', leader))
  assert.equal(shape(demoted), 'Ab*c')
  assert.deepEqual(planDemote(demoted, 'c', leader), { type: 'unchanged' })
  assert.equal(shape(commit(demoted, planPromote(demoted, ['c'], leader))), 'ABC')
})

test('a waiting voter takes the place of one that leaves, and nobody else changes', () => {
  const four = promoted('abcd')
  assert.equal(shape(four), 'ABCd*')
  assert.deepEqual(stepsOf(planRemove(four, 'b', leader)), [
    { type: 'add-voter', replica: 4 },
    { type: 'remove', replica: 2 },
  ])
  assert.equal(shape(commit(four, planRemove(four, 'b', leader))), 'ACD')
})

test('a change that has nothing to do with the voters leaves them as they are', () => {
  const five = promoted('abcde')
  const four = commit(five, planDemote(five, 'b', 5))
  assert.equal(shape(four), 'AbCd*E')
  assert.deepEqual(stepsOf(planRemove(four, 'b', 1)), [{ type: 'remove', replica: 2 }])
  assert.deepEqual(planPromote(four, ['d'], 1), { type: 'unchanged' })
})

test('the last wanted voter is neither demoted nor removed', () => {
  const members = grow('ab')
  assert.equal(codeOf(planDemote(members, 'a', leader)), 'LAST_VOTER')
  assert.equal(codeOf(planRemove(members, 'a', leader)), 'LAST_VOTER')
})

test('strangers are refused', () => {
  const members = grow('a')
  assert.equal(codeOf(planPromote(members, ['a', 'x'], leader)), 'NOT_MEMBER')
  assert.equal(codeOf(planDemote(members, 'x', leader)), 'NOT_MEMBER')
  assert.equal(codeOf(planRemove(members, 'x', leader)), 'NOT_MEMBER')
})

test('voters and members have an upper bound', () => {
  let members = grow('a')
  for (let i = 1; i < membersMax; i++) members = commit(members, planJoin(members, `h${i}`))
  assert.equal(codeOf(planJoin(members, 'x')), 'MEMBERSHIP_REFUSED')
  const hosts = members.list.slice(0, votersMax + 1).map(member => member.host)
  assert.equal(codeOf(planPromote(members, hosts, leader)), 'MEMBERSHIP_REFUSED')
  assert.equal(planPromote(members, hosts.slice(1), leader).type, 'refused')
  assert.equal(planPromote(members, hosts.slice(0, votersMax), leader).type, 'change')
})

test('a host that comes back after its removal is another replica, and the old id is banned', () => {
  const members = grow('ab')
  const removed = commit(members, planRemove(members, 'b', leader))
  assert.equal(wasRemoved(removed, 2), true)
  assert.equal(wasRemoved(removed, 3), false, 'not given out yet')
  const back = commit(removed, planJoin(removed, 'b'))
  assert.equal(memberOfHost(back, 'b')?.replica, 3)
  assert.equal(wasRemoved(back, 2), true)
})

test('who makes room is remembered, of so many the latest, and who is removed is not', () => {
  let members = grow('abc')
  members = commit(members, planRemove(members, 'c', leader))
  assert.equal(wasEvicted(members, 3), false)
  const ids: number[] = []
  for (let i = 0; i <= evictedMax; i++) {
    ids.push(memberOfHost(members, 'b')?.replica ?? 0)
    members = commit(members, planEvict(members, 'b', leader))
    members = commit(members, planJoin(members, 'b'))
  }
  assert.deepEqual(members.evicted, ids.slice(1))
  assert.equal(wasEvicted(members, ids[0] ?? 0), false, 'forgotten: as if it was removed')
  assert.equal(wasEvicted(members, ids[1] ?? 0), true)
  assert.equal(wasRemoved(members, ids[0] ?? 0), true)
  assert.equal(codeOf(planEvict(members, 'z', leader)), 'NOT_MEMBER')
})

test('only a learner makes room that nobody wants to vote: a delta that says otherwise is refused', () => {
  const evict = (members: Members, host: string) =>
    applyDelta(members, deltaOf(planEvict(members, host, leader)), 99)
  assert.equal(evict(promoted('abc'), 'b'), 'refused')
  const waiting = grow('ab')
  assert.equal(evict(commit(waiting, planPromote(waiting, ['b'], leader)), 'b'), 'refused')
  const two = grow('ab')
  assert.equal(evict(commit(two, planJoin(two, 'w', true)), 'w'), 'refused')
  assert.notEqual(evict(two, 'b'), 'refused')
})

test('a delta that would break the table is refused, whoever wrote it', () => {
  const members = grow('ab')
  const delta = (changes: Partial<MembersDelta>): MembersDelta => ({
    base: members.revision,
    set: [],
    removed: [],
    ...changes,
  })
  const plain = { role: 'learner', wanted: 'learner', witness: false, weight: 1 } as const
  const learner = { ...plain, replica: 3, host: 'c' }
  assert.notEqual(applyDelta(members, delta({ set: [learner] }), 9), 'refused')
  const broken: Partial<MembersDelta>[] = [
    { base: members.revision - 1 },
    { removed: [7] },
    { removed: [1] },
    { set: [{ ...learner, replica: 4 }] },
    { set: [{ ...learner, replica: 0 }] },
    { set: [{ ...learner, host: 'a' }] },
    { set: [{ ...learner, replica: 2 }] },
    { set: [{ ...learner, replica: 2, host: 'b', witness: true }] },
    { set: [{ ...learner, role: 'voter' }] },
    { set: [{ ...learner, role: 'voter', wanted: 'voter' }] },
  ]
  for (const changes of broken) assert.equal(applyDelta(members, delta(changes), 9), 'refused')
})

test('a witness is one from its joining on, votes when it is promoted, and waits before those that keep values', () => {
  const two = grow('ab')
  const joining = planJoin(two, 'w', true)
  assert.deepEqual(stepsOf(joining), [{ type: 'add-learner', replica: 3, witness: true }])
  const joined = commit(two, joining)
  const three = commit(joined, planPromote(joined, ['b', 'w'], leader))
  assert.equal(shape(three), 'ABW')
  assert.equal(memberOfHost(three, 'w')?.witness, true)
  assert.equal(shape(commit(three, planRemove(three, 'a', 1))), 'Bw*')
  assert.equal(shape(commit(three, planRemove(three, 'a', 2))), 'Bw*')
  const alone = commit(three, planDemote(three, 'b', leader))
  assert.equal(shape(alone), 'Abw*')
  assert.equal(codeOf(planDemote(alone, 'a', leader)), 'LAST_VOTER', 'a witness alone has nothing to vote on')
})

test('weights become the sets of voters that decide, and stay with the members', () => {
  const three = promoted('abc')
  const plan = planWeigh(three, new Map([['a', 3]]))
  assert.deepEqual(quorumsIn(plan), [[1]])
  assert.deepEqual(stepsOf(plan), [{ type: 'update', replica: 1 }])
  const weighed = commit(three, plan)
  assert.deepEqual(planWeigh(weighed, new Map([['a', 3]])), { type: 'unchanged' })
  assert.equal(
    quorumsIn(planJoin(weighed, 'd')),
    undefined,
    'a learner is no reason for a joint configuration',
  )
  const five = ['d', 'e'].reduce((members, host) => commit(members, planJoin(members, host)), weighed)
  const widened = planPromote(five, ['d', 'e'], leader)
  assert.deepEqual(
    quorumsIn(widened)?.filter(set => set.includes(1)),
    [
      [1, 2],
      [1, 3],
      [1, 4],
      [1, 5],
    ],
  )
  const equal = planWeigh(weighed, new Map([['a', 1]]))
  assert.deepEqual(quorumsIn(equal), [
    [1, 2],
    [1, 3],
    [2, 3],
  ])
  assert.deepEqual(
    quorumsIn(planWeigh(three, new Map([['a', 2]]))),
    [
      [1, 2],
      [1, 3],
    ],
    'half of all weight is not enough',
  )
  assert.equal(codeOf(planWeigh(three, new Map([['x', 2]]))), 'NOT_MEMBER')
  assert.equal(codeOf(planWeigh(three, new Map([['a', 101]]))), 'MEMBERSHIP_REFUSED')
  assert.equal(codeOf(planWeigh(three, new Map([['a', 0]]))), 'MEMBERSHIP_REFUSED')
})

test('sets that decide must meet, hold for the voters they are made of, and give way to weights with them', () => {
  const three = promoted('abc')
  assert.equal(codeOf(planDecide(three, [['a'], ['b', 'c']])), 'MEMBERSHIP_REFUSED')
  assert.equal(codeOf(planDecide(three, [[]])), 'MEMBERSHIP_REFUSED')
  assert.equal(codeOf(planDecide(three, [['a', 'x']])), 'MEMBERSHIP_REFUSED')
  // Of anybody who may ask: what has to be compared pair by pair is bounded.
  assert.equal(codeOf(planDecide(three, Array(quorumSetsMax + 1).fill(['a', 'b']))), 'MEMBERSHIP_REFUSED')
  assert.equal(codeOf(planDecide(three, [Array(votersMax + 1).fill('a')])), 'MEMBERSHIP_REFUSED')
  const plan = planDecide(three, [
    ['a', 'b'],
    ['a', 'c'],
  ])
  assert.deepEqual(quorumsIn(plan), [
    [1, 2],
    [1, 3],
  ])
  const decided = commit(three, plan)
  const joined = commit(decided, planJoin(decided, 'd'))
  assert.deepEqual(joined.quorums, decided.quorums)
  const demoted = planDemote(joined, 'c', leader)
  assert.equal(quorumsIn(demoted), undefined)
  assert.equal(commit(joined, demoted).quorums, undefined)
  const none = planDecide(decided, [])
  assert.equal(quorumsIn(none)?.length, 3, 'majorities, said as sets')
  assert.equal(commit(decided, none).quorums, undefined)
})

const request = fc.record({
  type: fc.constantFrom('join', 'promote', 'demote', 'remove'),
  hosts: fc.array(fc.constantFrom(...'abcdefghijkl'), { minLength: 1, maxLength: 3 }),
  leaderAt: fc.nat(8),
})

test('whatever is asked, voters are odd and wanted, ids are new, and the leader keeps its vote', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 60, size: 'max' }), requests => {
      let members = grow('a')
      const given = new Set([1])
      for (const { type, hosts, leaderAt } of requests) {
        const voters = members.list.filter(member => member.role === 'voter')
        const leader = voters[leaderAt % voters.length]
        assert.ok(leader !== undefined)
        const [host = ''] = hosts
        const plan = {
          join: () => planJoin(members, host),
          promote: () => planPromote(members, hosts, leader.replica),
          demote: () => planDemote(members, host, leader.replica),
          remove: () => planRemove(members, host, leader.replica),
        }[type as 'join']()
        if (plan.type !== 'change') continue
        assert.ok(plan.steps.length > 0)
        const before = members
        members = commit(members, plan)
        assert.notEqual(members, before)
        assert.equal(members.list.filter(member => member.role === 'voter').length % 2, 1)
        for (const member of members.list) {
          assert.ok(member.role === 'learner' || member.wanted === 'voter')
          if (memberOfHost(before, member.host) !== undefined) continue
          assert.ok(!given.has(member.replica))
          given.add(member.replica)
        }
        if (memberOfHost(members, leader.host)?.wanted === 'voter') {
          assert.equal(memberOfHost(members, leader.host)?.role, 'voter')
        }
        const waiting = members.list.filter(member => member.wanted !== member.role)
        assert.ok(waiting.length <= 1)
      }
    }),
  )
})

/** A group with these hosts, one letter each, the first one its voter. */
function grow(hosts: string): Members {
  const [founder = '', ...others] = hosts
  let members = commit(noMembers, planFounding(noMembers, founder))
  for (const host of others) members = commit(members, planJoin(members, host))
  return members
}

/** The same, with all of them promoted. */
function promoted(hosts: string): Members {
  const members = grow(hosts)
  return commit(members, planPromote(members, [...hosts], leader))
}

/** The table after the plan, at the next index; unchanged when the delta is refused. */
function commit(members: Members, plan: MembersPlan): Members {
  assert.equal(plan.type, 'change')
  if (plan.type !== 'change') return members
  const after = applyDelta(members, plan.delta, members.revision + 1)
  return after === 'refused' ? members : after
}

function deltaOf(plan: MembersPlan): MembersDelta {
  assert.ok(plan.type === 'change')
  return plan.delta
}

/** Voters in capitals, a star behind those that wait to vote. */
function shape(members: Members): string {
  return members.list
    .map(({ host, role, wanted }) =>
      role === 'voter' ? host.toUpperCase() : wanted === 'voter' ? `${host}*` : host,
    )
    .join('')
}

function stepsOf(plan: MembersPlan) {
  return plan.type === 'change' ? plan.steps : []
}

function quorumsIn(plan: MembersPlan) {
  return plan.type === 'change' ? plan.quorums : undefined
}

function codeOf(plan: MembersPlan): string | undefined {
  return plan.type === 'refused' ? plan.code : undefined
}
