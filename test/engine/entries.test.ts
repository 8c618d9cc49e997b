import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { packed } from '../../src/core/raft/entry-list.ts'
import type { Entry } from '../../src/core/raft/types.ts'
import { AppliedLog } from '../../src/engine/replica/applied-log.ts'
import type { LogStream } from '../../src/engine/store/log-stream.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { absent, type LogEntry } from '../../src/engine/types.ts'
import { TestCluster } from './cluster.ts'

async function gather<Event>(stream: LogStream<Event>, count: number): Promise<Event[]> {
  const events: Event[] = []
  while (events.length < count) {
    const { value, done } = await stream.next()
    if (done) break
    events.push(value)
  }
  return events
}

/** Lets time pass until so many were read. */
function take<Event>(cluster: TestCluster, stream: LogStream<Event>, count: number): Promise<Event[]> {
  return cluster.settle(gather(stream, count))
}

const everything = (cluster: TestCluster, store: Store) =>
  take(cluster, store.entries({ from: 1, to: store.status().applied }), Number.POSITIVE_INFINITY)

const commands = (entries: readonly LogEntry[]) =>
  entries.flatMap(entry => ('key' in entry ? [`${entry.type} ${entry.key}`] : []))

function assertNoGap(entries: readonly LogEntry[], first: number): void {
  assert.deepEqual(
    entries.map(entry => entry.revision),
    entries.map((_, position) => first + position),
  )
}

