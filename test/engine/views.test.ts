import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { readKeysMax, viewIdleMs, viewLifeMs, viewsPerClientMax } from '../../src/core/limits.ts'
import { answerTo } from '../../src/engine/query/read-query.ts'
import type { StoreView } from '../../src/engine/transactions/store-view.ts'
import type { Consistency } from '../../src/engine/types.ts'
import { TestCluster, type TestHost } from './cluster.ts'

type Place = 'leader' | 'follower' | 'learner' | 'client'
const places: readonly Place[] = ['leader', 'follower', 'learner', 'client']

/** Three voters, and the host in whose place something is tried. */
async function at(place: Place) {
  const cluster = new TestCluster()
  const [a, b] = await cluster.three()
  const host =
    place === 'leader'
      ? a
      : place === 'follower'
        ? b
        : await cluster.open('z', { role: place === 'client' ? 'client' : 'member' })
  return { cluster, leader: a, ...host }
}

async function all<Value>(iterable: AsyncIterable<Value>): Promise<Value[]> {
  const values: Value[] = []
  for await (const value of iterable) values.push(value)
  return values
}

function backwards<Value>(values: readonly Value[]): Value[] {
  return [...values].reverse()
}

function isCode(code: Parameters<typeof isQuorateError>[1]) {
  return (error: unknown) => isQuorateError(error, code)
}

