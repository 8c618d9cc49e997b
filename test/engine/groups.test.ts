import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import type { HostId } from '../../src/core/types.ts'
import { encodeBootstrap } from '../../src/engine/replica/bootstrap.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { openMemoryStorage } from '../../src/storage/memory.ts'
import { decodeBeats } from '../../src/wire/beat-codec.ts'
import { decodeFrame } from '../../src/wire/frames.ts'
import { TestCluster } from './cluster.ts'
import { tapped } from './wiretap.ts'

const names: readonly HostId[] = ['a', 'b', 'c']
const never = Number.MAX_SAFE_INTEGER

/** Three hosts that vote in so many groups, all of which `a` leads. */
async function groups(count: number, quiesceTicks = never) {
  const cluster = new TestCluster({ quiesceTicks })
  const hosts = await Promise.all(names.map(name => cluster.host(name)))
  const [a, b, c] = hosts as [(typeof hosts)[0], (typeof hosts)[0], (typeof hosts)[0]]
  const stores: Store[][] = []
  for (let i = 0; i < count; i++) {
    const ofGroup: Store[] = []
    for (const host of hosts) ofGroup.push(await cluster.settle(host.store(`g${i}`)))
    await cluster.settle((ofGroup[0] as Store).promote(['b', 'c']))
    stores.push(ofGroup)
  }
  const store = (i: number, host = 0) => (stores[i] as Store[])[host] as Store
  return { cluster, a, b, c, stores, store }
}

describe('a host of many groups', () => {
  test('stores what all of them have to say in one write a turn', async () => {
    const { cluster, store } = await groups(64)
    await cluster.settle(Promise.all(Array.from({ length: 64 }, (_, i) => store(i).put('warm', 0))))
    await cluster.run(1_000)
    const { writes } = await cluster.recorded(() =>
      cluster.settle(Promise.all(Array.from({ length: 64 }, (_, i) => store(i).put('k', i)))),
    )
    for (const name of names) {
      const sizes = writes.filter(({ host }) => host === name).map(({ batch }) => batch.groups.size)
      assert.deepEqual(sizes, [64], `host ${name} stored 64 puts in ${sizes.length} writes`)
    }
  })

  test('sends a peer one frame of heartbeats a tick, and one of answers, for all groups together', async () => {
    const { cluster } = await groups(16)
    await cluster.run(2_000)
    const { frames } = await cluster.recorded(() => cluster.run(30_000))
    const beats = frames.filter(({ kind }) => kind === 'beat')
    assert.equal(frames.length, beats.length, 'an awake group that does nothing sends heartbeats alone')
    for (const from of names) {
      for (const to of names) {
        const times = beats.filter(frame => frame.from === from && frame.to === to).map(({ atMs }) => atMs)
        assert.equal(new Set(times).size, times.length, 'two frames at one moment')
        assert(times.length <= 301, `${times.length} frames in 300 ticks`)
      }
    }
    const heard = new Map<string, number>()
    for (const { from, to, body } of beats) {
      decodeBeats(body, ({ group }) => heard.set(`${from} ${to} ${group}`, 1))
    }
    assert.equal(heard.size, 4 * 16)
  })

  test('sends nothing at all for groups that sleep', async () => {
    const { cluster, store } = await groups(8, 50)
    await cluster.run(10_000)
    const { frames, writes } = await cluster.recorded(() => cluster.run(60_000))
    assert.deepEqual([frames.length, writes.length], [0, 0])
    const { frames: ofOne } = await cluster.recorded(() => cluster.settle(store(3, 1).put('k', 1)))
    assert(ofOne.length > 0)
    assert.deepEqual(
      Array.from({ length: 8 }, (_, i) => store(i).status().asleep),
      Array.from({ length: 8 }, (_, i) => i !== 3),
    )
  })
})

