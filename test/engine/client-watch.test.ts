import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { valueBytesMax, watchBufferEventsMax, watchersMax } from '../../src/core/limits.ts'
import type { Revision } from '../../src/core/types.ts'
import { loadRecipes } from '../../src/engine/recipes/load.ts'
import type { Store } from '../../src/engine/store/store.ts'
import type { Watch } from '../../src/engine/store/watch.ts'
import type { Commands } from '../../src/engine/transactions/command.ts'
import type { WatchEvent } from '../../src/engine/types.ts'
import { type CommittedChange, WatchValidator } from '../../src/testing/checkers/watch-validator.ts'
import { TestCluster } from './cluster.ts'

// Loaded for real, so before any time is virtual.
await loadRecipes()

/** Writes in the order of their revisions, for a validator. */
function writing(cluster: TestCluster) {
  const changes: CommittedChange[] = []
  const write = async (store: Store, key: string, value: string) => {
    const { revision } = await cluster.settle(store.put(key, value, { deadlineMs: 60_000 }))
    changes.push({ key, revision, value })
    return revision
  }
  return { changes, write }
}

/** Reads all that comes, and says what was wrong with it when it is asked. */
function judged(watch: Watch<WatchEvent<string>>, changes: readonly CommittedChange[], from: Revision) {
  const told: WatchEvent<string>[] = []
  const read = async () => {
    for await (const event of watch) told.push(event)
  }
  const ended: unknown[] = []
  read().catch(error => ended.push(error))
  return () => {
    const validator = new WatchValidator({ changes, from })
    const wrong = told.map(({ key, revision, value, last }) =>
      validator.judge({ type: 'change', key, revision, value: value ?? null, last }),
    )
    return [...wrong, validator.missing(), ...ended].filter(one => one !== undefined)
  }
}

/** What an iteration gave, and how it ended. */
function keysOf(events: AsyncIterable<object>): string[] {
  const told: string[] = []
  const read = async () => {
    for await (const event of events)
      told.push('key' in event ? String(event.key) : 'cause' in event ? `reset ${event.cause}` : 'entry')
  }
  read().catch(error => told.push(String(error.code)))
  return told
}

