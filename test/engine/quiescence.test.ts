import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { peerSilenceMs } from '../../src/core/limits.ts'
import type { RaftNode } from '../../src/core/raft/raft-node.ts'
import type { HostId } from '../../src/core/types.ts'
import { engineDefaults } from '../../src/engine/parts.ts'
import { Quiescence } from '../../src/engine/replica/quiescence.ts'
import { type BeatType, decodeBeats } from '../../src/wire/beat-codec.ts'
import { TestCluster, type TestHost } from './cluster.ts'

const asleepMs = (engineDefaults.quiesceTicks + 10) * engineDefaults.tickMs

/** Three voters, and a learner, of a group that has been idle for long enough. */
async function asleep(seed = 1) {
  const cluster = new TestCluster({ seed })
  const [a, b, c] = await cluster.three()
  const d = await cluster.open('d')
  await cluster.settle(a.store.put('k', 0))
  await cluster.run(asleepMs)
  return { cluster, a, b, c, d }
}

async function timed(cluster: TestCluster, promise: Promise<unknown>): Promise<number> {
  const start = cluster.timers.now()
  await cluster.settle(promise)
  return cluster.timers.now() - start
}

function leaderOf(...hosts: readonly TestHost[]): HostId | undefined {
  return hosts.find(({ store }) => store.status().role === 'leader')?.name
}

test('a replica that has just fallen asleep is not woken by what was on its way before', () => {
  let now = 0
  const clock = { now: () => now, wall: () => 0, after: () => () => {}, soon: () => {} }
  const none = () => {
    throw new Error('nobody is asked')
  }
  const quiescence = new Quiescence({
    ...engineDefaults,
    group: 'g',
    id: 2,
    node: undefined as unknown as RaftNode,
    clock,
    term: none,
    leader: none,
    conf: none,
    hostOf: none,
    hostsHere: none,
    hasCalls: none,
    send: none,
  })
  const late = (type: BeatType) =>
    quiescence.isLate({ type, group: 'g', from: 1, to: 2, term: 1, commit: 1, context: 7 })
  const types = ['drowsy', 'consent', 'response', 'heartbeat', 'sleep'] as const
  assert.deepEqual(types.filter(late), [])
  quiescence.fallAsleep()
  now = 1_900
  assert.deepEqual(types.filter(late), ['drowsy', 'consent', 'response'])
  now = 2_000
  assert.deepEqual(types.filter(late), ['consent', 'response'])
})