describe('a store that is closed on one host', () => {
  test('hears nothing, and neither does another store in its place', async () => {
    const { cluster, store } = await groups(2)
    for (const to of ['b', 'a', 'b', 'a']) await cluster.settle(store(1).transferLeadership(to))
    await cluster.settle(store(1, 1).close())
    const { term } = store(0).status()
    assert(term < store(1).status().term, 'the other group is of a higher term')
    await cluster.settle(store(1).put('k', 1))
    await cluster.run(2_000)
    assert.deepEqual([store(0).status().term, store(0, 1).status().term], [term, term])
  })

  test('hands its leadership over, and goes on there when it is opened again, as the same member', async () => {
    const { cluster, a, b, store } = await groups(3)
    const before = await cluster.settle(store(0).members())
    await cluster.settle(store(0).put('k', 1))
    const { replica } = store(0).status()
    const closing = store(0).close()
    assert.equal(closing, store(0).close(), 'closing twice is closing once')
    await cluster.settle(closing)
    await assert.rejects(cluster.settle(store(0).get('k')), error => isQuorateError(error, 'CLOSED'))
    assert.deepEqual([store(0).status().role, store(0).status().leader], ['closed', undefined])
    const start = cluster.timers.now()
    await cluster.settle(store(0, 1).put('k', 2))
    assert(cluster.timers.now() - start < 1_000, 'the leadership was not handed over')
    await cluster.settle(store(1).put('other', 1))
    assert.deepEqual(await cluster.settle(store(0, 1).members()), before)
    assert.deepEqual(
      a.info().stores.map(({ group }) => group),
      ['g1', 'g2'],
    )
    const again = await cluster.settle(a.store('g0'))
    assert.equal(await cluster.settle(again.get('k')), 2)
    await cluster.settle(again.put('k', 3))
    assert.equal(again.status().replica, replica)
    assert.equal(b.info().stores.length, 3)
  })

  test('costs no other store anything, and its group only one replica', async () => {
    const { cluster, store } = await groups(2)
    await cluster.settle(store(0, 1).close())
    const start = cluster.timers.now()
    await cluster.settle(Promise.all([store(0).put('k', 1), store(1).put('k', 1), store(1, 1).put('l', 1)]))
    assert(cluster.timers.now() - start < 100)
  })

  test('settles the calls that are under way', async () => {
    const { cluster, store } = await groups(1)
    await cluster.settle(store(0).put('k', 0))
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.run(100)
    const write = store(0).put('k', 1)
    const read = store(0).get('k')
    await cluster.run(100)
    const results = Promise.allSettled([write, read])
    const closing = store(0).close()
    const [written, got] = await cluster.settle(results)
    assert(written.status === 'rejected' && isQuorateError(written.reason, 'CLOSED'))
    assert.equal(written.reason.outcome, 'unknown')
    assert(got.status === 'rejected' && isQuorateError(got.reason, 'CLOSED'))
    await cluster.settle(closing)
  })

  test('has lost nothing, whenever it is closed and opened, and whoever crashes', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = new TestCluster({ seed, quiesceTicks: 5 })
      const [a, b, c] = await cluster.three()
      let store = b.store
      const acknowledged = new Map<string, number>()
      for (let i = 0; i < 40; i++) {
        const writer = [a.store, store, c.store][i % 3] as Store
        writer.put(`k${i}`, i).then(
          () => acknowledged.set(`k${i}`, i),
          () => {},
        )
        await cluster.run((i * 37) % 900)
        if (i % 4 !== 0) continue
        const closing = store.close()
        await cluster.run((i * 13) % 300)
        store = await cluster.settle(b.host.store('main', { waitForLeader: false }))
        await cluster.settle(closing)
      }
      cluster.crash('b')
      const again = await cluster.open('b')
      for (const [key, value] of acknowledged) assert.equal(await cluster.settle(again.store.get(key)), value)
      assert(acknowledged.size > 20)
    }
  })
})

describe('a store of a further name', () => {
  test('is not founded yet, and says so, until the founder opens it', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const b = await cluster.open('b')
    await cluster.run(5_000)
    const early = b.host.store('second', { deadlineMs: 3_000 })
    await assert.rejects(cluster.settle(early), error => isQuorateError(error, 'NOT_FOUNDED'))
    const waiting = b.host.store('second', { deadlineMs: 30_000 })
    await cluster.run(5_000)
    await cluster.settle(a.host.store('second'))
    const start = cluster.timers.now()
    await cluster.settle(waiting)
    assert(cluster.timers.now() - start < 2_000)
  })

  test('is not founded either for a host that has no other store', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const b = await cluster.host('b')
    const early = b.store('second', { deadlineMs: 3_000 })
    await assert.rejects(cluster.settle(early), error => isQuorateError(error, 'NOT_FOUNDED'))
  })
})

describe('what a host noted of its part in a group', () => {
  const noted = async (bootstrap: Uint8Array) => {
    const storage = await openMemoryStorage()
    await storage.load()
    await storage.write({ groups: new Map([['main', { bootstrap }]]) })
    const { cluster, host } = await tapped({ storage })
    return cluster.settle(host.store('main', { deadlineMs: 1_000 }))
  }
  const note = { cluster: 'test', host: 'a', replica: 1, isRemoved: false, isWitness: false }

  test('must be of this host and this cluster', async () => {
    for (const other of [
      { ...note, host: 'x' },
      { ...note, cluster: 'y' },
    ]) {
      await assert.rejects(noted(encodeBootstrap(other)), error => isQuorateError(error, 'WRONG_CLUSTER'))
    }
  })

  test('must be readable, and is believed when it says that the host was removed', async () => {
    await assert.rejects(noted(new Uint8Array([1, 2])), error => isQuorateError(error, 'STORAGE_CORRUPT'))
    const removed = encodeBootstrap({ ...note, isRemoved: true })
    await assert.rejects(noted(removed), error => isQuorateError(error, 'REMOVED'))
  })
})

