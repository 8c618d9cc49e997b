import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { watchBufferEventsMax } from '../../src/core/limits.ts'
import { absent, type WatchEvent } from '../../src/engine/types.ts'
import { MemoryDisk } from '../../src/storage/memory-disk.ts'
import { TestCluster } from './cluster.ts'

describe('a store of one host', () => {
  test('keeps what is put, and forgets what is deleted', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const { revision } = await cluster.settle(store.put('user/1', { name: 'Ada' }))
    assert.deepEqual(await cluster.settle(store.get('user/1')), { name: 'Ada' })
    assert.equal((await cluster.settle(store.entry('user/1')))?.modRevision, revision)
    assert.deepEqual((await cluster.settle(store.delete('user/1'))).ok, true)
    assert.deepEqual((await cluster.settle(store.delete('user/1'))).ok, false)
    assert.equal(await cluster.settle(store.get('user/1')), undefined)
  })

  test('inserts once, and says what stands there', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    assert.equal((await cluster.settle(store.insert('name', 'ada'))).ok, true)
    const second = await cluster.settle(store.insert('name', 'bob'))
    assert.deepEqual([second.ok, second.value], [false, 'ada'])
  })

  test('shows its status as JSON, and a host what it knows, and nothing of what is behind them', async () => {
    const { host, store } = await new TestCluster().open('a')
    assert.deepEqual(JSON.parse(JSON.stringify({ store, host })), {
      store: JSON.parse(JSON.stringify(store.status())),
      host: JSON.parse(JSON.stringify(host.info())),
    })
    assert.equal(JSON.parse(JSON.stringify(host)).hostId, 'a')
  })

  test('compares and swaps by value, with absence on both sides', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const swap = (expected: unknown, next: unknown) =>
      cluster.settle(store.compareAndSwap('k', expected, next))
    assert.equal((await swap(absent, { a: 1, b: 2 })).ok, true)
    assert.equal((await swap(absent, 0)).ok, false)
    assert.equal((await swap({ b: 2, a: 1 }, 3)).ok, true)
    const { ok, value } = await swap(4, 5)
    assert.deepEqual([ok, value], [false, 3])
    assert.deepEqual((await swap(3, absent)).value, undefined)
    assert.equal(await cluster.settle(store.get('k')), undefined)
  })

  test('scans in the order of the keys, within bounds', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    for (const key of ['b/2', 'a', 'b/1', 'c']) await cluster.settle(store.put(key, key))
    const keys = async (range: Parameters<typeof store.scan>[0]) =>
      (await cluster.settle(store.scan(range))).map(entry => entry.key)
    assert.deepEqual(await keys({}), ['a', 'b/1', 'b/2', 'c'])
    assert.deepEqual(await keys({ prefix: 'b/' }), ['b/1', 'b/2'])
    assert.deepEqual(await keys({ gt: 'a', lte: 'c', reverse: true, limit: 2 }), ['c', 'b/2'])
  })

  test('refuses wrong arguments with TypeError, and too large ones with TOO_LARGE', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const refused = (promise: Promise<unknown>) => assert.rejects(cluster.settle(promise), TypeError)
    await refused(store.put('', 1))
    await refused(store.put('\ud800', 1))
    await refused(store.put('k', undefined))
    await refused(store.put('k', new Map()))
    await refused(store.get(7 as unknown as string))
    await refused(store.scan({ prefix: 'a', gt: 'b' }))
    await refused(store.put('k', 1, { deadlineMs: 0 }))
    await assert.rejects(cluster.settle(store.put('k'.repeat(2000), 1)), error =>
      isQuorateError(error, 'TOO_LARGE'),
    )
  })

  test('has all it acknowledged after a crash', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    for (let i = 0; i < 50; i++) await cluster.settle(store.put(`k${i}`, i))
    cluster.crash('a')
    const again = await cluster.open('a')
    assert.equal((await cluster.settle(again.store.scan())).length, 50)
    assert.equal(again.store.status().replica, 1)
  })
})

