import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { watchBufferBytesMax, watchBufferEventsMax } from '../../src/core/limits.ts'
import type { Change } from '../../src/core/machine/item.ts'
import type { ChangeSink } from '../../src/engine/replica/watchers.ts'
import { Watch, type WatchParts } from '../../src/engine/store/watch.ts'
import type { WatchNotice } from '../../src/engine/types.ts'
import type { CommittedChange } from '../../src/testing/checkers/watch-validator.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { promiseJobs } from '../../src/testing/simulator/promise-jobs.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { TestCluster, type TestHost } from './cluster.ts'

function put(revision: number, key: string, bytes = 1): Change {
  const numbers = { createRevision: revision, modRevision: revision, version: 1, lease: 0 }
  return { type: 'put', key, revision, item: { key, value: new Uint8Array(bytes), ...numbers } }
}

/** What a watch tells, as it comes, in few words: `+k=1@5` is a change with others of its revision to come. */
function told(watch: AsyncIterable<WatchNotice>): string[] {
  const words: string[] = []
  const read = async () => {
    for await (const notice of watch) words.push(wordsOf(notice))
    words.push('end')
  }
  read().catch(error => words.push(isQuorateError(error) ? error.code : String(error)))
  return words
}

function wordsOf(notice: WatchNotice): string {
  if (notice.type === 'bookmark') return `bookmark@${notice.revision}`
  if (notice.type === 'reset') {
    const entries = notice.entries.map(({ key, value }) => `${key}=${value}`)
    return `reset ${notice.cause} ${entries.join(' ')}@${notice.revision}`
  }
  const { type, key, value, revision, last } = notice
  return `${last ? '' : '+'}${key}=${type === 'put' ? value : 'gone'}@${revision}`
}

/** A watch of nothing, which a test tells what it likes, and which loads what the test says. */
function fed(options: Partial<WatchParts<string>> = {}) {
  const stops: string[] = []
  const loads: number[] = []
  let sink: ChangeSink | undefined
  const feed = { revision: 0, isConnected: true, stop: () => stops.push('stop') }
  const watch = new Watch<string>({
    from: 1,
    resync: false,
    bookmarks: false,
    signal: undefined,
    calls: { clock: new HostClock(new VirtualTimers()), start: () => assert.fail('nobody waits') },
    open: (_from, given) => {
      sink = given
      return feed
    },
    load: async revision => {
      loads.push(revision)
      return { entries: [], revision: 1_000_000 }
    },
    eventOf: news => (news.type === 'change' ? news.change.key : news.type),
    closed: () => stops.push('closed'),
    ...options,
  })
  const tell = (...changes: Change[]) => sink?.changes(changes)
  return {
    watch,
    feed,
    stops,
    loads,
    tell,
    end: (error: Parameters<ChangeSink['end']>[0]) => sink?.end(error),
  }
}

describe('the changes of one revision', () => {
  test('are told together, the last one marked, in each range that is watched (mutant M138)', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const { store: client } = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.get('k'))
    const all = [a.store, b.store, client].map(store => told(store.watch({ prefix: 'k' })))
    const some = told(b.store.watch({ lt: 'k3' }))
    await cluster.run(100)
    const success = ['k1', 'k2', 'k3', 'k4'].map(key => ({ type: 'put', key, value: 1 }) as const)
    const { revision } = await cluster.settle(a.store.txn({ success }))
    await cluster.run(1000)
    const expected = ['+k1', '+k2', '+k3', 'k4'].map(key => `${key}=1@${revision}`)
    for (const words of all) assert.deepEqual(words, expected)
    assert.deepEqual(some, [`+k1=1@${revision}`, `k2=1@${revision}`])
  })

  test('are not read past in part: where to go on is before them', async () => {
    const { watch, tell, feed } = fed()
    tell(put(4, 'a'))
    tell(put(7, 'b'), put(7, 'c'))
    feed.revision = 9
    const revisions = [watch.revision]
    for (let i = 0; i < 3; i++) {
      await watch.next()
      revisions.push(watch.revision)
    }
    assert.deepEqual(revisions, [3, 6, 6, 9])
  })
})

