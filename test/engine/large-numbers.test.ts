import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { Machine } from '../../src/core/machine/machine.ts'
import { noMembers } from '../../src/core/machine/members.ts'
import { planFounding } from '../../src/core/machine/members-plan.ts'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { encodeBootstrap } from '../../src/engine/replica/bootstrap.ts'
import { openFileStorage } from '../../src/storage/file.ts'
import { openIndexedDbStorage } from '../../src/storage/indexeddb.ts'
import { MemoryDisk, openMemoryStorage } from '../../src/storage/memory.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { encodeSnapshot } from '../../src/wire/snapshot-codec.ts'
import { FakeLocks } from '../storage/fake-locks.ts'
import { TestCluster } from './cluster.ts'
import { deployment, tapped } from './wiretap.ts'

/** Where 32-bit operators go wrong, and close to where the numbers of this language end (mutant M150). */
const starts = [2 ** 31 - 10, 2 ** 32 - 10, 2 ** 53 - 10_000]

/** Founds the group of `main` as host `a` would, but that its log begins at an index and a term of that size. */
async function foundAt(storage: Storage, start: number): Promise<void> {
  const plan = planFounding(noMembers, 'a')
  assert(plan.type === 'change')
  const machine = new Machine()
  machine.applyMembers(1, plan.delta)
  const state = { ...machine.snapshot(), index: start }
  const snapshot = { index: start, term: start, conf: { ...emptyConfState, voters: [1] } }
  async function* chunks() {
    yield* encodeSnapshot(state)
  }
  await storage.saveSnapshot('main', snapshot, chunks())
  const note = { cluster: 'test', host: 'a', replica: 1, isRemoved: false, isWitness: false }
  const hardState = { term: start, vote: 0, commit: start }
  const group = { bootstrap: encodeBootstrap(note), snapshot, hardState }
  const values = Object.entries({ cluster: 'test', deployment, founder: 'a' })
  const encoder = new TextEncoder()
  await storage.write({
    groups: new Map([['main', group]]),
    values: new Map(values.map(([name, value]) => [name, encoder.encode(value)])),
  })
}

describe('a log that begins at a large number', () => {
  for (const start of starts) {
    test(`${start} is written, sent, read, watched and taken a snapshot of like any other`, async () => {
      const cluster = new TestCluster({ snapshotEntriesEvery: 20, trailingEntries: 5 })
      const disk = new MemoryDisk()
      const storage = await openMemoryStorage(disk)
      await storage.load()
      await foundAt(storage, start)
      await storage.close()
      cluster.disks.set('a', disk)
      await cluster.network.rendezvous('a').found(deployment, new AbortController().signal)
      const [a, b, c] = await cluster.three()
      const watch = c.store.watch({ from: start + 1 })
      const revisions: number[] = []
      for (let i = 0; i < 60; i++) {
        const { store } = [a, b, c][i % 3] as typeof a
        revisions.push((await cluster.settle(store.put(`k${i}`, i))).revision)
      }
      assert(revisions.every((revision, i) => revision > (revisions[i - 1] ?? start)))
      assert((revisions.at(-1) ?? 0) < start + 100)
      for (const revision of revisions) {
        const { value: event } = await cluster.settle(watch.next())
        assert.equal(event?.revision, revision)
      }
      assert(a.store.status().term > start)
      cluster.crash('a')
      await cluster.settle(b.store.put('after', 1))
      const again = await cluster.open('a')
      assert.equal((await cluster.settle(again.store.scan())).length, 61)
      assert.equal((await cluster.settle(again.store.entry('k7')))?.modRevision, revisions[7])
    })
  }

  const places: Record<string, (t: TestContext) => Promise<() => Promise<Storage>>> = {
    files: async t => {
      const folder = await mkdtemp(join(tmpdir(), 'quorate-large-'))
      t.after(() => rm(folder, { recursive: true, force: true }))
      return () => openFileStorage(folder)
    },
    IndexedDB: async () => {
      const [factory, locks] = [new IDBFactory(), new FakeLocks()]
      return () => openIndexedDbStorage('test', { factory, locks })
    },
  }

  for (const [place, prepare] of Object.entries(places)) {
    test(`comes back from ${place} as it was`, async t => {
      for (const start of starts) {
        const open = await prepare(t)
        const storage = await open()
        await storage.load()
        await foundAt(storage, start)
        await storage.close()
        for (let life = 0; life < 2; life++) {
          const { cluster, host } = await tapped({ storage: await open() })
          const settle = <Value>(promise: Promise<Value>) => realSettle(cluster, promise)
          const store = await settle(host.store())
          assert.equal((await settle(store.scan())).length, life)
          const { revision } = await settle(store.put(`life ${life}`, life))
          assert(revision > start && revision < start + 20)
          await settle(host.close())
        }
      }
    })
  }
})

/** Virtual time goes on while a real disk works. */
async function realSettle<Value>(cluster: TestCluster, promise: Promise<Value>): Promise<Value> {
  let isSettled = false
  const done = () => {
    isSettled = true
  }
  promise.then(done, done)
  while (!isSettled) {
    await new Promise(resolve => setTimeout(resolve, 1))
    await cluster.run(5)
  }
  return promise
}