describe('a store of three voters', () => {
  test('reads anywhere what was acknowledged anywhere', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    await cluster.settle(b.store.put('k', 1))
    assert.equal(await cluster.settle(c.store.get('k')), 1)
    await cluster.settle(c.store.put('k', 2))
    assert.equal(await cluster.settle(a.store.get('k')), 2)
  })

  test('goes on without its leader, and takes it back in', async () => {
    const cluster = new TestCluster()
    const [, b, c] = await cluster.three()
    await cluster.settle(b.store.put('k', 1))
    cluster.crash('a')
    await cluster.settle(b.store.put('k', 2))
    assert.equal(await cluster.settle(c.store.get('k')), 2)
    const a = await cluster.open('a')
    assert.equal(await cluster.settle(a.store.get('k')), 2)
  })

  test('applies each of many outstanding writes once when the leader dies under them', async () => {
    const cluster = new TestCluster({ seed: 7 })
    const [, b] = await cluster.three()
    const writes = Array.from({ length: 200 }, (_, i) => b.store.insert(`k${i}`, i))
    await cluster.run(12)
    cluster.crash('a')
    const results = await cluster.settle(Promise.all(writes))
    assert(results.every(result => result.ok))
    const entries = await cluster.settle(b.store.scan())
    assert.equal(entries.length, 200)
    assert(entries.every(entry => entry.version === 1))
  })

  test('refuses with a typed error without a quorum, and recovers when it is back', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    cluster.crash('a')
    cluster.crash('c')
    await cluster.run(10_000)
    const refused = cluster.settle(b.store.put('k', 1, { deadlineMs: 3000 }))
    await assert.rejects(refused, error => isQuorateError(error, 'NO_LEADER') && error.outcome === 'none')
    await assert.rejects(cluster.settle(b.store.get('k')), error => isQuorateError(error, 'NO_LEADER'))
    assert.equal(await cluster.settle(b.store.get('k', { consistency: 'stale' })), undefined)
    await cluster.host(a.name)
    await cluster.host('c').then(host => cluster.settle(host.store()))
    await cluster.settle(b.store.put('k', 2))
    assert.equal(await cluster.settle(b.store.get('k')), 2)
  })

  test('says OUTCOME_UNKNOWN, not failed, of a write that a cut-off leader took', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await cluster.settle(a.store.put('k', 0))
    cluster.network.partition(['a'], ['b', 'c'])
    const write = cluster.settle(a.store.put('k', 1, { deadlineMs: 1000 }))
    await assert.rejects(
      write,
      error => isQuorateError(error, 'OUTCOME_UNKNOWN') && error.outcome === 'unknown',
    )
  })

  test('hands leadership over when the leader closes', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    assert.equal(a.store.status().role, 'leader')
    // The new voters find each other.
    await cluster.run(100)
    await cluster.settle(a.host.close())
    const before = cluster.timers.now()
    await cluster.settle(b.store.put('k', 1))
    assert(cluster.timers.now() - before < 1000, 'no election timeout passed')
    assert.notEqual(c.store.status().leader, 'a')
  })

  test('settles every waiting call when the host closes', async () => {
    const cluster = new TestCluster()
    const [, b] = await cluster.three()
    await cluster.settle(b.store.put('k', 0))
    cluster.network.partition(['b'], ['a', 'c'])
    const calls = Promise.allSettled([
      b.store.put('k', 1),
      b.store.get('k'),
      b.store.members(),
      b.store.promote('a'),
    ])
    await cluster.run(50)
    await cluster.settle(b.host.close())
    for (const call of await cluster.settle(calls)) {
      assert(call.status === 'rejected' && isQuorateError(call.reason))
    }
  })
})

