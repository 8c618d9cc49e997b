import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Revision } from '../../src/core/types.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { decodeFrame } from '../../src/wire/frames.ts'
import { TestCluster } from './cluster.ts'

function kindOf(frame: Uint8Array) {
  const decoded = decodeFrame(Buffer.from(frame.subarray(4, 20)).toString('hex'), frame)
  return typeof decoded === 'string' ? decoded : decoded.kind
}

describe('who wants to hear of the commit', () => {
  test('hears of it once, with the revision, before the write is applied: on the leader and elsewhere', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    for (const { store } of [a, b]) {
      const heard: { readonly revision: Revision; readonly applied: Revision }[] = []
      const onCommitted = (revision: Revision) => heard.push({ revision, applied: store.status().applied })
      const writes: ((store: Store) => Promise<{ readonly revision: Revision }>)[] = [
        // The first write of a store opens its session, which is another entry.
        one => one.put('k', 1, { onCommitted }),
        one => one.compareAndSwap('k', 1, 2, { onCommitted }),
        one => one.broadcast('t', 1, { onCommitted }),
        one => one.barrier({ onCommitted }),
        one => one.delete('k', { onCommitted }),
        one => one.insert('k', 1, { onCommitted }),
      ]
      for (const write of writes) {
        const { revision } = await cluster.settle(write(store))
        assert.deepEqual(heard.pop(), { revision, applied: revision - 1 })
        assert.equal(heard.length, 0)
      }
      await cluster.settle(store.delete('k'))
    }
  })

  test('hears of each of many, in the order of the log, and of a lost one never', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const heard: Revision[] = []
    const onCommitted = (revision: Revision) => void heard.push(revision)
    cluster.network.setFaults({ duplicateRate: 0.5 })
    const writes = Array.from({ length: 100 }, (_, i) => b.store.put(`k${i}`, i, { onCommitted }))
    for (let i = 0; i < 100; i++) b.store.put('other', i).catch(assert.ifError)
    const revisions = (await cluster.settle(Promise.all(writes))).map(({ revision }) => revision)
    assert.deepEqual(
      heard,
      revisions.sort((left, right) => left - right),
    )
    cluster.network.partition(['a'], ['b', 'c'])
    await assert.rejects(cluster.settle(a.store.put('k', 1, { onCommitted, deadlineMs: 1000 })))
    assert.equal(heard.length, 100)
  })

  test('hears once of a command that was logged twice', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.put('k', 0))
    let heard = 0
    const onCommitted = () => {
      heard += 1
    }
    const put = b.store.put('k', 1, { onCommitted, deadlineMs: 30_000 })
    await cluster.run(1)
    for (const from of ['a', 'c']) cluster.network.cut(from, 'b')
    const { applied } = a.store.status()
    await cluster.until(() => a.store.status().applied > applied + 1)
    assert.equal(heard, 0)
    cluster.network.heal()
    await cluster.settle(put)
    await cluster.run(1000)
    assert.equal(heard, 1)
  })

  test('hears of the place that the write has, and at once, where this host got it within a snapshot', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 10, trailingEntries: 0, heldLogBytesMax: 0 })
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.put('k', 0))
    const heard: Revision[] = []
    const put = b.store.put('k', 1, { onCommitted: revision => heard.push(revision), deadlineMs: 60_000 })
    await cluster.run(1)
    for (const from of ['a', 'c']) cluster.network.cut(from, 'b')
    for (let i = 0; i < 40; i++) await cluster.settle(a.store.put('other', i))
    const entry = await cluster.settle(a.store.entry('k', { consistency: 'stale' }))
    assert.equal(entry?.value, 1)
    // What b hands on again from here is lost: only the snapshot can tell.
    cluster.tap = (from, _to, _lane, frame) => from !== 'b' || kindOf(frame) !== 'propose'
    cluster.network.heal()
    const { revision } = await cluster.settle(put)
    assert.equal(revision, entry?.modRevision)
    assert.deepEqual(heard, [revision])
  })

  test('may throw: that ends nothing, and is reported', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const onCommitted = () => {
      throw new Error('of the listener')
    }
    await cluster.settle(store.put('k', 1, { onCommitted }))
    await assert.rejects(cluster.run(10), /of the listener/)
    assert.equal(await cluster.settle(store.get('k')), 1)
  })

  test('is no news for what is no function: that is a TypeError before anything is written', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const wrong = { onCommitted: 5 } as unknown as { onCommitted: () => void }
    await assert.rejects(cluster.settle(store.put('k', 1, wrong)), TypeError)
    assert.equal(await cluster.settle(store.get('k')), undefined)
  })
})