for (const place of places) {
  describe(`a view, on a ${place}`, () => {
    test('shows one revision whatever is written after it', async () => {
      const { cluster, store, leader } = await at(place)
      const { settle } = { settle: cluster.settle.bind(cluster) }
      await settle(store.put('a', 1))
      const { revision } = await settle(store.put('b', { x: 1 }))
      await settle(store.table('t').put('a', 'in t'))
      const view = await settle(store.read())
      await settle(leader.store.put('a', 2))
      await settle(leader.store.delete('b'))
      await settle(leader.store.put('c', 3))
      assert.equal(await settle(view.get('a')), 1)
      assert.deepEqual(await settle(view.getMany(['b', 'c', 'a'])), [{ x: 1 }, undefined, 1])
      const entry = { key: 'b', value: { x: 1 }, createRevision: revision, modRevision: revision, version: 1 }
      assert.deepEqual(await settle(view.entry('b')), entry)
      assert.equal(await settle(view.entry('c')), undefined)
      assert.equal(await settle(view.count()), 2)
      assert.equal(await settle(view.count({ gt: 'a' })), 1)
      assert.deepEqual(
        (await settle(view.scan())).map(({ key }) => key),
        ['a', 'b'],
      )
      assert.deepEqual((await settle(view.scan({ reverse: true, limit: 1 })))[0], entry)
      assert.equal(await settle(view.table('t').get('a')), 'in t')
      assert.equal(await settle(view.table('t').count()), 1)
      assert.ok(view.revision > revision)
      view.close()
      await assert.rejects(settle(view.get('a')), isCode('CLOSED'))
      await assert.rejects(settle(view.get('a')), isCode('CLOSED'), 'closed twice is closed')
      assert.equal(await settle(store.get('a')), 2)
    })

    test('is read page by page, forwards and backwards, behind any bounds', async () => {
      const { cluster, store, leader } = await at(place)
      const names = Array.from({ length: 1500 }, (_, number) => `k${10_000 + number}`)
      for (let start = 0; start < names.length; start += 500) {
        const success = names
          .slice(start, start + 500)
          .map(key => ({ type: 'put', key, value: key, table: 't' }) as const)
        await cluster.settle(leader.store.txn({ success }))
      }
      const view = await cluster.settle(store.table('t').read())
      await cluster.settle(leader.store.table('t').deleteRange({ gte: 'k105' }))
      const keys = async (range: Parameters<StoreView['iterate']>[0]) =>
        (await cluster.settle(all(view.iterate(range)))).map(({ key }) => key)
      assert.deepEqual(await keys({}), names)
      assert.deepEqual(await keys({ reverse: true }), backwards(names))
      assert.deepEqual(await keys({ prefix: 'k1' }), names)
      assert.deepEqual(
        await keys({ prefix: 'k1', reverse: true, limit: 1200 }),
        backwards(names).slice(0, 1200),
      )
      assert.deepEqual(await keys({ gt: 'k10003', lte: 'k11300' }), names.slice(4, 1301))
      assert.deepEqual(
        await keys({ gte: 'k10003', lt: 'k11300', reverse: true }),
        backwards(names.slice(3, 1300)),
      )
      assert.deepEqual(await keys({ limit: 0 }), [])
      assert.deepEqual(await keys({ limit: 1000 }), names.slice(0, 1000))
      assert.equal((await cluster.settle(view.scan())).length, 1500)
    })

    test('gives values that are nobody else’s', async () => {
      const { cluster, store } = await at(place)
      await cluster.settle(store.put('a', { list: [1], bytes: new Uint8Array([1]) }))
      const view = await cluster.settle(store.read())
      const first = await cluster.settle(view.get<{ list: number[]; bytes: Uint8Array }>('a'))
      first?.list.push(2)
      first?.bytes.fill(9)
      const kept = { list: [1], bytes: new Uint8Array([1]) }
      assert.deepEqual(await cluster.settle(view.get('a')), kept)
      if (view.local !== undefined) assert.deepEqual(view.local.get('a'), kept)
    })

    test('ends with its store, its deadline and its signal', async () => {
      const { cluster, store } = await at(place)
      const view = await cluster.settle(store.read())
      const reason = new Error('enough')
      const signal = AbortSignal.abort(reason)
      await assert.rejects(cluster.settle(view.get('a', { signal })), reason)
      await assert.rejects(cluster.settle(store.read({ signal })), reason)
      await assert.rejects(cluster.settle(view.scan({ limit: -1 })), TypeError)
      await assert.rejects(cluster.settle(view.get('')), TypeError)
      await assert.rejects(
        cluster.settle(view.getMany(Array(readKeysMax + 1).fill('a'))),
        isCode('TOO_LARGE'),
      )
      await cluster.settle(store.close())
      await assert.rejects(cluster.settle(view.get('a')), isCode('CLOSED'))
    })
  })

  describe(`reads, on a ${place}`, () => {
    const consistencies: readonly Consistency[] = ['linearizable', 'lease', 'session']

    test('of many keys and of numbers are of one moment, at any consistency', async () => {
      const { cluster, store } = await at(place)
      for (const key of ['a', 'b', 'c']) await cluster.settle(store.table('t').put(key, key))
      for (const consistency of consistencies) {
        const table = store.table('t')
        const options = { consistency }
        assert.deepEqual(await cluster.settle(table.getMany(['c', 'x', 'a'], options)), ['c', undefined, 'a'])
        assert.equal(await cluster.settle(table.count({ gte: 'b' }, options)), 2)
        assert.equal(await cluster.settle(table.count({}, options)), 3)
        assert.equal(await cluster.settle(store.count({}, options)), 0)
        assert.equal(await cluster.settle(table.get('b', options)), 'b')
        assert.equal(await cluster.settle((await cluster.settle(table.read(options))).count()), 3)
      }
      const wrong = { consistency: 'fast' as 'stale' }
      await assert.rejects(cluster.settle(store.get('a', wrong)), TypeError)
      await assert.rejects(cluster.settle(store.count({}, wrong)), TypeError)
      await assert.rejects(cluster.settle(store.read(wrong)), TypeError)
    })

    test('that are linearizable see what was acknowledged elsewhere', async () => {
      const { cluster, store, leader } = await at(place)
      await cluster.settle(leader.store.put('a', 1))
      assert.equal(await cluster.settle(store.get('a')), 1)
      await cluster.settle(leader.store.put('a', 2))
      assert.deepEqual(await cluster.settle(store.getMany(['a'])), [2])
      await cluster.settle(leader.store.put('b', 2))
      assert.equal(await cluster.settle(store.count()), 2)
      await cluster.settle(leader.store.put('c', 2))
      assert.equal(await cluster.settle((await cluster.settle(store.read())).get('c')), 2)
    })
  })
}