describe('a reader that does not keep up', () => {
  const fill = (tell: (...changes: Change[]) => void) => {
    for (let i = 1; i <= watchBufferEventsMax + 1; i++) tell(put(i, `k${i}`))
  }

  test('is told, by count, when all that was kept for it is read (mutant M135)', async () => {
    const { watch, tell, stops } = fed()
    fill(tell)
    assert.deepEqual(stops, ['stop', 'closed'])
    for (let i = 1; i <= watchBufferEventsMax; i++) assert.equal((await watch.next()).value, `k${i}`)
    assert.equal(watch.revision, watchBufferEventsMax)
    await assert.rejects(watch.next(), error => isQuorateError(error, 'SLOW_CONSUMER'))
    assert.deepEqual(await watch.next(), { done: true, value: undefined })
  })

  test('is told, by bytes', async () => {
    const { watch, tell } = fed()
    tell(put(1, 'a', watchBufferBytesMax - 1))
    tell(put(2, 'b', 1))
    assert.equal((await watch.next()).value, 'a')
    tell(put(3, 'c', watchBufferBytesMax - 1))
    tell(put(4, 'd', 1))
    assert.equal((await watch.next()).value, 'b')
    assert.equal((await watch.next()).value, 'c')
    await assert.rejects(watch.next(), error => isQuorateError(error, 'SLOW_CONSUMER'))
  })

  test('gets the state instead where it resyncs, when it comes for more and not before', async () => {
    const { watch, tell, loads, stops } = fed({ resync: true })
    tell(put(1, 'read'))
    await watch.next()
    fill(tell)
    await promiseJobs()
    assert.deepEqual([loads, stops], [[], ['stop']])
    assert.equal((await watch.next()).value, 'reset')
    assert.deepEqual(loads, [1], 'no older than what it has read')
    tell(put(1_000_001, 'next'))
    assert.equal((await watch.next()).value, 'next')
  })

  test('has the present state told to it by the store, and delays neither writers nor other readers', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const slow = store.watch({ prefix: 'k', resync: true })
    const quick = told(store.watch({ prefix: 'k' }))
    await cluster.settle(slow.next())
    const count = watchBufferEventsMax + 100
    for (let i = 0; i < count; i += 1000)
      await cluster.settle(Promise.all(Array.from({ length: 1000 }, (_, j) => store.put('k', i + j))))
    const { value } = await cluster.settle(store.entry('k').then(entry => ({ value: entry?.value })))
    const { value: notice } = await cluster.settle(slow.next())
    assert.match(wordsOf(notice as WatchNotice), new RegExp(`^reset SLOW_CONSUMER k=${value}@`))
    assert.equal(quick.length, Number(value) + 1)
    await cluster.settle(store.put('k', 'next'))
    assert.match(wordsOf((await cluster.settle(slow.next())).value as WatchNotice), /^k=next@/)
  })
})