describe('an idle group', () => {
  test('sends nothing and stores nothing, and keeps its leader for an hour', async () => {
    const { cluster, a, b } = await asleep()
    const { term } = a.store.status()
    const { frames, writes } = await cluster.recorded(() => cluster.run(3_600_000))
    assert.deepEqual([frames.length, writes.length], [0, 0])
    assert.deepEqual([a.store.status().role, a.store.status().term], ['leader', term])
    assert.equal(b.store.status().leader, 'a')
    assert.equal(b.store.status().asleep, true)
  })

  for (const name of ['a', 'b', 'd'] as const) {
    test(`is awake at once for a write and for a read of host ${name}`, async () => {
      const { cluster, ...hosts } = await asleep()
      assert((await timed(cluster, hosts[name].store.put('k', 1))) < 100)
      await cluster.run(asleepMs)
      assert.equal(hosts[name].store.status().asleep, true)
      assert((await timed(cluster, hosts[name].store.get('k'))) < 100)
    })
  }

  test('falls asleep again after every request, and is awake while there are some', async () => {
    const { cluster, b, c } = await asleep()
    for (let i = 0; i < 20; i++) {
      await cluster.run(1_000)
      await cluster.settle(b.store.put('k', i))
      assert.equal(c.store.status().asleep, false)
    }
    await cluster.run(asleepMs)
    const { frames } = await cluster.recorded(() => cluster.run(60_000))
    assert.equal(frames.length, 0)
  })

  test('sleeps while its log is followed, which goes on when it wakes', async () => {
    const { cluster, b, d } = await asleep()
    const next = d.store.entries().next()
    const late = d.store.entries().next()
    await cluster.run(60_000)
    assert.equal(d.store.status().asleep, true)
    const { revision } = await cluster.settle(b.store.put('k', 1))
    const results = await cluster.settle(Promise.all([next, late]))
    assert(results.every(({ value }) => value !== undefined && value.revision <= revision))
  })

  test('notices that its leader died, though nobody asks for anything (mutant M145)', async () => {
    const { cluster, b, c } = await asleep()
    cluster.crash('a')
    await cluster.run(10_000)
    assert.notEqual(leaderOf(b, c), undefined)
  })

  test('has a new leader within the silence and an election timeout when one dies without a goodbye', async () => {
    const { electionTicks, tickMs } = engineDefaults
    for (let seed = 1; seed <= 12; seed++) {
      const { cluster, b, c } = await asleep(seed)
      const start = cluster.timers.now()
      cluster.crash('a')
      await cluster.until(() => leaderOf(b, c) !== undefined)
      const ms = cluster.timers.now() - start
      assert(ms <= peerSilenceMs + electionTicks * tickMs + 100, `it took ${ms} ms (seed ${seed})`)
    }
  })

  test('elects within one election timeout when a request finds the leader dead: all wait from then on', async () => {
    let elections = 0
    for (let seed = 1; seed <= 8; seed++) {
      const { cluster, b } = await asleep(seed)
      const before = b.store.status().term
      cluster.crash('a')
      const ms = await timed(cluster, b.store.put('k', 1))
      // Two that draw the same timeout split the votes, and wait once more.
      const terms = b.store.status().term - before
      elections += terms
      assert(ms < 4_100 * terms, `it took ${ms} ms and ${terms} elections (seed ${seed})`)
    }
    assert(elections <= 10, `${elections} elections`)
  })

  test('falls asleep when its leader has asked, and everyone who is there has agreed', async () => {
    const { cluster, a } = await asleep()
    await cluster.settle(a.store.put('k', 1))
    const { frames } = await cluster.recorded(() => cluster.run(asleepMs))
    const said: string[] = []
    for (const { from, kind, body } of frames) {
      if (kind === 'beat') decodeBeats(body, ({ type }) => said.push(`${from} ${type}`))
    }
    const asked = said.indexOf('a drowsy')
    const slept = said.indexOf('a sleep')
    assert(asked >= 0 && slept > asked)
    for (const name of ['b', 'c', 'd']) {
      const agreed = said.indexOf(`${name} consent`)
      assert(asked < agreed && agreed < slept, `${name} was not waited for`)
    }
  })

  test('takes a follower back that was restarted (mutant M145)', async () => {
    const { cluster, a } = await asleep()
    cluster.crash('b')
    const b = await cluster.host('b')
    const ms = await timed(cluster, b.store())
    assert(ms < 7_000, `it took ${ms} ms`)
    assert.equal(a.store.status().role, 'leader')
  })

  test('takes a learner back that was restarted, and one that is new (mutant M145)', async () => {
    const { cluster, a } = await asleep()
    cluster.crash('d')
    const d = await cluster.open('d')
    assert.equal(await cluster.settle(d.store.get('k')), 0)
    await cluster.run(asleepMs)
    assert.equal(d.store.status().asleep, true)
    const e = await cluster.open('e')
    assert.equal(await cluster.settle(e.store.get('k')), 0)
    await cluster.run(asleepMs)
    assert.equal(a.store.status().asleep, true)
  })

  test('sleeps without members that are away, and brings them up to date when they come', async () => {
    const { cluster, a } = await asleep()
    cluster.crash('c')
    cluster.crash('d')
    await cluster.settle(a.store.put('k', 1))
    await cluster.run(20_000)
    assert.equal(a.store.status().asleep, true)
    const c = await cluster.open('c')
    await cluster.run(1_000)
    assert.equal(await cluster.settle(c.store.get('k', { consistency: 'stale' })), 1)
  })

  test('does not sleep while no quorum is there', async () => {
    const { cluster, a } = await asleep()
    cluster.crash('b')
    cluster.crash('c')
    await cluster.run(60_000)
    assert.equal(a.store.status().asleep, false)
    assert.notEqual(a.store.status().role, 'leader')
  })

  test('never answers a read from a leader that slept through its own end', async () => {
    const { cluster, a, b } = await asleep()
    cluster.network.partition(['a'], ['b', 'c', 'd'])
    await cluster.settle(b.store.put('k', 'new'))
    const read = a.store.get('k', { deadlineMs: 1_000 })
    await assert.rejects(cluster.settle(read), { name: 'QuorateError' })
    cluster.network.heal()
    assert.equal(await cluster.settle(a.store.get('k')), 'new')
  })

  test('changes its members and hands its leadership over', async () => {
    const { cluster, a, b, c } = await asleep()
    await cluster.settle(b.store.demote('c'))
    await cluster.run(asleepMs)
    await cluster.settle(c.store.promote('c'))
    await cluster.run(asleepMs)
    await cluster.settle(a.host.handOver())
    await cluster.run(1_000)
    assert.notEqual(leaderOf(b, c), undefined)
  })

  test('lives through lost, doubled and late frames', async () => {
    const cluster = new TestCluster({ quiesceTicks: 3, seed: 5 })
    const hosts = await cluster.three()
    const faults = { lossRate: 0.1, duplicateRate: 0.1, reorderRate: 0.2, reorderMs: 900, jitterMs: 50 }
    cluster.network.setFaults(faults)
    for (let i = 0; i < 100; i++) {
      const { store } = hosts[i % 3] as TestHost
      await cluster.settle(store.put('k', i))
      assert.equal(await cluster.settle((hosts[(i + 1) % 3] as TestHost).store.get('k')), i)
      await cluster.run((i % 7) * 300)
    }
    cluster.network.setFaults({ lossRate: 0, duplicateRate: 0, reorderRate: 0 })
    await cluster.run(20_000)
    const { frames } = await cluster.recorded(() => cluster.run(60_000))
    assert.equal(frames.length, 0)
  })
})
