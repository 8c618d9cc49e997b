import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { membersMax, silentMs } from '../../src/core/limits.ts'
import { planJoin } from '../../src/core/machine/members-plan.ts'
import { startCall } from '../../src/engine/calls/call.ts'
import type { ReplicasParts } from '../../src/engine/host/replicas.ts'
import { MemberChanges } from '../../src/engine/membership/member-changes.ts'
import { mayCount } from '../../src/engine/replica/may-count.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { encode } from '../../src/wire/codec.ts'
import { encodeFrame } from '../../src/wire/frames.ts'
import { asNatural } from '../../src/wire/guards.ts'
import { TestCluster, type TestHost } from './cluster.ts'

const refused = { code: 'MEMBERSHIP_REFUSED', retryable: true }

/** Has members join that nobody ever saw, until the group is full. */
async function fill(cluster: TestCluster, { host }: TestHost, isWitness = false): Promise<void> {
  const replica = host.running.get('main') ?? assert.fail('the host has a replica')
  const clock = new HostClock(cluster.timers)
  const changes = new MemberChanges(clock, replica, startCall(clock, {}, 600_000))
  for (let i = replica.members.length; i < membersMax; i++) {
    await cluster.settle(changes.carryOut(() => planJoin(replica.machine.members, `ghost${i}`, isWitness)))
  }
}

const names = ({ store }: TestHost) => store.status().members.map(member => member.hostId)

describe('a full group', () => {
  test('lets the learner go that is away the longest, for a newcomer', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await cluster.open('d')
    await fill(cluster, a)
    await cluster.run(silentMs)
    cluster.crash('d')
    await cluster.run(silentMs)
    for (const newcomer of ['e', 'f']) await cluster.open(newcomer)
    assert.equal(names(a).length, membersMax)
    assert.deepEqual(
      ['a', 'b', 'c', 'd', 'e', 'f', 'ghost4', 'ghost5', 'ghost6'].filter(name => names(a).includes(name)),
      ['a', 'b', 'c', 'd', 'e', 'f', 'ghost6'],
    )
  })

  test('refuses the newcomer while nobody may go: who is here, votes, shall vote or is a witness', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.open('d')
    await cluster.settle(a.store.promote('d'))
    const e = await cluster.open('e')
    await fill(cluster, a, true)
    for (const absent of ['c', 'd']) cluster.crash(absent)
    await cluster.run(2 * silentMs)
    const newcomer = await cluster.host('f')
    await assert.rejects(cluster.settle(newcomer.store('main', { deadlineMs: 5_000 })), refused)

    await cluster.settle(a.store.put('k', 1))
    await cluster.settle(e.store.get('k'))
    cluster.crash('e')
    await cluster.run(silentMs - 10_000)
    // The next leader knows of no silence before its own time.
    await cluster.settle(a.store.transferLeadership('b'))
    await cluster.run(20_000)
    await assert.rejects(cluster.settle(newcomer.store('main', { deadlineMs: 5_000 })), refused)
    await cluster.run(silentMs)
    await cluster.settle(newcomer.store('main'))
    assert.deepEqual(
      ['a', 'b', 'c', 'd', 'e', 'f'].filter(name => names(b).includes(name)),
      ['a', 'b', 'c', 'd', 'f'],
    )
  })

  test('keeps a newcomer for a while that no connection to the leader was seen of', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await fill(cluster, a, true)
    await cluster.settle(a.store.remove('ghost9'))
    await cluster.run(2 * silentMs)
    // A member asks in the name of one that never comes.
    const { requests, parts } = b.host as unknown as Pick<ReplicasParts, 'requests' | 'parts'>
    const admit = (host: string) => {
      const call = startCall(parts.clock, {}, 1_000)
      return cluster.settle(
        requests.ask('a', { method: 'admit', body: ['main', host, false], read: asNatural }, call),
      )
    }
    await admit('x')
    await cluster.run(silentMs - 1_000)
    await assert.rejects(admit('y'), refused)
    await cluster.run(2_000)
    await admit('y')
    assert.deepEqual(
      ['x', 'y'].filter(name => names(a).includes(name)),
      ['y'],
    )
  })
})

