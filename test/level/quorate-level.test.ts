import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Store } from '../../src/engine/store/store.ts'
import type { StoreView } from '../../src/engine/transactions/store-view.ts'
import { toBytes, toKey } from '../../src/level/byte-keys.ts'
import { QuorateLevel, type QuorateLevelOptions } from '../../src/level/index.ts'
import { TestCluster } from '../engine/cluster.ts'

const binary = { keyEncoding: 'view', valueEncoding: 'view' } as const

/** An open database, and the cluster that waits for it. */
async function opened<Key = string, Value = string>(
  cluster: TestCluster,
  store: Store,
  options: QuorateLevelOptions<Key, Value> = {},
): Promise<QuorateLevel<Key, Value>> {
  const db = new QuorateLevel<Key, Value>(store, options)
  await cluster.settle(db.open())
  return db
}

const coded = (code: string) => (error: { code?: string }) => error.code === code

describe('keys', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.array(fc.constantFrom(0, 1, 255), { maxLength: 4 }).map(units => Uint8Array.from(units)),
  )

  test('of bytes become strings of the same order, none of them empty, and back', () => {
    fc.assert(
      fc.property(bytes, bytes, (left, right) => {
        const [first, second] = [toKey(left), toKey(right)]
        assert.notEqual(first, '')
        assert.deepEqual(toBytes(first), left)
        assert.equal(Math.sign(Buffer.compare(left, right)), first < second ? -1 : first > second ? 1 : 0)
      }),
    )
  })

  test('have at most 1017 bytes in the table of the default name; longer ones are TOO_LARGE', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const db = await opened(cluster, store)
    const longest = 'k'.repeat(1017)
    await cluster.settle(db.put(longest, 'v'))
    assert.equal(await cluster.settle(db.get(longest)), 'v')
    for (const key of [`${longest}k`, 'k'.repeat(1_000_000)]) {
      await assert.rejects(cluster.settle(db.put(key, 'v')), coded('TOO_LARGE'))
      await assert.rejects(cluster.settle(db.get(key)), coded('TOO_LARGE'))
    }
  })

  test('may be bounded by what is longer than any of them', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const db = await opened(cluster, store)
    const longest = 'k'.repeat(1017)
    const long = 'k'.repeat(5000)
    await cluster.settle(db.batch(['a', longest, 'z'].map(key => ({ type: 'put', key, value: key }))))
    const keys = async (range: object) => cluster.settle(db.keys(range).all())
    assert.deepEqual(await keys({ gt: long }), ['z'])
    assert.deepEqual(await keys({ gte: long, reverse: true }), ['z'])
    assert.deepEqual(await keys({ lt: long }), ['a', longest])
    assert.deepEqual(await keys({ lte: long, reverse: true }), [longest, 'a'])
    const iterator = db.keys()
    iterator.seek(long)
    assert.equal(await cluster.settle(iterator.next()), 'z')
    await iterator.close()
  })

  test('that were written past the adapter are an error, where they are none of its own', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const db = await opened(cluster, store)
    await cluster.settle(store.table('level').put('é€', 'foreign'))
    await assert.rejects(cluster.settle(db.keys().all()), /quorate\/level/)
  })
})