describe('membership', () => {
  test('a promoted learner stands by until a second one makes the voters three', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    await cluster.open('b')
    await cluster.open('c')
    const roles = async () =>
      (await cluster.settle(a.store.members())).map(({ role, wanted }) => [role, wanted])
    await cluster.settle(a.store.promote('b'))
    assert.deepEqual(await roles(), [
      ['voter', 'voter'],
      ['learner', 'voter'],
      ['learner', 'learner'],
    ])
    await cluster.settle(a.store.promote('c'))
    assert((await roles()).every(([role]) => role === 'voter'))
  })

  test('a removed host is told, and stays out after a restart', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const b = await cluster.open('b')
    await cluster.settle(a.store.remove('b'))
    await cluster.run(1000)
    await assert.rejects(cluster.settle(b.store.put('k', 1)), error => isQuorateError(error, 'REMOVED'))
    cluster.crash('b')
    const again = await cluster.host('b')
    await assert.rejects(cluster.settle(again.store()), error => isQuorateError(error, 'REMOVED'))
  })

  test('the only voter leads again at once after a crash, though others had joined it', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    await cluster.open('b')
    await cluster.settle(a.store.put('key', 1))
    cluster.crash('a')
    const restartedAt = cluster.timers.now()
    const { store } = await cluster.open('a')
    assert.equal(store.status().role, 'leader')
    const electionMs = 2000
    assert.ok(cluster.timers.now() - restartedAt < electionMs, 'it waited for an election timeout')
  })

  test('a host is told of its removal only when it will know of it after a crash', async () => {
    const cluster = new TestCluster()
    const slow = { isSlow: false }
    const delay = () =>
      new Promise<void>(resolve => {
        if (slow.isSlow) cluster.timers.after(50, resolve)
        else resolve()
      })
    cluster.disks.set('c', new MemoryDisk({ delay }))
    const [a, b, c] = await cluster.three()
    slow.isSlow = true
    c.store.on('leader', ({ role }) => role === 'removed' && cluster.crash('c'))
    const writes = Array.from({ length: 20 }, (_, i) => a.store.put(`key/${i}`, i))
    await cluster.settle(b.store.remove('c'))
    await cluster.settle(Promise.all(writes))
    await cluster.until(() => c.store.status().role === 'removed')
    await cluster.run(1_000)
    slow.isSlow = false
    for (const name of ['a', 'b', 'c']) cluster.crash(name)
    const again = await cluster.host('c')
    await assert.rejects(cluster.settle(again.store()), { code: 'REMOVED' })
  })

  test('a host whose log has lost what it acknowledged stops with STORAGE_CORRUPT, and the others go on', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const disk = cluster.disks.get('c') ?? assert.fail('c has a disk')
    const older = disk.log.slice()
    for (let i = 0; i < 20; i++) await cluster.settle(a.store.put(`key/${i}`, i))
    await cluster.run(1_000)
    cluster.crash('c')
    disk.setLog(older)
    const again = await cluster.host('c')
    await assert.rejects(cluster.settle(again.store()), { code: 'STORAGE_CORRUPT' })
    await cluster.settle(a.store.put('key', 1))
  })

  test('rejects what is no host with TypeError', async () => {
    const { store } = await new TestCluster().open('a')
    const wrong = undefined as unknown as string
    for (const change of [
      store.promote(wrong),
      store.promote([wrong]),
      store.demote(wrong),
      store.remove(wrong),
    ]) {
      await assert.rejects(change, TypeError)
    }
  })

  test('a client changes members through a gateway that does not lead', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const client = await cluster.open('z', { role: 'client' })
    await cluster.settle(a.host.handOver())
    // The first of the gateways by name, which the client asks, is a.
    assert.equal(a.store.status().role, 'follower')
    const members = await cluster.settle(client.store.demote('a'))
    assert.equal(members.find(member => member.hostId === 'a')?.role, 'learner')
  })

  test('a learner that was away when it was removed is told when it is back', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const d = await cluster.open('d')
    cluster.network.partition(['d'], ['a', 'b', 'c'])
    await cluster.settle(a.store.remove('d'))
    await cluster.run(10_000)
    cluster.network.heal()
    await cluster.run(10_000)
    await assert.rejects(cluster.settle(d.store.put('k', 1)), error => isQuorateError(error, 'REMOVED'))
  })

  test('a learner that was removed before it got any state is told as well', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const host = await cluster.host('d')
    const store = await cluster.settle(host.store('main', { waitForLeader: false }))
    cluster.network.partition(['d'], ['a', 'b', 'c'])
    await cluster.settle(a.store.remove('d'))
    assert.equal(store.status().applied, 0)
    cluster.network.heal()
    await cluster.run(10_000)
    await assert.rejects(cluster.settle(store.put('k', 1)), error => isQuorateError(error, 'REMOVED'))
  })

  test('the leader of two can be removed: the other one leads', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const b = await cluster.open('b')
    await cluster.settle(a.store.promote('b'))
    await cluster.settle(a.store.put('k', 1))
    const members = await cluster.settle(a.store.remove('a'))
    assert.deepEqual(
      members.map(member => [member.hostId, member.role]),
      [['b', 'voter']],
    )
    await cluster.settle(a.host.close())
    await cluster.settle(b.store.put('k', 2))
    assert.equal(await cluster.settle(b.store.get('k')), 2)
  })

  test('the leader of three removes itself, also while another voter is down', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(a.store.put('k', 1))
    cluster.crash('c')
    await cluster.settle(a.store.remove('a', { deadlineMs: 60_000 }), 300_000)
    await cluster.run(2000)
    await assert.rejects(cluster.settle(a.store.put('k', 2)), error => isQuorateError(error, 'REMOVED'))
    cluster.crash('a')
    const c = await cluster.open('c')
    await cluster.settle(b.store.put('k', 3))
    assert.equal(await cluster.settle(c.store.get('k')), 3)
  })

  test('a voter that is down can be removed, and the others go on', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    cluster.crash('c')
    await cluster.settle(b.store.remove('c', { deadlineMs: 60_000 }), 300_000)
    await cluster.settle(b.store.put('k', 1))
    assert.equal(await cluster.settle(a.store.get('k')), 1)
    const voters = (await cluster.settle(a.store.members())).filter(member => member.role === 'voter')
    assert.equal(voters.length, 1)
  })

  test('the last voter cannot be removed, nor a stranger promoted', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    await assert.rejects(cluster.settle(a.store.remove('a')), error => isQuorateError(error, 'LAST_VOTER'))
    await assert.rejects(cluster.settle(a.store.promote('x')), error => isQuorateError(error, 'NOT_MEMBER'))
  })

  test('two hosts that start at once are one cluster', async () => {
    const cluster = new TestCluster()
    const [a, b] = await Promise.all([cluster.host('a'), cluster.host('b')])
    const stores = await cluster.settle(Promise.all([a.store(), b.store()]))
    await cluster.settle(stores[0].put('k', 1))
    assert.equal(await cluster.settle(stores[1].get('k')), 1)
    assert.equal(a.deployment, b.deployment)
  })
})

