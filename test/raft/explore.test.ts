import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { explore } from './explore.ts'
import type { WorldOptions } from './small-world.ts'

/** How many actions more than usual. One more takes about three times as long. */
const deeper = Number(process.env.RAFT_SCOPE_DEEPER ?? 0)

const nothing: WorldOptions = {
  logs: [[], [], []],
  term: 1,
  leader: 0,
  late: 0,
  campaigns: 0,
  proposals: 0,
  crashes: 0,
  duplicates: 0,
  isStorageSlow: false,
}

interface Scope {
  readonly what: string
  readonly depth: number
  readonly world: WorldOptions
}

const scopes: readonly Scope[] = [
  {
    what: 'elections with slow disks, a crash and a message that comes twice',
    depth: 6,
    world: { ...nothing, campaigns: 2, crashes: 1, duplicates: 1, isStorageSlow: true },
  },
  {
    what: 'elections and a write',
    depth: 7,
    world: { ...nothing, campaigns: 2, proposals: 1 },
  },
  {
    what: 'elections with pre-votes, after a leader',
    depth: 7,
    world: { ...nothing, leader: 1, preVote: true, campaigns: 2 },
  },
  {
    what: 'a write of a leader with slow disks, a rival and a crash',
    depth: 7,
    world: { ...nothing, leader: 1, campaigns: 1, proposals: 1, crashes: 1, isStorageSlow: true },
  },
  {
    what: 'a leader who is succeeded, with a crash',
    depth: 5,
    world: { ...nothing, leader: 1, campaigns: 2, proposals: 1, crashes: 1 },
  },
  {
    what: 'two writes of a leader and a message that comes twice',
    depth: 7,
    world: { ...nothing, leader: 1, proposals: 2, duplicates: 1 },
  },
  {
    what: 'a rival with a longer log of older terms, who hears late of the leader',
    depth: 6,
    world: { ...nothing, logs: [[3], [2, 2, 2], [3]], term: 3, leader: 1, late: 2, campaigns: 2 },
  },
  {
    what: 'a leader whose log has an entry of an older term (Raft paper, figure 8)',
    depth: 7,
    world: { ...nothing, logs: [[2], [], [3]], term: 3, campaigns: 2 },
  },
]

describe('the properties of the Raft paper (figure 3) hold in every order of', () => {
  for (const { what, depth, world } of scopes) {
    test(what, t => {
      const { states, withCommit, transitions, violation } = explore(world, depth + deeper)
      t.diagnostic(`${states} states, ${withCommit} of them with a commit, by ${transitions} actions`)
      assert.equal(violation, undefined, [violation?.message, ...(violation?.actions ?? [])].join('\n'))
      // A scope in which hardly anything may happen would prove nothing.
      assert.ok(states > 1000)
    })
  }
})

describe('the exploration', () => {
  const hasty = { ...nothing, isStorageSlow: true, isHasty: true }

  test('is the same every time', () => {
    const world = { ...nothing, leader: 1, campaigns: 1, proposals: 1, crashes: 1, isStorageSlow: true }
    assert.deepEqual(explore(world, 4), explore(world, 4))
  })

  test('finds votes that were sent before they were durable', () => {
    const { violation } = explore({ ...hasty, campaigns: 2, crashes: 1 }, 6)
    assert.match(violation?.message ?? '', /voted for 1 and for 2/)
  })

  test('finds acknowledgements that were sent before the entry was durable', () => {
    const { violation } = explore({ ...hasty, leader: 1, proposals: 1 }, 6)
    assert.match(violation?.message ?? '', /is committed and durable on 1 only/)
  })
})