describe('the entries of a log', () => {
  test('come in order, each once, on every replica and on a client: more than ten thousand of them', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const client = await cluster.open('z', { role: 'client' })
    const stores = [a.store, b.store, c.store, client.store]
    const live = stores.map(store => store.entries({ from: 1 }))
    const following = live.map(stream => gather(stream, 10_500))
    for (let i = 0; i < 10_500; i += 500) {
      const store = stores[(i / 500) % 4] ?? a.store
      await cluster.settle(Promise.all(Array.from({ length: 500 }, (_, j) => store.put(`k${i + j}`, i + j))))
    }
    const [first, ...rest] = await cluster.settle(Promise.all(following))
    assert(first !== undefined)
    assertNoGap(first, 2)
    for (const entries of rest) assert.deepEqual(entries, first)
    assert.equal(new Set(commands(await everything(cluster, b.store))).size, 10_500)
  })

  test('say what was written, by whom, and who became a member', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const b = await cluster.open('b')
    await cluster.settle(b.store.put('k', { n: 1 }))
    await cluster.settle(a.store.insert('k', 2))
    await cluster.settle(a.store.compareAndSwap('k', { n: 1 }, absent))
    await cluster.settle(a.store.delete('k'))
    await cluster.settle(a.store.barrier())
    await cluster.settle(b.store.get('k'))
    const shown = (await everything(cluster, b.store))
      .filter(entry => entry.type !== 'none')
      .map(({ revision, term, ...entry }) => entry)
    assert.deepEqual(shown, [
      {
        type: 'members',
        host: undefined,
        members: (await cluster.settle(a.store.members())).filter(member => member.hostId === 'b'),
        removed: [],
      },
      { type: 'put', host: 'b', key: 'k', value: { n: 1 } },
      { type: 'insert', host: 'a', key: 'k', value: 2 },
      { type: 'compareAndSwap', host: 'a', key: 'k', expected: { n: 1 }, next: absent },
      { type: 'delete', host: 'a', key: 'k' },
    ])
  })

  test('show a command once that was logged twice', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.put('first', 0))
    const before = (await everything(cluster, a.store)).length
    const puts = Array.from({ length: 20 }, (_, i) => b.store.put(`k${i}`, i, { deadlineMs: 30_000 }))
    // They are committed; b hears nothing of it, and hands them on again.
    await cluster.run(1)
    for (const from of ['a', 'c']) cluster.network.cut(from, 'b')
    await cluster.run(3000)
    cluster.network.heal()
    await cluster.settle(Promise.all(puts))
    await cluster.run(1000)
    const entries = await everything(cluster, a.store)
    assertNoGap(entries, 2)
    assert(entries.length >= before + 40, 'the commands were logged twice')
    const expected = ['put first', ...Array.from({ length: 20 }, (_, i) => `put k${i}`)]
    assert.deepEqual(commands(entries), expected)
    assert.deepEqual(await everything(cluster, b.store), entries)
  })

  test('begin with what comes after the call, and end where they are told to', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    await cluster.settle(store.put('before', 0))
    const { applied } = store.status()
    const stream = store.entries({ to: applied + 2 })
    for (const key of ['x', 'y', 'z']) await cluster.settle(store.put(key, 0))
    assert.deepEqual(commands(await take(cluster, stream, 10)), ['put x', 'put y'])
    assert.throws(() => store.entries({ from: 0 }), TypeError)
    assert.throws(() => store.entries({ to: 1.5 }), TypeError)
  })

  test('are waited for where nothing is applied yet', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    await cluster.run(1000)
    for (const name of ['a', 'b', 'c']) cluster.crash(name)
    const host = await cluster.host('a')
    const store = await cluster.settle(host.store('main', { waitForLeader: false }))
    const following = take(cluster, store.entries({ from: 1, to: 2 }), 1)
    await cluster.run(1000)
    await cluster.open('c')
    assert.equal((await cluster.settle(following))[0]?.revision, 2)
  })

  test('that are gone from the replica end the stream, in place of a gap', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 100, trailingEntries: 10 })
    const { store } = await cluster.open('a')
    const slow = store.entries({ from: 2 })
    assert.equal((await take(cluster, slow, 1))[0]?.revision, 2)
    for (let i = 0; i < 300; i++) await cluster.settle(store.put('k', i))
    const read = take(cluster, slow, 300)
    await assert.rejects(read, error => isQuorateError(error, 'COMPACTED'))
    assert.equal((await slow.next()).done, true)
    await assert.rejects(take(cluster, store.entries({ from: 2 }), 1), error =>
      isQuorateError(error, 'COMPACTED'),
    )
    const { applied } = store.status()
    const recent = await take(cluster, store.entries({ from: applied - 5 }), 6)
    assertNoGap(recent, applied - 5)
  })

  test('that a snapshot brought, or an earlier life applied, are gone as well', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 100, trailingEntries: 10 })
    const [a, b] = await cluster.three()
    const stream = b.store.entries()
    cluster.network.partition(['b'], ['a', 'c'])
    // The log is kept for a follower that can be heard.
    await cluster.run(5000)
    for (let i = 0; i < 500; i++) await cluster.settle(a.store.put('k', i))
    cluster.network.heal()
    await cluster.until(() => b.store.status().applied === a.store.status().applied)
    const compacted = (error: unknown) => isQuorateError(error, 'COMPACTED')
    await assert.rejects(take(cluster, stream, 600), compacted)
    cluster.crash('c')
    const c = await cluster.open('c')
    await cluster.settle(c.store.get('k'))
    await assert.rejects(take(cluster, c.store.entries({ from: 2 }), 1), compacted)
    const fresh = c.store.entries()
    await cluster.settle(c.store.put('again', 1))
    assert.deepEqual(commands(await take(cluster, fresh, 2)), ['put again'])
  })

  test('go on at a client when its gateway dies', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    const stream = store.entries({ from: 2 })
    for (let i = 0; i < 10; i++) await cluster.settle(b.store.put(`k${i}`, i))
    const { applied } = b.store.status()
    const before = await take(cluster, stream, applied - 1)
    const waiting = take(cluster, stream, 12)
    cluster.crash('a')
    for (let i = 10; i < 20; i++) await cluster.settle(c.store.put(`k${i}`, i))
    assert.equal(a.store.status().applied, applied)
    const after = await cluster.settle(waiting)
    assertNoGap([...before, ...after], 2)
    assert.deepEqual(
      commands(before),
      Array.from({ length: 10 }, (_, i) => `put k${i}`),
    )
    assert(commands(after).length > 0)
  })

  test('are waited for by a client at one gateway, however long', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    const next = store.broadcasts().next()
    await cluster.run(20_000)
    assert.equal(Reflect.get(Reflect.get(Reflect.get(store, 'calls'), 'backend'), 'failures'), 0)
    await cluster.settle(a.store.broadcast('t', 1))
    assert.equal((await cluster.settle(next)).value?.body, 1)
  })

  test('come to a client from whichever gateway still has them', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 100, trailingEntries: 10 })
    const [a, , c] = await cluster.three()
    for (let i = 0; i < 150; i++) await cluster.settle(a.store.put('k', i))
    // It comes back over its snapshot, and does not know what lies before that.
    cluster.crash('a')
    const again = await cluster.open('a')
    await cluster.settle(again.store.put('k', 'again'))
    const has = (store: Store, from: number) =>
      take(cluster, store.entries({ from, to: from }), 1).then(
        () => true,
        () => false,
      )
    let from = c.store.status().applied
    while (await has(again.store, from)) from -= 1
    assert(await has(c.store, from), 'c keeps a few entries in front of its snapshot')
    for (const name of ['y', 'z']) {
      const { store } = await cluster.open(name, { role: 'client' })
      await cluster.run(1000)
      for (let i = 0; i < 3; i++) assertNoGap(await take(cluster, store.entries({ from }), 20), from)
      const gone = take(cluster, store.entries({ from: 2 }), 1)
      await assert.rejects(gone, error => isQuorateError(error, 'COMPACTED'))
    }
  })

  test('end with the signal, with the store, and with the host', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const reason = new Error('enough')
    const controller = new AbortController()
    const aborted = a.store.entries({ signal: controller.signal })
    const waiting = aborted.next()
    controller.abort(reason)
    await assert.rejects(waiting, error => error === reason)
    assert.equal((await aborted.next()).done, true)

    const ofStore = b.store.entries()
    const last = ofStore.next()
    await b.store.close()
    assert.equal((await last).done, true)
    assert.throws(() => b.store.entries(), /closed/)

    const ofHost = a.store.entries()
    const never = ofHost.next()
    const closing = a.host.close()
    await assert.rejects(cluster.settle(never), error => isQuorateError(error, 'CLOSED'))
    await cluster.settle(closing)
  })
})

