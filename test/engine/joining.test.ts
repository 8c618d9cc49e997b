import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TestCluster } from './cluster.ts'

describe('a host that joins', () => {
  test('says nothing as a replica before its replica id is durable', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const b = await cluster.host('b')
    let writes = 0
    let release = () => {}
    const hung = new Promise<void>(resolve => {
      release = resolve
    })
    // The first write is of the cluster itself.
    cluster.diskDelay = (host, operation) =>
      host === 'b' && operation === 'write' && ++writes > 1 ? hung : Promise.resolve()
    const opening = b.store('main')
    const { frames } = await cluster.recorded(async () => {
      await cluster.until(() => a.store.status().members.length === 2)
      await cluster.run(5000)
    })
    const spoken = frames.filter(({ from, kind }) => from === 'b' && (kind === 'raft' || kind === 'beat'))
    assert.deepEqual([writes, spoken.length], [2, 0])
    release()
    await cluster.settle((await cluster.settle(opening)).put('k', 1))
  })

  test('asks another member where the first one knows no leader', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.until(() => a.store.status().leader === undefined)
    await cluster.until(() => b.store.status().leader !== 'a' && b.store.status().leader !== undefined)
    const { store } = await cluster.open('d')
    assert.equal(store.status().role, 'learner')
  })
})
