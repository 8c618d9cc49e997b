import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeBeats } from '../../src/wire/beat-codec.ts'
import { TestCluster, type TestHost } from './cluster.ts'

/** Whether the two that are well go on as if there were nobody else (mutant M59, systems row C9). */
async function goOn(cluster: TestCluster, a: TestHost, b: TestHost): Promise<void> {
  const { term } = a.store.status()
  const { frames } = await cluster.recorded(async () => {
    for (let i = 0; i < 100; i++) {
      const start = cluster.timers.now()
      await cluster.settle([a, b][i % 2]?.store.put(`k${i % 7}`, 'x'.repeat(1_000)) ?? Promise.reject())
      assert.equal(await cluster.settle(b.store.get('none')), undefined)
      assert(cluster.timers.now() - start < 50, `a write and a read took ${cluster.timers.now() - start} ms`)
      await cluster.run(400)
    }
  })
  assert.deepEqual([a.store.status().role, a.store.status().term], ['leader', term])
  const heartbeats: number[] = []
  for (const { from, to, kind, body, atMs } of frames) {
    if (from !== 'a' || to !== 'b' || kind !== 'beat') continue
    decodeBeats(body, ({ type }) => {
      if (type === 'heartbeat') heartbeats.push(atMs)
    })
  }
  const gaps = heartbeats.map((atMs, i) => atMs - (heartbeats[i - 1] ?? atMs))
  assert(Math.max(...gaps) <= 400, `${Math.max(...gaps)} ms without a heartbeat`)
}

describe('two of three voters lose no time', () => {
  test('when the third one stands still, with all its connections', async () => {
    const cluster = new TestCluster({ quiesceTicks: Number.MAX_SAFE_INTEGER })
    const [a, b] = await cluster.three()
    await cluster.settle(Promise.all([a.store.put('k', 0), b.store.put('k', 0)]))
    cluster.pause('c')
    await goOn(cluster, a, b)
    cluster.resume('c')
  })

  test('when nothing reaches the third one, and it reaches everybody', async () => {
    const cluster = new TestCluster({ quiesceTicks: Number.MAX_SAFE_INTEGER })
    const [a, b, c] = await cluster.three()
    await cluster.settle(Promise.all([a.store.put('k', 0), b.store.put('k', 0)]))
    cluster.tap = (_from, to) => to !== 'c'
    await goOn(cluster, a, b)
    cluster.tap = () => true
    await cluster.settle(c.store.put('back', 1))
  })

  test('when the disk of the third one hangs', async () => {
    const cluster = new TestCluster({ quiesceTicks: Number.MAX_SAFE_INTEGER })
    const [a, b] = await cluster.three()
    await cluster.settle(Promise.all([a.store.put('k', 0), b.store.put('k', 0)]))
    cluster.diskDelay = host => (host === 'c' ? new Promise(() => {}) : Promise.resolve())
    await goOn(cluster, a, b)
  })
})