describe('watches', () => {
  const take = async (cluster: TestCluster, watch: AsyncIterator<WatchEvent>, count: number) => {
    const events: unknown[] = []
    for (let i = 0; i < count; i++) {
      const { value } = await cluster.settle(watch.next())
      events.push([value?.type, value?.key, value?.value])
    }
    return events
  }

  test('tell of changes in order, on any replica', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const watch = b.store.watch({ prefix: 'x/' })
    await cluster.settle(a.store.put('x/1', 1))
    await cluster.settle(a.store.put('y', 0))
    await cluster.settle(a.store.delete('x/1'))
    assert.deepEqual(await take(cluster, watch, 2), [
      ['put', 'x/1', 1],
      ['delete', 'x/1', undefined],
    ])
    watch.close()
    assert.equal((await watch.next()).done, true)
  })

  test('begin in the past where it is still known', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const { revision } = await cluster.settle(store.put('k', 1))
    await cluster.settle(store.put('k', 2))
    assert.deepEqual(await take(cluster, store.watch({ key: 'k', from: revision }), 2), [
      ['put', 'k', 1],
      ['put', 'k', 2],
    ])
    assert.deepEqual(await take(cluster, store.watch({ from: 1 }), 1), [['put', 'k', 1]])
  })

  test('begin in a past that is longer than the buffer of a reader', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const count = watchBufferEventsMax + 10
    await cluster.settle(Promise.all(Array.from({ length: count }, (_, i) => store.put('k', i))))
    const watch = store.watch({ from: 1 })
    await cluster.settle(store.put('k', count))
    for (let i = 0; i <= count; i++) assert.equal((await watch.next()).value?.value, i)
  })

  test('say that the past is gone where a snapshot took its place', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 5, trailingEntries: 1 })
    const { store } = await cluster.open('a')
    for (let i = 0; i < 20; i++) await cluster.settle(store.put('k', i))
    await cluster.run(100)
    cluster.crash('a')
    const again = await cluster.open('a')
    assert.throws(
      () => again.store.watch({ from: 1 }),
      error => isQuorateError(error, 'COMPACTED'),
    )
  })
})

describe('a client', () => {
  test('reads, writes and watches through a member, and through another one when that is gone', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const client = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.store.put('k', 1))
    assert.equal(await cluster.settle(client.store.get('k')), 1)
    const watch = client.store.watch({ key: 'k' })
    await cluster.run(100)
    await cluster.settle(a.store.put('k', 2))
    assert.equal((await cluster.settle(watch.next())).value?.value, 2)
    cluster.crash('a')
    await cluster.settle(client.store.put('k', 3, { deadlineMs: 60_000 }))
    assert.equal((await cluster.settle(watch.next())).value?.value, 3)
    assert.equal((await cluster.settle(client.store.scan({ prefix: 'k' })))[0]?.version, 3)
    assert.equal((await cluster.settle(client.store.members())).length, 3)
  })
})

describe('snapshots', () => {
  test('stand in for the log, also after a crash and for a learner that comes late', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 50, trailingEntries: 10 })
    const a = await cluster.open('a')
    for (let i = 0; i < 300; i++) await cluster.settle(a.store.put(`k${i % 20}`, i))
    await cluster.run(100)
    cluster.crash('a')
    const again = await cluster.open('a')
    assert.equal(await cluster.settle(again.store.get('k19')), 299)
    const b = await cluster.open('b')
    assert.equal((await cluster.settle(b.store.scan({}, { consistency: 'stale' }))).length, 20)
    assert.equal(await cluster.settle(b.store.get('k19')), 299)
  })

  test('bring a follower back that was away for longer than the log', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 50, trailingEntries: 10 })
    const [a, b] = await cluster.three()
    const before = await cluster.settle(a.store.put('k', 'before'))
    cluster.crash('c')
    for (let i = 0; i < 200; i++) await cluster.settle(b.store.put(`k${i}`, i))
    const c = await cluster.open('c')
    assert.equal(await cluster.settle(c.store.get('k199')), 199)
    assert((c.store.status().applied ?? 0) > before.revision + 200)
  })
})