/** A leader, a learner that has written, and so few places that every newcomer takes somebody else's. */
async function small() {
  const cluster = new TestCluster({ membersMax: 3, silentMs: 2_000 })
  const [a, d] = [await cluster.open('a'), await cluster.open('d')]
  const x = await cluster.open('x')
  await cluster.settle(d.store.put('mine', 1))
  const roles: string[] = []
  d.store.on('leader', ({ role }) => roles.push(role))
  return { cluster, a, d, x, roles }
}

/** The learner made room while it was away, and heard of it so long ago; its disk is slow. */
async function comingBack(atMs: number) {
  const { cluster, d } = await small()
  cluster.diskDelay = host =>
    host === 'd' ? new Promise(resolve => void cluster.timers.after(15, resolve)) : Promise.resolve()
  await offline(cluster, 'd')
  await visit(cluster, 'y')
  await cluster.run(3_000)
  online(cluster)
  await cluster.until(() => d.host.running.get('main') === undefined)
  await cluster.run(atMs)
  return { cluster, d }
}

/** Out of reach for everybody, while its process goes on: a laptop on a train. */
async function offline(cluster: TestCluster, name: string): Promise<void> {
  cluster.network.partition([name], ['a', 'x', 'y', 'z'])
  cluster.unseen.add(name)
  await cluster.run(15_000)
}

function online(cluster: TestCluster): void {
  cluster.unseen.clear()
  cluster.network.heal()
}

/** Somebody comes and goes, in the place of whoever is away. */
async function visit(cluster: TestCluster, name: string): Promise<void> {
  await cluster.run(3_000)
  await cluster.open(name)
  cluster.crash(name)
}

const forged = (isEvicted: boolean, replica: number, deployment = 'a') =>
  encodeFrame(
    deployment.charCodeAt(0).toString(16).padStart(32, '0'),
    'removed',
    encode(['main', replica, isEvicted]),
  )