describe('a view of a state that is here', () => {
  test('answers without waiting, also when its store is closed', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    for (const key of ['a', 'b', 'c']) await cluster.settle(store.put(key, key))
    await cluster.settle(store.table('t').put('d', 'd'))
    const view = await cluster.settle(store.read())
    const { local } = view
    assert.ok(local !== undefined)
    assert.equal(local.get('a'), 'a')
    assert.deepEqual(local.getMany(['c', 'x']), ['c', undefined])
    assert.equal(local.entry('b')?.version, 1)
    assert.equal(local.count({ lt: 'c' }), 2)
    assert.deepEqual(
      local.scan({ reverse: true, limit: 2 }).map(({ key }) => key),
      ['c', 'b'],
    )
    assert.deepEqual(
      [...local.iterate({ gt: 'a' })].map(({ key }) => key),
      ['b', 'c'],
    )
    assert.equal(local.table('t').get('d'), 'd')
    assert.throws(() => local.get(''), TypeError)
    assert.throws(() => local.iterate({ limit: 0.5 }), TypeError)
    await cluster.settle(store.close())
    assert.equal(local.get('a'), 'a')
    const other = view.table('t')
    view[Symbol.dispose]()
    assert.throws(() => local.get('a'), isCode('CLOSED'))
    assert.throws(() => local.table('t').count(), isCode('CLOSED'))
    assert.throws(() => other.local?.count(), isCode('CLOSED'), 'a table of it is closed, too')
  })

  test('lets others have their turn between its pages', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    for (let page = 0; page < 3; page++) {
      const success = Array.from({ length: 1000 }, (_, number) => ({
        ...{ type: 'put', key: `${page}/${number}`, value: 1 },
      })) as { type: 'put'; key: string; value: number }[]
      await cluster.settle(store.txn({ success }))
    }
    const view = await cluster.settle(store.read())
    // Jobs of promises alone must not get it to its end.
    let isDone = false
    const scan = view.scan().then(entries => {
      isDone = true
      return entries.length
    })
    await new Promise(resolve => process.nextTick(resolve))
    assert.equal(isDone, false)
    assert.equal(await cluster.settle(scan), 3000)
  })
})