describe('what is known of an applied log', () => {
  const entry = (index: number): Entry => ({
    term: 1,
    index,
    type: 'normal',
    data: new Uint8Array([index]),
    change: null,
  })
  const log = {
    entries: (from: number, end: number) =>
      packed(Array.from({ length: end - from }, (_, i) => entry(from + i))),
  }
  const compactedAt = (floor: number) => (error: unknown) =>
    isQuorateError(error, 'COMPACTED') && (error.detail as { floor: number }).floor === floor

  test('begins behind what was not applied here, even where the log goes back further', () => {
    const applied = new AppliedLog(5)
    assert.throws(() => applied.slice(log, 5, 9), compactedAt(5))
    assert.deepEqual(
      applied.slice(log, 6, 9).map(({ index }) => index),
      [6, 7, 8, 9],
    )
    assert.deepEqual(applied.slice(log, 10, 9), [])
    applied.restart(8)
    assert.throws(() => applied.slice(log, 6, 9), compactedAt(8))
  })

  test('forgets what was skipped along with the log', () => {
    const applied = new AppliedLog(1)
    for (const index of [3, 4, 7]) applied.skip(index)
    const lengths = () => applied.slice(log, 5, 8).map(({ data }) => data.length)
    assert.deepEqual(lengths(), [1, 1, 0, 1])
    applied.forget(4)
    assert.deepEqual(lengths(), [1, 1, 0, 1])
    assert.throws(() => applied.slice(log, 4, 8), compactedAt(4))
    assert.deepEqual([...Reflect.get(applied, 'skipped')], [7])
    applied.restart(20)
    assert.deepEqual([...Reflect.get(applied, 'skipped')], [])
  })
})

describe('the log of a witness', () => {
  test('is not told: it holds no content, which is not the same as entries without content', () => {
    const stripped: Entry = { term: 1, index: 3, type: 'stripped', data: new Uint8Array(), change: null }
    const log = { entries: () => packed([stripped]) }
    assert.throws(
      () => new AppliedLog(2).slice(log, 3, 3),
      error => isQuorateError(error, 'UNSUPPORTED'),
    )
  })
})

describe('broadcasts', () => {
  test('are heard once, in one order, by every replica and client, and change nothing', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const client = await cluster.open('z', { role: 'client' })
    await cluster.settle(a.store.put('k', 0))
    const stores = [a.store, b.store, c.store, client.store]
    const heard = stores.map(store => gather(store.broadcasts({ from: 2, topic: 'news' }), 40))
    cluster.network.setFaults({ duplicateRate: 0.5 })
    const sent = stores.flatMap((store, from) =>
      Array.from({ length: 10 }, (_, i) => store.broadcast('news', { from, i })),
    )
    await cluster.settle(a.store.broadcast('other', null))
    const revisions = (await cluster.settle(Promise.all(sent))).map(({ revision }) => revision)
    const [first, ...rest] = await cluster.settle(Promise.all(heard))
    for (const one of rest) assert.deepEqual(one, first)
    assert.deepEqual(
      first?.map(one => one.revision),
      [...revisions].sort((left, right) => left - right),
    )
    assert.equal(new Set(first?.map(one => JSON.stringify(one.body))).size, 40)
    assert.deepEqual(
      first?.filter(one => (one.body as { from: number }).from === 3).map(one => one.host),
      Array(10).fill('z'),
    )
    assert.deepEqual(
      (await cluster.settle(a.store.scan())).map(entry => entry.key),
      ['k'],
    )
  })

  test('wait for a quorum, and take what a value and a key can be', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await cluster.settle(a.store.broadcast('t', 1))
    const stream = a.store.broadcasts()
    cluster.network.partition(['a'], ['b', 'c'])
    const lost = a.store.broadcast('t', 2, { deadlineMs: 1000 })
    await assert.rejects(cluster.settle(lost), error => isQuorateError(error, 'OUTCOME_UNKNOWN'))
    stream.close()
    await assert.rejects(cluster.settle(a.store.broadcast('', 1)), TypeError)
    await assert.rejects(cluster.settle(a.store.broadcast('t', undefined)), TypeError)
    assert.throws(() => a.store.broadcasts({ topic: '' }), TypeError)
  })
})