describe('how far a watch is', () => {
  test('never overtakes what waits to be read, and shows while nothing happens (mutant M137)', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store: client } = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.get('k'))
    const watches = [a.store, client].map(store => store.watch({ prefix: 'k' }))
    await cluster.run(100)
    const { revision } = await cluster.settle(a.store.put('k', 1))
    const other = await cluster.settle(a.store.put('other', 1))
    await cluster.run(3000)
    assert.deepEqual(
      watches.map(watch => watch.revision),
      [revision - 1, revision - 1],
    )
    for (const watch of watches) await cluster.settle(watch.next())
    for (const watch of watches) assert.ok(watch.revision >= other.revision)
  })

  test('is told once a second while there is nothing else to tell, on a member and on a client', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store: client } = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.get('k'))
    const all = [a.store, client].map(store => told(store.watch({ prefix: 'k', bookmarks: true })))
    for (let i = 0; i < 50; i++) {
      await cluster.settle(a.store.put('other', i))
      await cluster.run(100)
    }
    const last = await cluster.settle(a.store.put('other', 50))
    await cluster.run(3000)
    for (const words of all) {
      assert.ok(words.length >= 4 && words.length <= 10, `${words}`)
      assert.ok(words.every(word => word.startsWith('bookmark@')))
      assert.equal(words.at(-1), `bookmark@${last.revision}`)
    }
    await cluster.run(5000)
    assert.equal(all[0]?.at(-1), `bookmark@${last.revision}`, 'nothing new is not told again')
  })

  test('can be waited for, on a member and on a client', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const { store: client } = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.get('k'))
    for (const store of [b.store, client]) {
      const watch = store.watch({ prefix: 'k' })
      await cluster.run(100)
      const { revision } = await cluster.settle(a.store.put('k', 1))
      const barrier = await cluster.settle(a.store.barrier())
      const early = watch.reached(barrier.revision, { deadlineMs: 2000 })
      await assert.rejects(cluster.settle(early), error => isQuorateError(error, 'TIMEOUT'))
      const reached = watch.reached(barrier.revision)
      assert.equal(wordsOf((await cluster.settle(watch.next())).value as WatchNotice), `k=1@${revision}`)
      assert.ok((await cluster.settle(reached)) >= barrier.revision)
      const other = store.watch({ prefix: 'k' })
      const words = told(other)
      await cluster.run(1000)
      const last = await cluster.settle(a.store.barrier())
      const startedAt = cluster.timers.now()
      assert.ok((await cluster.settle(other.reached(last.revision))) >= last.revision)
      assert.ok(cluster.timers.now() - startedAt <= 1500)
      assert.deepEqual(words, [])
      const never = other.reached(last.revision + 100)
      other.close()
      await assert.rejects(cluster.settle(never), error => isQuorateError(error, 'CLOSED'))
      await assert.rejects(other.reached(0), TypeError)
    }
  })

  test('is where another watch goes on, although the history of the last change is gone', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    await cluster.settle(store.put('k', 1))
    const watch = store.watch({ key: 'k' })
    const value = new Uint8Array(1_000_000)
    for (let i = 0; i < 40; i++) await cluster.settle(store.put('other', value))
    await cluster.run(100)
    assert.throws(
      () => store.watch({ key: 'k', from: 3 }),
      error => isQuorateError(error, 'COMPACTED'),
    )
    const words = told(store.watch({ key: 'k', from: watch.revision + 1 }))
    const { revision } = await cluster.settle(store.put('k', 2))
    assert.deepEqual(words, [`k=2@${revision}`])
  })
})