describe('who had to make room', () => {
  test('comes back by itself where it was down, as another replica, and has all that was confirmed', async () => {
    const { cluster, a, d } = await small()
    const { replica } = d.store.status()
    cluster.crash('d')
    await visit(cluster, 'y')
    assert.ok(!names(a).includes('d'))
    await cluster.settle(a.store.put('later', 2))
    await cluster.run(3_000)
    const again = await cluster.open('d')
    const found = await cluster.settle(again.store.scan())
    assert.deepEqual(
      found.map(({ key, value }) => [key, value]),
      [
        ['later', 2],
        ['mine', 1],
      ],
    )
    const anew = again.store.status().replica
    assert.ok(anew > replica)
    cluster.crash('d')
    assert.equal((await cluster.open('d')).store.status().replica, anew, 'that is durable')
  })

  test('goes on with the store that it has open; a write that was under way has an unknown outcome', async () => {
    const { cluster, a, d, roles } = await small()
    await offline(cluster, 'd')
    const lost = d.store.put('lost', 1, { deadlineMs: 600_000 })
    const unknown = assert.rejects(lost, { code: 'OUTCOME_UNKNOWN', outcome: 'unknown' })
    const watch = d.store.watch()
    const next = watch.next()
    await visit(cluster, 'y')
    assert.deepEqual(names(a), ['a', 'x', 'y'])
    await cluster.settle(a.store.put('later', 2))
    await cluster.run(3_000)
    const { applied } = d.store.status()
    online(cluster)
    await cluster.settle(unknown)
    assert.equal(d.store.status().role, 'learner')
    await assert.rejects(cluster.settle(d.store.get('later')), { code: 'NOT_MEMBER', retryable: true })
    await cluster.until(() => {
      const { leader } = d.store.status()
      return leader !== undefined
    })
    assert.ok(d.store.status().applied > applied, 'nobody sees an earlier state than before')
    assert.equal(await cluster.settle(d.store.get('mine', { consistency: 'stale' })), 1)
    assert.equal(await cluster.settle(d.store.get('later')), 2)
    assert.equal((await cluster.settle(next)).value?.key, 'later')
    await cluster.settle(d.store.put('mine', 3))
    // What had an unknown outcome may have been done.
    const told = [(await cluster.settle(watch.next())).value?.key]
    if (told[0] === 'lost') told.push((await cluster.settle(watch.next())).value?.key)
    assert.equal(told.at(-1), 'mine')
    assert.deepEqual(
      roles.filter(role => role !== 'learner'),
      [],
    )
  })

  test('goes on with all that it watches, and reads anew where changes are forgotten', async () => {
    const limits = { snapshotEntriesEvery: 5, trailingEntries: 0, heldLogBytesMax: 0 }
    const cluster = new TestCluster({ membersMax: 3, silentMs: 2_000, ...limits })
    const [a, d] = [await cluster.open('a'), await cluster.open('d')]
    await cluster.open('x')
    await cluster.settle(d.store.put('mine', 1))
    const plain = d.store.watch()
    const forgotten = assert.rejects(plain.next(), { code: 'COMPACTED' })
    const stopped = d.store.watch()
    const resynced = d.store.watch({ resync: true })
    assert.equal((await cluster.settle(resynced.next())).value?.type, 'reset')
    const live = d.store.live()
    live.subscribe(() => {})
    const election = await d.store.election('chair')
    const observed = election.observe()
    assert.equal((await cluster.settle(observed.next())).value, undefined)
    const leader = observed.next()
    await offline(cluster, 'd')
    await visit(cluster, 'y')
    const chair = await a.store.election('chair')
    await cluster.settle(chair.campaign('a'))
    for (let i = 0; i < 10; i++) await cluster.settle(a.store.put('k', i))
    await cluster.run(3_000)
    online(cluster)
    await cluster.until(() => d.host.running.get('main') === undefined)
    stopped.close()
    const late = election.observe().next()
    assert.equal((await cluster.settle(stopped.next())).done, true)
    await cluster.settle(forgotten)
    const { value } = await cluster.settle(resynced.next())
    assert.ok(value?.type === 'reset' && value.cause === 'COMPACTED')
    for (const seen of [leader, late]) assert.equal((await cluster.settle(seen)).value?.value, 'a')
    await cluster.run(3_000)
    const { status, entries } = live.getSnapshot()
    assert.deepEqual([status, entries.map(({ key }) => key)], ['live', ['k', 'mine']])
  })

  test('comes back from a crash at any moment, by the old data or without', async () => {
    for (let atMs = 0; atMs < 100; atMs += 8) {
      const { cluster } = await comingBack(atMs)
      cluster.crash('d')
      const again = await cluster.open('d')
      assert.equal(await cluster.settle(again.store.get('mine')), 1, `after ${atMs} ms`)
    }
  })

  test('may have to go again, also before it has caught up', async () => {
    const { cluster, a, d } = await small()
    const ids = new Set<number>()
    for (const name of ['y', 'z']) {
      await offline(cluster, 'd')
      await visit(cluster, name)
      await cluster.run(3_000)
      online(cluster)
      await cluster.until(() => names(a).includes('d'))
      ids.add(d.host.running.get('main')?.id ?? 0)
    }
    await cluster.until(() => d.store.status().leader !== undefined)
    assert.equal(await cluster.settle(d.store.get('mine')), 1)
    assert.equal(
      a.host.running.get('main')?.machine.members.evicted.length,
      4,
      'each time somebody else for it',
    )
  })

  test('is told so where its store was closed meanwhile, and open again', async () => {
    const { cluster, d } = await small()
    const { replica } = d.store.status()
    await cluster.settle(d.store.close())
    await offline(cluster, 'd')
    await visit(cluster, 'y')
    await cluster.run(3_000)
    online(cluster)
    const store = await cluster.settle(d.host.store())
    await cluster.until(() => store.status().replica > replica)
    assert.equal(await cluster.settle(store.get('mine')), 1)
    await cluster.settle(store.close())
    const again = await cluster.settle(d.host.store())
    assert.equal(await cluster.settle(again.get('mine')), 1)
  })

  test('is opened once by all who want that, while it comes back', async () => {
    for (let atMs = 0; atMs < 100; atMs += 10) {
      const { cluster, d } = await comingBack(atMs)
      await cluster.settle(d.store.close())
      const open = async (): Promise<Store> => {
        try {
          return await cluster.settle(d.host.store())
        } catch (error) {
          assert.ok(isQuorateError(error, 'NOT_MEMBER') && error.retryable)
          await cluster.run(20)
          return open()
        }
      }
      const store = await open()
      assert.equal(await cluster.settle(store.get('mine')), 1)
      await cluster.run(5_000)
      assert.equal(store.status().replica, d.host.running.get('main')?.id)
      await cluster.settle(store.put('mine', 2))
    }
  })

  test('is let in again by a leader that came later, and by what a snapshot says', async () => {
    const cluster = new TestCluster({
      membersMax: 4,
      silentMs: 2_000,
      snapshotEntriesEvery: 5,
      trailingEntries: 0,
    })
    const [a, b] = await cluster.three()
    const d = await cluster.open('d')
    await cluster.settle(d.store.put('mine', 1))
    cluster.crash('d')
    await visit(cluster, 'y')
    for (let i = 0; i < 10; i++) await cluster.settle(a.store.put('k', i))
    await cluster.settle(a.store.transferLeadership('b'))
    for (const name of ['a', 'b', 'c']) cluster.crash(name)
    for (const name of ['a', 'b', 'c'])
      await cluster.host(name).then(host => host.store('main', { waitForLeader: false }))
    await cluster.run(10_000)
    const again = await cluster.open('d')
    assert.equal(await cluster.settle(again.store.get('mine')), 1)
    assert.ok(b.name)
  })

  test('finds somebody who knows where all voters that it knew are gone', async () => {
    const { cluster, a, d, x } = await small()
    const { replica } = d.store.status()
    await offline(cluster, 'd')
    await visit(cluster, 'y')
    for (const change of [() => a.store.promote('x'), () => a.store.demote('a'), () => x.store.remove('a')])
      await cluster.settle(change())
    await cluster.run(1_000)
    cluster.crash('a')
    await cluster.run(15_000)
    online(cluster)
    await cluster.until(() => d.store.status().replica > replica && d.store.status().leader === 'x')
    assert.equal(await cluster.settle(d.store.get('mine')), 1)
  })

  test('believes nobody who says so while a quorum may stand on what it has', async () => {
    const cluster = new TestCluster()
    const [, b] = await cluster.three()
    await cluster.settle(b.store.put('k', 1))
    const { replica } = b.store.status()
    cluster.deliver('x', 'b', 'control', forged(true, replica))
    await cluster.run(100)
    assert.equal(b.store.status().role, 'follower')
    // A member is believed that the replica is out, as ever; what it has stays on its disk.
    cluster.deliver('c', 'b', 'control', forged(true, replica))
    await cluster.run(5_000)
    assert.equal(b.store.status().role, 'removed')
    cluster.crash('b')
    const again = await cluster.host('b')
    await assert.rejects(cluster.settle(again.store()), { code: 'REMOVED' })
  })

  test('does not believe it while its log makes it a voter, though it has not applied that', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const b = await cluster.open('b')
    const replica = b.host.running.get('main') ?? assert.fail('b has a replica')
    assert.equal(mayCount(replica), false)
    // News of what is committed does not come.
    const { conf } = replica
    const { appliedIndex } = replica.machine
    await cluster.open('c')
    await cluster.settle(a.store.promote(['b', 'c']))
    assert.equal(mayCount(replica), true)
    const { id, log } = replica
    const behind = { id, log, conf, machine: { appliedIndex } }
    assert.equal(mayCount(behind as typeof replica), true)
  })

  test('does not hear it again as the replica that it is by now; who is removed by will stays out', async () => {
    const { cluster, a, d } = await small()
    const { replica } = d.store.status()
    await offline(cluster, 'd')
    await visit(cluster, 'y')
    await cluster.run(3_000)
    online(cluster)
    await cluster.until(() => d.store.status().replica > replica && d.store.status().leader !== undefined)
    const anew = d.store.status().replica
    cluster.deliver('a', 'd', 'control', forged(true, replica))
    await cluster.run(5_000)
    assert.equal(d.store.status().replica, anew)
    await cluster.settle(a.store.remove('d'))
    await cluster.until(() => d.store.status().role === 'removed')
    await assert.rejects(cluster.settle(d.store.get('mine')), { code: 'REMOVED' })
  })
})