describe('the data of a store', () => {
  test('is not given up by a member, which would forget its votes, and goes on as if nobody had asked', async () => {
    const { cluster, a, b, store } = await groups(1)
    for (const host of [a, b]) {
      const removing = cluster.settle(host.removeData('g0'))
      await assert.rejects(removing, error => isQuorateError(error, 'MEMBERSHIP_REFUSED') && !error.retryable)
    }
    assert.equal(store(0).status().role, 'leader')
    await cluster.settle(store(0, 1).put('k', 1))
  })

  test('is given up by a host that was removed, which then joins anew under another id', async () => {
    const { cluster, b, store } = await groups(1)
    const { replica } = store(0, 1).status()
    await cluster.settle(store(0).put('k', 1))
    await cluster.settle(store(0).remove('b'))
    await cluster.until(() => store(0, 1).status().role === 'removed')
    await cluster.run(1_000)
    await assert.rejects(cluster.settle(store(0, 1).get('k')), error => isQuorateError(error, 'REMOVED'))
    await cluster.settle(b.removeData('g0'))
    const again = await cluster.settle(b.store('g0'))
    assert.equal(await cluster.settle(again.get('k')), 1)
    assert(again.status().replica > replica)
    cluster.crash('b')
    const restarted = await cluster.host('b')
    const store3 = await cluster.settle(restarted.store('g0'))
    assert.equal(store3.status().replica, again.status().replica)
  })

  test('is given up by the founder, who hears that he is removed again before he got to his joining', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.transferLeadership('b'))
    await cluster.settle(b.store.remove('a'))
    await cluster.until(() => a.store.status().role === 'removed')
    await cluster.run(1000)
    await cluster.settle(a.host.removeData('main'))
    // The state of the founding comes, which knows a alone, and nothing of the log behind it.
    const hasFounding = () => (a.host.running.get('main')?.machine.appliedIndex ?? 0) >= 1
    cluster.tap = (_from, to, lane, frame) => {
      const decoded = decodeFrame(Buffer.from(frame.subarray(4, 20)).toString('hex'), frame)
      const isLog = lane === 'log' && typeof decoded !== 'string' && decoded.kind === 'raft'
      return !(to === 'a' && isLog && hasFounding())
    }
    const again = await cluster.settle(a.host.store('main', { waitForLeader: false }))
    await cluster.until(hasFounding)
    assert.deepEqual(
      again.status().members.map(({ hostId, replica }) => [hostId, replica]),
      [['a', 1]],
    )
    await cluster.settle(b.store.remove('a'))
    await cluster.until(() => again.status().role === 'removed', 20_000)
  })

  test('is given up once, however often that is asked for: not that of the replica that joins next', async () => {
    for (let laterMs = 5; laterMs < 60; laterMs += 10) {
      const { cluster, b, store } = await groups(1)
      await cluster.settle(store(0).remove('b'))
      await cluster.until(() => store(0, 1).status().role === 'removed')
      await cluster.run(1_000)
      cluster.diskDelay = host =>
        host === 'b' ? new Promise(resolve => void cluster.timers.after(20, resolve)) : Promise.resolve()
      const first = b.removeData('g0')
      await cluster.run(laterMs)
      const second = b.removeData('g0').catch(error => assert(isQuorateError(error, 'MEMBERSHIP_REFUSED')))
      await cluster.settle(first)
      const again = await cluster.settle(b.store('g0'))
      await cluster.settle(second)
      cluster.crash('b')
      // Nobody is there who could let it in once more: it has what it joined with.
      cluster.network.partition(['b'], ['a', 'c'])
      const restarted = await cluster.host('b')
      const after = await cluster.settle(restarted.store('g0', { waitForLeader: false, deadlineMs: 1000 }))
      assert.equal(after.status().replica, again.status().replica, `asked again after ${laterMs} ms`)
    }
  })

  test('is given up, and its replica with it, where the store was closed upon the removal', async () => {
    const { cluster, b, store } = await groups(1)
    const { replica } = store(0, 1).status()
    let closing: Promise<void> | undefined
    // At that moment the removal is applied, and not yet noted.
    b.on('members', ({ members }) => {
      if (!members.some(({ hostId }) => hostId === 'b')) closing = store(0, 1).close()
    })
    await cluster.settle(store(0).remove('b'))
    await cluster.until(() => closing !== undefined)
    await cluster.settle(closing as Promise<void>)
    await cluster.run(1_000)
    await cluster.settle(b.removeData('g0'))
    const again = await cluster.settle(b.store('g0'))
    assert(again.status().replica > replica, 'it is another replica')
  })

  test('given up by the founder is not founded a second time, not even after a restart', async () => {
    const { cluster, a, store } = await groups(1)
    await cluster.settle(store(0, 1).put('k', 1))
    await cluster.settle(store(0).remove('a'))
    await cluster.until(() => store(0).status().role === 'removed')
    await cluster.run(1_000)
    await cluster.settle(a.removeData('g0'))
    cluster.crash('a')
    const restarted = await cluster.host('a')
    const again = await cluster.settle(restarted.store('g0'))
    assert.equal(await cluster.settle(again.get('k')), 1)
    assert.equal(again.status().role, 'learner')
  })
})