describe('an iterator', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ type: fc.constant('next' as const) }),
      fc.record({ type: fc.constant('nextv' as const), size: fc.integer({ min: 1, max: 90 }) }),
      fc.record({ type: fc.constant('seek' as const), to: fc.integer({ min: 195, max: 405 }) }),
    ),
    { maxLength: 12 },
  )
  const range = fc.record(
    {
      gt: fc.integer({ min: 195, max: 405 }),
      gte: fc.integer({ min: 195, max: 405 }),
      lt: fc.integer({ min: 195, max: 405 }),
      lte: fc.integer({ min: 195, max: 405 }),
      reverse: fc.boolean(),
      limit: fc.integer({ min: 0, max: 200 }),
    },
    { requiredKeys: [] },
  )

  test('steps, takes many and seeks as one over a sorted list does', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    const db = await opened(cluster, store)
    const all = Array.from({ length: 200 }, (_, index) => String(200 + index))
    await cluster.settle(db.batch(all.map(key => ({ type: 'put', key, value: key }))))
    const property = fc.asyncProperty(range, steps, async (given, taken) => {
      const { gt, gte, lt, lte, reverse = false, limit } = given
      const bounds = Object.fromEntries(
        Object.entries({ gt, gte, lt, lte }).flatMap(([name, to]) => (to ? [[name, String(to)]] : [])),
      )
      const within = (key: number) =>
        (gte !== undefined ? key >= gte : gt === undefined || key > gt) &&
        (lte !== undefined ? key <= lte : lt === undefined || key < lt)
      const ordered = all.filter(key => within(Number(key)))
      if (reverse) ordered.reverse()
      let place = 0
      let left = limit ?? Number.POSITIVE_INFINITY
      const take = (size: number) => {
        const keys = ordered.slice(place, place + Math.min(size, left))
        place += keys.length
        left -= keys.length
        return keys
      }
      const iterator = db.keys({ ...bounds, reverse, ...(limit !== undefined && { limit }) })
      for (const step of taken) {
        if (step.type === 'next') assert.equal(await cluster.settle(iterator.next()), take(1)[0])
        else if (step.type === 'nextv')
          assert.deepEqual(await cluster.settle(iterator.nextv(step.size)), take(step.size))
        else {
          iterator.seek(String(step.to))
          const found = ordered.findIndex(key => (reverse ? Number(key) <= step.to : Number(key) >= step.to))
          place = within(step.to) && found >= 0 ? found : ordered.length
        }
      }
      assert.deepEqual(await cluster.settle(iterator.all()), take(Number.POSITIVE_INFINITY))
    })
    await fc.assert(property, { numRuns: 60 })
  })

  test('does not see what its database writes after it was made, however far the leader is', async () => {
    const cluster = new TestCluster()
    const [, follower] = await cluster.three()
    const client = await cluster.open('z', { role: 'client' })
    for (const { store, name } of [follower, client]) {
      const db = await opened(cluster, store, { table: name })
      await cluster.settle(db.put('k', 'before'))
      const iterator = db.iterator()
      const snapshot = db.snapshot()
      const written = Promise.all([
        db.put('k', 'after'),
        db.batch([{ type: 'put', key: 'j', value: 'after' }]),
        db.del('x'),
      ])
      await cluster.settle(written)
      assert.deepEqual(await cluster.settle(iterator.all()), [['k', 'before']])
      assert.equal(await cluster.settle(db.get('k', { snapshot })), 'before')
      assert.deepEqual(await cluster.settle(db.hasMany(['j', 'k'], { snapshot })), [false, true])
      await cluster.settle(db.clear({ snapshot }))
      assert.deepEqual(await cluster.settle(db.iterator().all()), [['j', 'after']])
      await snapshot.close()
    }
  })

  test('reads many pages of one moment', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const db = await opened(cluster, store)
    const keys = Array.from({ length: 5000 }, (_, index) => `k${String(index).padStart(4, '0')}`)
    await cluster.settle(db.batch(keys.map(key => ({ type: 'put', key, value: key }))))
    const iterator = db.keys()
    const first = await cluster.settle(iterator.next())
    await cluster.settle(db.clear())
    assert.deepEqual([first, ...(await cluster.settle(iterator.all()))], keys)
    assert.deepEqual(await cluster.settle(db.keys().all()), [])
  })

  test('of a client ends with VIEW_EXPIRED when it was not used for long', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    const db = await opened(cluster, store)
    await cluster.settle(db.batch(Array.from('abc', key => ({ type: 'put', key, value: key }))))
    const iterator = db.keys()
    await cluster.settle(iterator.nextv(1))
    await cluster.run(120_000)
    await assert.rejects(cluster.settle(iterator.nextv(1)), coded('VIEW_EXPIRED'))
    await iterator.close()
  })

  test('that is aborted while it waits rejects with LEVEL_ABORTED', async () => {
    const cluster = new TestCluster()
    const [, follower] = await cluster.three()
    const db = await opened(cluster, follower.store)
    const control = new AbortController()
    const iterator = db.keys({ signal: control.signal })
    const next = iterator.next()
    control.abort()
    await assert.rejects(
      next,
      (error: { code?: string; name: string }) =>
        error.code === 'LEVEL_ABORTED' && error.name === 'AbortError',
    )
    await iterator.close()
  })
})