describe('a watch that resyncs', () => {
  for (const role of ['member', 'client'] as const) {
    test(`tells a ${role} the state and all that comes after it, while others write`, async () => {
      const cluster = new TestCluster()
      const [a] = await cluster.three()
      const { store } = await cluster.open('z', { role })
      await cluster.settle(store.put('k', 0))
      const changes: CommittedChange[] = []
      const watches: AsyncIterable<WatchNotice>[] = []
      const all: string[][] = []
      for (let i = 1; i <= 60; i++) {
        const { revision } = await cluster.settle(a.store.put(`k${i % 7}`, i))
        changes.push({ key: `k${i % 7}`, revision, value: `${i}` })
        if (i % 10 === 5) {
          const watch = store.watch({ prefix: 'k', resync: true })
          watches.push(watch)
          all.push(told(watch))
        }
      }
      await cluster.run(3000)
      for (const words of all) {
        const [, entries = '', at] = /^reset start (.*)@(\d+)$/.exec(words[0] ?? '') ?? []
        const state = new Map([['k', '0']])
        for (const { key, revision, value } of changes) if (revision <= Number(at)) state.set(key, `${value}`)
        const stood = [...state].sort().map(([key, value]) => `${key}=${value}`)
        assert.deepEqual(entries.split(' '), stood)
        const later = changes.filter(({ revision }) => revision > Number(at))
        assert.deepEqual(
          words.slice(1),
          later.map(({ key, value, revision }) => `${key}=${value}@${revision}`),
        )
      }
    })
  }

  test('tells the state anew where a snapshot took the place of the changes', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 20, trailingEntries: 0, heldLogBytesMax: 0 })
    const [a, , c] = await cluster.three()
    await cluster.settle(a.store.put('k', 0))
    await cluster.run(1000)
    const words = told(c.store.watch({ prefix: 'k', resync: true }))
    const plain = told(c.store.watch({ prefix: 'k' }))
    await cluster.run(1000)
    cluster.network.partition(['c'], ['a', 'b'])
    for (let i = 1; i < 60; i++) await cluster.settle(a.store.put('k', i))
    cluster.network.heal()
    await cluster.run(10_000)
    const { revision } = await cluster.settle(a.store.put('k', 60))
    await cluster.run(100)
    const [, first] = /^reset COMPACTED k=(\d+)@/.exec(`${words[1]}`) ?? []
    const later = words.slice(2).map(word => word.slice(0, word.indexOf('@')))
    assert.deepEqual(
      later,
      Array.from({ length: 60 - Number(first) }, (_, i) => `k=${Number(first) + 1 + i}`),
    )
    assert.equal(words.at(-1), `k=60@${revision}`)
    assert.deepEqual(plain, ['COMPACTED'])
  })

  test('begins with the state where the history from its beginning is gone', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 5, trailingEntries: 1 })
    const { store } = await cluster.open('a')
    for (let i = 0; i < 20; i++) await cluster.settle(store.put('k', i))
    await cluster.run(100)
    cluster.crash('a')
    const again = await cluster.open('a')
    const words = told(again.store.watch({ from: 1, resync: true }))
    await cluster.run(100)
    assert.match(`${words}`, /^reset COMPACTED k=(19|.*,k=19)@\d+$/)
  })

  test('is over once it was left: neither what waits nor an error comes then, and who waits is told', async () => {
    const cluster = new TestCluster()
    const hosts = [await cluster.open('a'), await cluster.open('z', { role: 'client' })]
    const done = { done: true, value: undefined }
    for (const { store } of hosts) {
      const left = store.watch()
      const waits = store.watch({ key: 'never' })
      const readers = [waits.next(), waits.next()]
      const log = store.entries({ from: 2 })
      await cluster.settle(store.put('k', 1))
      const { revision } = await cluster.settle(store.put('k', 2))
      await cluster.run(100)
      assert.equal((await cluster.settle(left.next())).value?.value, 1)
      for (const watch of [left, waits, log]) {
        assert.deepEqual(await watch.return(), done)
        assert.deepEqual(await cluster.settle<unknown>(watch.next()), done)
      }
      assert.deepEqual(await Promise.all(readers), [done, done])
      assert.equal(left.revision, revision - 1, 'where another one goes on')
    }
    const { store } = hosts[0] as TestHost
    const ending = new AbortController()
    const watches = [store.watch({ signal: ending.signal }), store.entries({ signal: ending.signal })]
    ending.abort(new Error('of the signal'))
    for (const watch of watches) {
      await watch.return()
      assert.deepEqual(await cluster.settle<unknown>(watch.next()), done)
    }
  })

  test('ends by its signal while it waits for the state', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 1))
    cluster.network.partition(['z'], ['a'])
    const controller = new AbortController()
    const watch = store.watch({ resync: true, signal: controller.signal })
    const next = watch.next()
    await cluster.run(20_000)
    controller.abort(new Error('enough'))
    await assert.rejects(cluster.settle(next), /enough/)
  })
})

describe('what a reader gets', () => {
  test('is its own: no other reader sees what it does to a value', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const [one, other] = [store.watch<number[]>(), store.watch<number[]>()]
    await cluster.settle(store.put('k', [1]))
    const first = (await one.next()).value
    first?.value?.push(2)
    assert.deepEqual((await other.next()).value?.value, [1])
    assert.deepEqual(await cluster.settle(store.get('k')), [1])
  })

  test('says since when a key is there, how often it was written and with which lease, on a client, too', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store: client } = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.get('k'))
    const watches = [a.store.watch(), client.watch()]
    await cluster.run(100)
    const lease = await cluster.settle(a.store.lease(60_000))
    const { revision: createRevision } = await cluster.settle(a.store.put('k', 1))
    const { revision } = await cluster.settle(a.store.put('k', 2, { lease: lease.id }))
    for (const watch of watches) {
      await cluster.settle(watch.next())
      const { value } = await cluster.settle(watch.next())
      const expected = { key: 'k', value: 2, createRevision, version: 2, lease: lease.id }
      assert.deepEqual(value, { type: 'put', revision, last: true, ...expected })
    }
  })
})

test('what is told has the value of its type, to the compiler as well', async () => {
  const cluster = new TestCluster()
  const { store } = await cluster.open('a')
  const watch = store.watch<{ readonly name: string }>()
  await cluster.settle(store.put('k', { name: 'Ada' }))
  await cluster.settle(store.delete('k'))
  const names: (string | undefined)[] = []
  for await (const event of watch) {
    if (event.type === 'put') names.push(event.value.name)
    else {
      names.push(event.value satisfies undefined)
      break
    }
  }
  assert.deepEqual(names, ['Ada', undefined])
})
