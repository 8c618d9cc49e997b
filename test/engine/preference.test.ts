import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestHost } from './cluster.ts'
import { TestCluster } from './cluster.ts'

const leads = ({ store }: TestHost) => store.status().role === 'leader'

describe('a host that is preferred', () => {
  test('leads after a while, without an election timeout, and stays the leader', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const b = await cluster.open('b', { priority: 2 })
    await cluster.open('c')
    await cluster.settle(a.store.promote(['b', 'c']))
    await cluster.until(() => leads(b), 2000)
    await cluster.run(60_000)
    assert.ok(leads(b))
    assert.equal(b.store.status().term, a.store.status().term)
  })

  test('as much as others lets them lead: nobody plays ball', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a', { priority: 2 })
    await cluster.open('b', { priority: 2 })
    await cluster.open('c', { priority: 2 })
    await cluster.settle(a.store.promote(['b', 'c']))
    const { term } = a.store.status()
    await cluster.run(60_000)
    assert.deepEqual([leads(a), a.store.status().term], [true, term])
  })

  test('takes over again when it comes back, and the group went on meanwhile', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a', { priority: 3 })
    const b = await cluster.open('b', { priority: 2 })
    const c = await cluster.open('c')
    await cluster.settle(a.store.promote(['b', 'c']))
    await cluster.settle(b.store.put('k', 1))
    cluster.crash('a')
    await cluster.settle(c.store.put('k', 2, { deadlineMs: 30_000 }))
    await cluster.until(() => leads(b), 10_000)
    const again = await cluster.open('a', { priority: 3 })
    await cluster.until(() => leads(again), 10_000)
    assert.equal(await cluster.settle(again.store.get('k')), 2)
  })

  test('does not take back what it was asked to give away, while it is there', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a', { priority: 3 })
    const b = await cluster.open('b')
    const c = await cluster.open('c')
    await cluster.settle(a.store.promote(['b', 'c']))
    await cluster.settle(c.store.transferLeadership('b'))
    await cluster.run(60_000)
    assert.ok(leads(b))
    b.host.setPriority(0)
    await cluster.until(() => leads(a), 1000)
    await cluster.settle(c.store.transferLeadership('b'))
    await cluster.settle(a.host.close())
    await cluster.run(5_000)
    const again = await cluster.open('a', { priority: 3 })
    // Between two tries of one host there are ten election timeouts.
    await cluster.until(() => leads(again), 25_000)
  })

  test('is one of several: the highest counts, and equals leave each other alone', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    await cluster.run(30_000)
    assert.ok(leads(a))
    b.host.setPriority(5)
    c.host.setPriority(7)
    await cluster.until(() => leads(c), 25_000)
    await cluster.run(60_000)
    assert.ok(leads(c))
  })

  test('is no witness, however much it is preferred, but the next one that can lead', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const b = await cluster.open('b', { priority: 2 })
    await cluster.open('w', { role: 'witness', priority: 9 })
    await cluster.settle(a.store.promote(['b', 'w']))
    await cluster.until(() => leads(b), 3000)
  })

  test('hands over at once when it is hidden, and nothing that is under way is lost', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.put('k', 0))
    const writes = Array.from({ length: 50 }, (_, i) => a.store.insert(`k${i}`, i))
    a.host.setPriority(0)
    await cluster.until(() => !leads(a), 1000)
    const results = await cluster.settle(Promise.all(writes))
    assert.ok(results.every(({ ok }) => ok))
    a.host.setPriority(1)
    await cluster.run(30_000)
    assert.ok(!leads(a), 'it is preferred to nobody')
  })

  test('leads although it is hidden where no other voter can', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a', { priority: 0 })
    await cluster.open('b', { priority: 9 })
    const w = await cluster.open('w', { role: 'witness', priority: 9 })
    await cluster.run(10_000)
    assert.ok(leads(a))
    await cluster.settle(w.store.put('k', 1))
  })

  test('and whose disk hangs costs the writes one election timeout in ten', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.put('k', 0))
    // It answers heartbeats, and its disk takes nothing any more, so that every transfer fails.
    cluster.diskDelay = host => (host === 'b' ? new Promise(() => {}) : Promise.resolve())
    b.host.setPriority(9)
    await cluster.run(1000)
    let worst = 0
    let slow = 0
    for (let i = 0; i < 60; i++) {
      const before = cluster.timers.now()
      await cluster.settle(a.store.put('k', i))
      slow += cluster.timers.now() - before > 1000 ? 1 : 0
      worst = Math.max(worst, cluster.timers.now() - before)
      await cluster.run(500)
    }
    assert.ok(worst > 1000 && worst < 3000, `${worst} ms`)
    assert.ok(slow <= 3 && leads(a), `${slow} writes waited`)
  })

  test('says so by an integer from 0', async () => {
    const { host } = await new TestCluster().open('a')
    for (const wrong of [-1, 0.5, Number.NaN, '1'])
      assert.throws(() => host.setPriority(wrong as number), TypeError)
  })
})