describe('a database', () => {
  test('sees at once what was written through another host', async () => {
    const cluster = new TestCluster()
    const [leader, follower] = await cluster.three()
    const client = await cluster.open('z', { role: 'client' })
    const dbs = await Promise.all([leader, follower, client].map(({ store }) => opened(cluster, store)))
    for (const [number, writer] of dbs.entries()) {
      await cluster.settle(writer.put('k', `v${number}`))
      for (const reader of dbs) {
        assert.equal(await cluster.settle(reader.get('k')), `v${number}`)
        assert.deepEqual(await cluster.settle(reader.getMany(['k', 'l'])), [`v${number}`, undefined])
        assert.deepEqual(await cluster.settle(reader.values().all()), [`v${number}`])
      }
    }
  })

  test('with session reads asks nobody, and sees what it wrote itself', async () => {
    const cluster = new TestCluster()
    const [, follower] = await cluster.three()
    const db = await opened(cluster, follower.store, { consistency: 'session' })
    for (let number = 0; number < 10; number++) {
      await cluster.settle(db.put('k', String(number)))
      const before = cluster.timers.now()
      assert.equal(await cluster.settle(db.get('k')), String(number))
      assert.deepEqual(await cluster.settle(db.values().all()), [String(number)])
      assert.equal(cluster.timers.now(), before, 'no time passed')
    }
  })

  test('takes no other consistency, and no name that is none', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const stale = { consistency: 'stale' } as unknown as QuorateLevelOptions
    assert.throws(() => new QuorateLevel(store, stale), TypeError)
    assert.throws(() => new QuorateLevel(store, { table: 'a/b' }), TypeError)
  })

  test('writes a batch at one revision, as others watch it', async () => {
    const cluster = new TestCluster()
    const [leader, follower] = await cluster.three()
    const db = await opened(cluster, leader.store)
    await cluster.settle(db.put('c', '0'))
    await cluster.settle(follower.store.ready())
    const watch = follower.store.table('level').watch()
    const batch = db.batch().put('a', '1').put('b', '2').del('c').put('a', '3')
    await cluster.settle(batch.write())
    const events = []
    for (let number = 0; number < 3; number++) {
      const { value } = await cluster.settle(watch.next())
      assert.ok(value !== undefined)
      events.push(value)
    }
    assert.deepEqual(events.map(({ type, key }) => `${type} ${key}`).sort(), ['delete c', 'put a', 'put b'])
    assert.equal(new Set(events.map(({ revision }) => revision)).size, 1)
    assert.deepEqual(await cluster.settle(db.iterator().all()), [
      ['a', '3'],
      ['b', '2'],
    ])
    watch.close()
  })

  test('writes nothing of what is too large for one entry', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const db = await opened<Uint8Array, Uint8Array>(cluster, store, binary)
    const put = (size: number) => (_: unknown, index: number) => ({
      type: 'put' as const,
      key: Uint8Array.of(index >> 8, index & 255),
      value: new Uint8Array(size),
    })
    const tooLarge = [
      Array.from({ length: 9 }, put(1024 * 1024 - 10)),
      Array.from({ length: 10_001 }, put(0)),
      Array.from({ length: 1 }, put(1024 * 1024 + 1)),
    ]
    for (const batch of tooLarge)
      await assert.rejects(cluster.settle(db.batch(batch)), coded('TOO_LARGE'), `${batch.length}`)
    assert.deepEqual(await cluster.settle(db.keys().all()), [])
    await cluster.settle(db.batch(Array.from({ length: 10_000 }, put(0))))
    assert.equal((await cluster.settle(db.keys().all())).length, 10_000)
  })

  test('clears more than one entry of the log can', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const db = await opened(cluster, store)
    const keys = Array.from({ length: 12_000 }, (_, index) => `k${String(index).padStart(5, '0')}`)
    for (const half of [keys.slice(0, 6000), keys.slice(6000)])
      await cluster.settle(db.batch(half.map(key => ({ type: 'put', key, value: '' }))))
    await cluster.settle(db.clear({ limit: 1500, reverse: true }))
    assert.deepEqual(await cluster.settle(db.keys().all()), keys.slice(0, -1500))
    await cluster.settle(db.clear({ gte: 'k00001' }))
    assert.deepEqual(await cluster.settle(db.keys().all()), ['k00000'])
  })

  test('says what the store says, when there is no quorum', async () => {
    const cluster = new TestCluster()
    const [leader] = await cluster.three()
    const db = await opened(cluster, leader.store, { deadlineMs: 3000 })
    await cluster.settle(db.put('k', 'v'))
    cluster.crash('b')
    cluster.crash('c')
    await assert.rejects(cluster.settle(db.put('k', 'w')), coded('OUTCOME_UNKNOWN'))
    await assert.rejects(cluster.settle(db.get('k')), coded('NO_LEADER'))
    const iterator = db.iterator()
    await assert.rejects(cluster.settle(iterator.next()), coded('NO_LEADER'))
    await iterator.close()
    const snapshot = db.snapshot()
    await assert.rejects(cluster.settle(db.get('k', { snapshot })), coded('NO_LEADER'))
    await snapshot.close()
    await db.close()
  })

  test('leaves the store open when it is closed, and goes with it', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const db = await opened(cluster, store)
    await cluster.settle(db.put('k', 'v'))
    const snapshot = db.snapshot()
    await cluster.settle(db.close())
    await assert.rejects(db.get('k', { snapshot }), coded('LEVEL_DATABASE_NOT_OPEN'))
    await cluster.settle(store.put('k', 'v'))
    await cluster.settle(db.open())
    assert.equal(await cluster.settle(db.get('k')), 'v')
    await cluster.settle(store.close())
    await assert.rejects(cluster.settle(db.get('k')), coded('CLOSED'))
    await assert.rejects(cluster.settle(db.put('k', 'v')), coded('CLOSED'))
    await cluster.settle(db.close())
  })

  test('takes every value of every encoding, and its sublevels are apart', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const db = await opened<string, unknown>(cluster, store, { valueEncoding: 'json' })
    const users = db.sublevel<string, Uint8Array>('users', { valueEncoding: 'view' })
    await cluster.settle(
      db.batch([
        { type: 'put', key: 'ü', value: { of: ['json', null] } },
        { type: 'put', key: 'ada', value: Uint8Array.of(0, 255), sublevel: users, valueEncoding: 'view' },
      ]),
    )
    assert.deepEqual(await cluster.settle(db.get('ü')), { of: ['json', null] })
    assert.deepEqual(await cluster.settle(users.get('ada')), Uint8Array.of(0, 255))
    assert.deepEqual(await cluster.settle(users.keys().all()), ['ada'])
    await cluster.settle(users.clear())
    assert.deepEqual(await cluster.settle(db.keys().all()), ['ü'])
  })
})

test('writes of one key go on in their order, wherever between two steps of a view that opens they come', async () => {
  const cluster = new TestCluster()
  const { store } = await cluster.open('a')
  const db = await opened(cluster, store)
  for (let steps = 0; steps < 40; steps++) {
    const iterator = db.iterator()
    const { view } = (iterator as unknown as { pages: { view: Promise<StoreView> } }).pages
    const first = db.put('k', 'first')
    const second = (async () => {
      await view
      for (let step = 0; step < steps; step++) await undefined
      await db.put('k', 'second')
    })()
    await cluster.settle(Promise.all([first, second]))
    await cluster.settle(iterator.close())
    assert.equal(await cluster.settle(db.get('k')), 'second', `${steps} steps`)
  }
})
