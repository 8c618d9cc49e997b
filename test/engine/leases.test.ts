import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TestCluster } from './cluster.ts'

test('a lease is kept alive beside the writes of its holder, however many wait for a slow disk', async () => {
  const cluster = new TestCluster()
  await cluster.three()
  const { store } = await cluster.open('z', { role: 'client' })
  const lease = await cluster.settle(store.lease(3000))
  cluster.diskDelay = () => new Promise(resolve => cluster.timers.after(400, resolve))
  const puts = Array.from({ length: 40_000 }, (_, n) =>
    store.put(`key${n % 100}`, n, { deadlineMs: 100_000 }),
  )
  await cluster.run(10_000)
  assert.equal(lease.signal.aborted, false)
  await cluster.settle(Promise.allSettled(puts))
})

describe('a lease whose holder is gone', () => {
  test('ends in time, though leaders change more often than it lasts', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const lease = await cluster.settle(c.store.lease(8000))
    await cluster.settle(c.store.put('here', 1, { lease: lease.id }))
    cluster.crash('c')
    const crashedAt = cluster.timers.now()
    for (let turn = 0; turn < 10; turn++) {
      const [from, to] = turn % 2 === 0 ? [a, b] : [b, a]
      await cluster.settle(from.store.transferLeadership(to.name))
      await cluster.run(4000)
      if (turn === 0) assert.equal(await cluster.settle(a.store.get('here')), 1, 'it is not over yet')
      if ((await cluster.settle(a.store.get('here'))) === undefined) break
    }
    const tookMs = cluster.timers.now() - crashedAt
    assert.ok(tookMs < 20_000, `it took ${tookMs} ms`)
  })

  test('does not end early, though a leader that was deposed leads again', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    const lease = await cluster.settle(z.store.lease(8000))
    await cluster.settle(z.store.put('here', 1, { lease: lease.id }))
    cluster.crash('z')
    // Leads on without a quorum, then follows, and leads again: nothing of that time counts for it.
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.run(1500)
    cluster.network.partition(['b'], ['c'])
    await cluster.run(20_000)
    cluster.network.heal()
    await cluster.settle(b.store.put('k', 1))
    if (a.store.status().role !== 'leader') await cluster.settle(b.store.transferLeadership('a'))
    assert.equal(a.store.status().role, 'leader')
    await cluster.run(1000)
    assert.equal(await cluster.settle(c.store.get('here')), 1)
    await cluster.run(10_000)
    assert.equal(await cluster.settle(c.store.get('here')), undefined)
  })

  test('does not end while the only voter has its store closed, nor early behind that', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const lease = await cluster.settle(a.store.lease(60_000))
    await cluster.settle(a.store.put('here', 1, { lease: lease.id }))
    await cluster.settle(a.store.close())
    await cluster.run(120_000)
    const store = await cluster.settle(a.host.store('main'))
    await cluster.run(50_000)
    assert.equal(await cluster.settle(store.get('here')), 1)
    await cluster.run(15_000)
    assert.equal(await cluster.settle(store.get('here')), undefined)
  })
})
