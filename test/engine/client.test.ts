import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { TestCluster } from './cluster.ts'

describe('a client', () => {
  test('never calls a write undone that an earlier gateway may have carried out', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 0))
    cluster.network.partition(['a'], ['b', 'c'])
    const put = store.put('k', 1, { deadlineMs: 20_000 })
    put.catch(() => undefined)
    await cluster.run(500)
    cluster.crash('a')
    cluster.network.partition(['b'], ['c'])
    await assert.rejects(cluster.settle(put), error => isQuorateError(error) && error.outcome === 'unknown')
  })

  test('is told that nothing was written for want of a leader', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 0))
    cluster.network.partition(['a'], ['b', 'c'])
    cluster.network.partition(['b'], ['a', 'c'])
    await cluster.run(10_000)
    const put = store.put('k', 1, { deadlineMs: 2000 })
    await assert.rejects(
      cluster.settle(put),
      error => isQuorateError(error, 'NO_LEADER') && error.outcome === 'none',
    )
  })

  test('finds its gateway although their first greetings were lost', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    cluster.network.setFaults({ lossRate: 1 })
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.run(1000)
    cluster.network.setFaults({ lossRate: 0 })
    await cluster.settle(store.put('k', 1, { deadlineMs: 4000 }))
  })

  test('does not forget what a failed condition told when it reads for its session at another gateway', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 1))
    await cluster.run(1000)
    for (const from of ['a', 'b']) cluster.network.cut(from, 'c')
    await cluster.settle(a.store.delete('k'))
    assert.equal((await cluster.settle(store.delete('k'))).ok, false)
    assert.equal(await cluster.settle(c.store.get('k', { consistency: 'stale' })), 1)
    // c alone is left to ask, and lags behind.
    for (const name of ['a', 'b']) cluster.network.partition(['z'], [name])
    await cluster.run(8000)
    const read = store.get('k', { consistency: 'session', deadlineMs: 60_000 })
    await cluster.run(5000)
    cluster.network.heal()
    assert.equal(await cluster.settle(read), undefined)
  })

  test('sees its own last write at a gateway that lacks no more than that', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 1))
    await cluster.run(1000)
    for (const from of ['a', 'b']) cluster.network.cut(from, 'c')
    await cluster.settle(store.put('k', 2))
    for (const name of ['a', 'b']) cluster.network.partition(['z'], [name])
    await cluster.run(8000)
    const read = store.get('k', { consistency: 'session', deadlineMs: 60_000 })
    await cluster.run(5000)
    cluster.network.heal()
    assert.equal(await cluster.settle(read), 2)
  })

  test('does not ask hosts that cannot serve it again and again', async () => {
    const cluster = new TestCluster()
    const z = await cluster.open('z')
    cluster.network.partition(['z'], ['a', 'b', 'c'])
    for (const name of ['a', 'b', 'c']) {
      const { store } = await cluster.open(name, { role: 'client' })
      store.get('k').catch(() => {})
    }
    await cluster.run(1000)
    const { frames } = await cluster.recorded(() => cluster.run(10_000))
    // Three pairs, each of which meets once a second and says a few hellos.
    const hellos = frames.filter(({ kind }) => kind === 'hello').length
    assert.ok(hellos <= 3 * 11 * 6, `${hellos} hellos`)
    cluster.network.heal()
    await cluster.settle(z.store.put('k', 1))
    const d = await cluster.open('d', { role: 'client' })
    assert.equal(await cluster.settle(d.store.get('k')), 1)
  })

  test('does not take the answer to an earlier life of its host for its own', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await cluster.settle(a.store.put('one', 1))
    await cluster.settle(a.store.put('two', 2))
    const before = await cluster.open('z', { role: 'client' })
    await cluster.run(100)
    // The gateway waits for its quorum, and answers both lives when it has it.
    cluster.network.partition(['a'], ['b', 'c'])
    before.store.get('one').catch(() => undefined)
    await cluster.run(100)
    cluster.crash('z')
    const after = await cluster.open('z', { role: 'client' })
    await cluster.run(500)
    const two = after.store.get('two')
    await cluster.run(100)
    cluster.network.heal()
    assert.equal(await cluster.settle(two), 2)
  })

  test('hears that its watch has ended although the word of it was lost', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 20, trailingEntries: 0, heldLogBytesMax: 0 })
    const [a] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    cluster.network.partition(['z'], ['a', 'b'])
    await cluster.run(10_000)
    const watch = store.watch({ prefix: 'k' })
    await cluster.run(1000)
    // The gateway comes back by a snapshot, and with it goes what the watch is to be told of.
    cluster.network.partition(['c'], ['a', 'b'])
    for (let i = 0; i < 60; i++) await cluster.settle(a.store.put('k', i))
    cluster.tap = (from, to) => from !== 'c' || to !== 'z'
    cluster.network.heal('c', 'a')
    cluster.network.heal('c', 'b')
    await cluster.run(3000)
    cluster.tap = () => true
    await assert.rejects(cluster.settle(watch.next(), 20_000), error => isQuorateError(error, 'COMPACTED'))
  })

  test('is forgotten with its watches when it goes', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    store.watch({ prefix: 'k' })
    await cluster.run(1000)
    const events = async () => {
      const { frames } = await cluster.recorded(async () => {
        await cluster.settle(a.store.put('k', 1))
        await cluster.run(5000)
      })
      return frames.filter(({ to, kind }) => to === 'z' && kind === 'event').length
    }
    assert((await events()) > 0, 'it is told while it is there')
    cluster.crash('z')
    await cluster.run(30_000)
    assert.equal(await events(), 0)
  })

  test('says that it is closed, as a member does', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    assert.equal(store.status().role, 'client')
    await cluster.settle(store.close())
    assert.equal(store.status().role, 'closed')
  })

  test('does not notice that its gateway closes', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 0))
    const watch = store.watch({ key: 'k' })
    await cluster.run(100)
    const calls: Promise<unknown>[] = []
    const closing = a.host.close()
    for (let i = 1; i <= 20; i++) {
      calls.push(store.put('k', i), store.get('k'))
      await cluster.run(10)
    }
    await cluster.settle(closing)
    await cluster.settle(Promise.all(calls))
    assert.equal((await cluster.settle(watch.next())).done, false)
  })

  test('leaves a gateway that was removed from the group', async () => {
    const cluster = new TestCluster()
    const m = await cluster.open('m')
    await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.run(2000)
    await cluster.settle(store.put('k', 0))
    await cluster.settle(m.store.remove('a'))
    await cluster.run(1000)
    assert.equal(await cluster.settle(store.get('k', { deadlineMs: 3000 })), 0)
  })

  test('does not found the cluster, but waits for who does', async () => {
    const cluster = new TestCluster()
    const client = await cluster.host('z', { role: 'client' })
    const early = client.store('main', { deadlineMs: 1000 })
    await assert.rejects(cluster.settle(early), error => isQuorateError(error, 'UNREACHABLE'))
    const opening = client.store()
    await cluster.run(1000)
    const { store } = await cluster.open('a')
    await cluster.settle(store.put('k', 1))
    assert.equal(await cluster.settle((await cluster.settle(opening)).get('k')), 1)
  })

  test('asks again where a frame was lost', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 0))
    cluster.network.setFaults({ lossRate: 1 })
    const calls = Promise.all([store.get('k'), store.insert('new', 1)])
    await cluster.run(20)
    cluster.network.setFaults({ lossRate: 0 })
    const [, { ok }] = await cluster.settle(calls)
    assert.equal(ok, true)
  })

  test('is told of a past that is longer than a frame', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    const large = new Uint8Array(1_000_000)
    for (let i = 0; i < 12; i++) await cluster.settle(a.store.put(`k${i}`, large))
    const watch = store.watch({ from: 1 })
    for (let i = 0; i < 12; i++) {
      assert.equal((await cluster.settle(watch.next(), 10_000)).value?.key, `k${i}`)
    }
    await assert.rejects(cluster.settle(store.scan()), error => isQuorateError(error, 'TOO_LARGE'))
    assert.equal((await cluster.settle(store.scan({ limit: 5 }))).length, 5)
  })
})