describe('a view of a client', () => {
  async function opened(): Promise<{ cluster: TestCluster; z: TestHost; view: StoreView; gateway: string }> {
    const cluster = new TestCluster()
    await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    await cluster.settle(z.store.put('k', 1))
    let gateway = ''
    cluster.tap = (from, to, lane) => {
      if (from === 'z' && lane === 'log') gateway = to
      return true
    }
    const view = await cluster.settle(z.store.read())
    return { cluster, z, view, gateway }
  }

  test('is held for it, and answers though another gateway would have gone on', async () => {
    const { cluster, z, view } = await opened()
    await cluster.settle(z.store.put('k', 2))
    assert.equal(view.local, undefined)
    assert.equal(await cluster.settle(view.get('k')), 1)
  })

  test('expires with the connection to the host that holds it', async () => {
    const { cluster, z, view, gateway } = await opened()
    cluster.network.partition(['z'], [gateway])
    await assert.rejects(cluster.settle(view.get('k')), isCode('VIEW_EXPIRED'))
    cluster.network.heal()
    await cluster.run(5000)
    await assert.rejects(cluster.settle(view.get('k')), isCode('VIEW_EXPIRED'), 'nor does it come back')
    assert.equal(await cluster.settle((await cluster.settle(z.store.read())).get('k')), 1)
  })

  test('expires while a page of it is under way when its host crashes', async () => {
    const { cluster, view, gateway } = await opened()
    const read = view.get('k')
    cluster.crash(gateway)
    await assert.rejects(cluster.settle(read), isCode('VIEW_EXPIRED'))
  })

  test('expires when its host closes the store', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    const view = await cluster.settle(z.store.read())
    await cluster.settle(a.store.close())
    await assert.rejects(cluster.settle(view.get('k')), isCode('VIEW_EXPIRED'))
  })

  test('expires when nothing is asked of it for a while, and not while something is', async () => {
    const { cluster, view } = await opened()
    for (let i = 0; i < 4; i++) {
      await cluster.run(viewIdleMs * 0.8)
      assert.equal(await cluster.settle(view.get('k')), 1)
    }
    await cluster.run(viewIdleMs * 1.1)
    await assert.rejects(cluster.settle(view.get('k')), isCode('VIEW_EXPIRED'))
  })

  test('expires at its longest time, however much it is used', async () => {
    const { cluster, view } = await opened()
    for (let ms = 0; ms < viewLifeMs; ms += viewIdleMs / 2) {
      await cluster.settle(view.get('k'))
      await cluster.run(viewIdleMs / 2)
    }
    await assert.rejects(cluster.settle(view.get('k')), isCode('VIEW_EXPIRED'))
  })

  test('waits for a lost answer, and asks the same host again', async () => {
    const { cluster, view, gateway } = await opened()
    let lost = 0
    cluster.tap = (from, to) => from !== gateway || to !== 'z' || lost++ >= 1
    assert.equal(await cluster.settle(view.get('k')), 1)
    assert.ok(lost > 1)
  })

  test('is one of a bounded number, in which a closed one makes room', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    const views: StoreView[] = []
    while (views.length < viewsPerClientMax) views.push(await cluster.settle(z.store.read()))
    await assert.rejects(cluster.settle(z.store.read({ deadlineMs: 500 })), isCode('SYSTEM_BUSY'))
    const y = await cluster.open('y', { role: 'client' })
    await cluster.settle(y.store.read())
    views.pop()?.close()
    await cluster.run(1000)
    await cluster.settle(z.store.read())
    for (const view of views) assert.equal(await cluster.settle(view.count()), 0)
  })

  test('is no burden any more to a host that its client lost', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    for (let count = 0; count < viewsPerClientMax; count++) await cluster.settle(z.store.read())
    cluster.network.partition(['z'], ['a'])
    await cluster.run(5000)
    cluster.network.heal()
    await cluster.run(5000)
    await cluster.settle(z.store.read({ deadlineMs: 2000 }))
  })

  test('cannot be read or closed by another client', async () => {
    const { cluster, view } = await opened()
    const y = await cluster.open('y', { role: 'client' })
    const other = await cluster.settle(y.store.read())
    const held = (of: StoreView) => (of as unknown as { held: { reader: { id: number } } }).held.reader
    const stolen = held(view).id
    held(other).id = stolen
    await assert.rejects(cluster.settle(other.get('k')), isCode('VIEW_EXPIRED'))
    other.close()
    await cluster.run(1000)
    assert.equal(await cluster.settle(view.get('k')), 1)
  })
})

test('a scan that its asker cannot take whole is not collected further', async () => {
  const cluster = new TestCluster()
  const { host, store } = await cluster.open('a')
  for (let i = 0; i < 20; i++) await cluster.settle(store.put(`k${i}`, 'x'.repeat(100)))
  const machine = host.running.get('main')?.machine
  assert.ok(machine !== undefined)
  const rest = { limit: undefined, reverse: false, after: undefined, isPage: false }
  const { items, isWhole } = answerTo({ type: 'scan', bounds: {}, ...rest, bytesMax: 500 }, machine)
  assert.deepEqual([items.length, isWhole], [5, false])
})