describe('the watch of a client', () => {
  test('is told of what its store wrote after it, though no gateway had said yet where it begins', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    // The first beginning is lost, and so is the answer to the second one.
    let lost = 0
    cluster.tap = (from, to) => {
      if (lost < 2 && (lost === 0 ? from === 'z' && to === 'a' : from === 'a' && to === 'z')) {
        lost += 1
        return false
      }
      return true
    }
    const told: unknown[] = []
    const read = async () => {
      for await (const { value } of z.store.watch({ key: 'k' })) told.push(value)
    }
    read().catch(error => told.push(String(error)))
    await cluster.settle(z.store.put('k', 1, { deadlineMs: 60_000 }))
    await cluster.run(5000)
    await cluster.settle(z.store.put('k', 2))
    await cluster.run(2000)
    assert.deepEqual(told, [1, 2])
  })

  test('is refused at once where a client holds as many as it may', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    const watches = Array.from({ length: 1000 }, (_, i) => z.store.watch({ key: `k${i}` }))
    assert.throws(
      () => z.store.watch({ key: 'more' }),
      error => isQuorateError(error, 'SYSTEM_BUSY'),
    )
    watches[0]?.close()
    z.store.watch({ key: 'more' }).close()
    await cluster.settle(z.store.put('k1', 1, { deadlineMs: 60_000 }))
    await cluster.run(2000)
    assert.equal((await watches[1]?.next())?.value?.value, 1)
    await cluster.settle(z.host.close())
  })

  test('ends with SYSTEM_BUSY where gateways have no room for it, unless they have some again soon', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    const full = Array.from({ length: watchersMax }, () => a.store.watch({ key: 'k' }))
    const watch = store.watch({ key: 'k' })
    const live = store.live({ key: 'k' })
    live.onChange(() => {})
    await assert.rejects(cluster.settle(watch.next()), { code: 'SYSTEM_BUSY', retryable: true })
    assert.equal(live.getSnapshot().error?.code, 'SYSTEM_BUSY')
    const patient = store.watch({ key: 'k' })
    await cluster.run(2000)
    for (const one of full) one.close()
    await cluster.settle(a.store.put('k', 1))
    await cluster.run(2000)
    await cluster.settle(a.store.put('k', 2))
    assert.equal((await cluster.settle(patient.next())).value?.value, 2)
    await cluster.run(2000)
    assert.deepEqual([live.getSnapshot().status, live.getSnapshot().entries[0]?.value], ['live', 2])
  })

  test('is told a revision whole that is larger than a frame, and begins again where a frame was lost', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 0))
    const told: string[] = []
    const read = async () => {
      for await (const { key, last } of store.watch({ prefix: 'k' })) told.push(last ? key : `+${key}`)
    }
    read().catch(error => told.push(String(error)))
    await cluster.run(100)
    const value = new Uint8Array(200_000)
    const success = ['k1', 'k2', 'k3'].map(key => ({ type: 'put', key, value }) as const)
    await cluster.settle(a.store.txn({ success }))
    await cluster.run(100)
    // What tells of the second one is lost; nothing follows it but bookmarks.
    cluster.tap = (from, to) => from !== 'a' || to !== 'z'
    await cluster.settle(a.store.txn({ success }))
    cluster.tap = () => true
    await cluster.run(5000)
    assert.deepEqual(told, ['+k1', '+k2', 'k3', '+k1', '+k2', 'k3'])
  })

  test('is told of a past in which the largest transaction comes behind a small one', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    const { revision: from } = await cluster.settle(store.put('small', new Uint8Array(200 * 1024)))
    const value = new Uint8Array(valueBytesMax - 1000)
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)
    const success = keys.map(key => ({ type: 'put', key, value }) as const)
    await cluster.settle(store.txn({ success }))
    const told = keysOf(z.store.watch({ from }))
    await cluster.run(5000)
    assert.deepEqual(told, ['small', ...keys])
  })

  test('waits with the whole past for a slow reader, and not with as much of what comes later', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    const count = watchBufferEventsMax / 2 + 1
    const success = Array.from({ length: count }, (_, i) => ({ type: 'put', key: `${i}`, value: 0 }) as const)
    const { revision: from } = await cluster.settle(store.txn({ success }))
    await cluster.settle(store.txn({ success }))
    const watches = [store.watch({ from }), z.store.watch({ from })]
    await cluster.run(2000)
    await cluster.settle(store.txn({ success }))
    await cluster.run(2000)
    for (const watch of watches)
      for (let left = 3 * count; left > 0; left--) await cluster.settle(watch.next())
    for (let i = 0; i < 2; i++) await cluster.settle(store.txn({ success }))
    await cluster.run(2000)
    for (const watch of watches) {
      for (let left = count; left > 0; left--) await cluster.settle(watch.next())
      await assert.rejects(cluster.settle(watch.next()), { code: 'SLOW_CONSUMER' })
    }
  })

  test('leaves nothing at its gateway where nobody heard that it ended, though its store is closed', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const { store, host } = await cluster.open('z', { role: 'client' })
    await cluster.settle(host.store('other'))
    const watches = Array.from({ length: 5 }, () => store.watch({ key: 'k' }))
    await cluster.run(1000)
    const watchers = a.host.running.get('main')?.watchers
    assert.equal(watchers?.size, 5)
    cluster.tap = from => from !== 'z'
    for (const watch of watches.slice(1)) watch.close()
    await cluster.run(1000)
    cluster.tap = () => true
    await cluster.run(2000)
    assert.equal(watchers?.size, 1)
    cluster.tap = from => from !== 'z'
    await cluster.settle(store.close())
    cluster.tap = () => true
    await cluster.run(2000)
    assert.equal(watchers?.size, 0)
  })

  test('goes on at another gateway where the disk of its own one fails', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    const { changes, write } = writing(cluster)
    await write(a.store, 'k', 'before')
    await cluster.run(2000)
    const verdict = judged(store.watch<string>({ from: 1 }), changes, 1)
    await cluster.run(1000)
    cluster.disks.get('a')?.fail('the disk is full')
    await assert.rejects(cluster.settle(a.store.barrier()), { code: 'STORAGE_FAILED' })
    await cluster.run(10_000)
    await write(b.store, 'k', 'after')
    await cluster.run(2000)
    assert.deepEqual(verdict(), [])
  })

  test('goes on at another gateway that lags behind, without a gap and with nothing twice (mutant M139)', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    const { changes, write } = writing(cluster)
    await write(a.store, 'k', 'before')
    await cluster.run(2000)
    const verdict = judged(store.watch<string>({ from: 1 }), changes, 1)
    const open = judged(store.watch<string>(), changes, (changes[0]?.revision ?? 0) + 1)
    await cluster.run(1000)
    // Its gateway is a, the first; b and c hear of nothing more from each other or from a but what keeps a leading.
    for (let i = 0; i < 20; i++) await write(a.store, `k${i % 3}`, `one ${i}`)
    await cluster.run(500)
    for (const host of ['a', 'c']) cluster.network.cut(host, 'b')
    for (let i = 0; i < 20; i++) await write(c.store, `k${i % 3}`, `two ${i}`)
    await cluster.run(500)
    cluster.network.partition(['z'], ['a'])
    cluster.network.partition(['z'], ['c'])
    await cluster.run(15_000)
    assert.ok(b.store.status().applied < (changes.at(-1)?.revision ?? 0), 'it lags behind')
    cluster.network.heal('a', 'b')
    cluster.network.heal('c', 'b')
    for (let i = 0; i < 20; i++) await write(a.store, `k${i % 3}`, `three ${i}`)
    await cluster.run(20_000)
    assert.deepEqual([verdict(), open()], [[], []])
  })

  test('hears nothing of what its own store wrote before, though its gateway lags behind that', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 1))
    await cluster.run(1000)
    for (const host of ['a', 'b']) cluster.network.cut(host, 'c')
    await cluster.settle(store.put('k', 2))
    for (const host of ['a', 'b']) cluster.network.partition(['z'], [host])
    await cluster.run(8000)
    const watch = store.watch({ key: 'k' })
    await cluster.run(2000)
    cluster.network.heal()
    await cluster.run(2000)
    await cluster.settle(a.store.put('k', 3))
    assert.equal((await cluster.settle(watch.next())).value?.value, 3)
  })

  test('asks another gateway for a past that one has forgotten, and ends when all have', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 20, trailingEntries: 0, heldLogBytesMax: 0 })
    const [, b] = await cluster.three()
    const { changes, write } = writing(cluster)
    for (let i = 0; i < 60; i++) await write(b.store, 'k', `${i}`)
    await cluster.run(1000)
    // The first gateway comes back by a snapshot: it knows nothing of what was before.
    cluster.crash('a')
    await cluster.run(5000)
    const a = await cluster.open('a')
    assert.throws(
      () => a.store.watch({ from: 2 }),
      error => isQuorateError(error, 'COMPACTED'),
    )
    await cluster.run(5000)
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.run(2000)
    const verdict = judged(store.watch<string>({ from: 2 }), changes, 2)
    await cluster.run(10_000)
    assert.deepEqual(verdict(), [])
    for (const name of ['b', 'c']) {
      cluster.crash(name)
      await cluster.run(5000)
      await cluster.open(name)
      await cluster.run(5000)
    }
    const watch = store.watch({ from: 2 })
    await assert.rejects(cluster.settle(watch.next()), error => isQuorateError(error, 'COMPACTED'))
  })

  test('is told anew of the state where all gateways have forgotten, if it resyncs', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 20, trailingEntries: 0, heldLogBytesMax: 0 })
    const a = await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    for (let i = 0; i < 60; i++) await cluster.settle(a.store.put('k', i))
    cluster.crash('a')
    await cluster.open('a')
    const watch = store.watch({ from: 2, resync: true })
    const { value } = await cluster.settle(watch.next())
    assert.ok(value?.type === 'reset' && value.cause === 'COMPACTED')
    assert.deepEqual(
      value.entries.map(entry => entry.value),
      [59],
    )
  })

  /** Two who have all commands and one, the first by name, that is the gateway and makes something else of them. */
  async function oddGateway(oddCommands: Commands | undefined) {
    const cluster = new TestCluster()
    const commands: Commands = { 'x@1': tx => tx.put('x', 'all') }
    const m = await cluster.open('m', { commands })
    const n = await cluster.open('n', { commands })
    const a = await cluster.open('a', oddCommands && { commands: oddCommands })
    await cluster.settle(m.store.promote(['n', 'a']))
    const z = await cluster.open('z', { role: 'client' })
    await cluster.run(1000)
    return { cluster, m, n, a, z }
  }

  test('goes on elsewhere where its gateway waits for a command, and so do entries and live views', async () => {
    const { cluster, m, a, z } = await oddGateway(undefined)
    const told = keysOf(z.store.watch())
    const entries = keysOf(z.store.entries())
    const live = z.store.live({ prefix: 'k' })
    live.onChange(() => {})
    await cluster.run(1000)
    await cluster.settle(m.store.put('k1', 1))
    await cluster.settle(m.store.command('x@1', null))
    await cluster.settle(m.store.put('k2', 1))
    await cluster.run(10_000)
    assert.equal(a.store.status().unknownCommand, 'x@1')
    assert.deepEqual(told, ['k1', 'x', 'k2'])
    assert.ok(entries.length >= 3, `${entries.length} entries`)
    const { status, entries: shown } = live.getSnapshot()
    assert.deepEqual([status, shown.map(({ key }) => key)], ['live', ['k1', 'k2']])
    await cluster.settle(a.host.store('main', { commands: { 'x@1': tx => tx.put('x', 'all') } }))
    cluster.network.partition(['z'], ['m', 'n'])
    assert.equal(await cluster.settle(z.store.get('k2')), 1, 'it serves again')
  })

  test('lets a client hold a lock whose turn comes while its gateway waits for a command', async () => {
    const { cluster, m, n, z } = await oddGateway(undefined)
    const held = await cluster.settle(m.store.lock('l'))
    let holds = false
    const got = z.store.lock('l', { ttlMs: 10_000 }).then(lock => {
      holds = true
      return lock
    })
    await cluster.run(3000)
    await cluster.settle(m.store.command('x@1', null))
    await cluster.settle(held.release())
    await cluster.run(10_000)
    assert.equal(holds, true)
    await cluster.settle((await got).release())
    assert.ok((await cluster.settle(n.store.tryLock('l'))) !== undefined)
  })

  test('is told anew of the state where its gateway told of another one than the group has', async () => {
    const { cluster, m, a, z } = await oddGateway({ 'x@1': tx => tx.put('x', 'odd') })
    const told = keysOf(z.store.watch())
    const resynced = keysOf(z.store.watch({ resync: true }))
    const live = z.store.live()
    live.onChange(() => {})
    await cluster.run(1000)
    await cluster.settle(m.store.command('x@1', null))
    await cluster.run(10_000)
    assert.equal(a.store.status().diverged?.isQuarantined, true)
    await cluster.settle(m.store.put('k', 1))
    await cluster.run(2000)
    assert.deepEqual(told, ['x', 'COMPACTED'])
    assert.deepEqual(resynced, ['reset start', 'x', 'reset DIVERGED', 'k'])
    const { status, entries } = live.getSnapshot()
    assert.deepEqual([status, entries.map(({ value }) => value)], ['live', [1, 'all']])
  })
})
