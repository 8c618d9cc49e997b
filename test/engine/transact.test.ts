import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isQuorateError } from '../../src/core/error.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { loadTransact } from '../../src/engine/transactions/load-transact.ts'
import { type StoreTransaction, TransactionRecord } from '../../src/engine/transactions/store-transaction.ts'
import { TestCluster } from './cluster.ts'

// Its script comes in real time, which virtual time does not wait for.
await loadTransact()

function isCode(code: Parameters<typeof isQuorateError>[1]) {
  return (error: unknown) => isQuorateError(error, code)
}

/** A store on its own, or a client's at three. */
async function storeOn(
  place: 'member' | 'client',
): Promise<{ cluster: TestCluster; store: Store; other: Store }> {
  const cluster = new TestCluster()
  const [a, b] = await cluster.three()
  if (place === 'member') return { cluster, store: b.store, other: a.store }
  return { cluster, store: (await cluster.open('z', { role: 'client' })).store, other: a.store }
}

for (const place of ['member', 'client'] as const) {
  describe(`transact, on a ${place}`, () => {
    test('writes all at one revision, sees its own writes, and gives what its function gives', async () => {
      const { cluster, store } = await storeOn(place)
      for (const key of ['a', 'b', 'd']) await cluster.settle(store.put(key, key))
      const seen = await cluster.settle(
        store.transact(async tx => {
          const list = async (range = {}) => (await tx.scan(range)).map(({ key, value }) => `${key}=${value}`)
          tx.put('b', 'new')
          tx.put('c', 'c')
          tx.delete('d')
          tx.table('t').put('x', { n: 1 })
          const gone = await tx.entry('d')
          return [
            await tx.get('b'),
            gone,
            await tx.getMany(['c', 'd', 'a']),
            await list(),
            await list({ reverse: true, limit: 2 }),
            await list({ limit: 2 }),
            await list({ gt: 'a', lt: 'c' }),
            await tx.count(),
            await tx.count({ prefix: 'a' }),
            await tx.table('t').get('x'),
            (await tx.entry('c'))?.modRevision,
          ]
        }),
      )
      assert.deepEqual(seen, [
        'new',
        undefined,
        ['c', undefined, 'a'],
        ['a=a', 'b=new', 'c=c'],
        ['c=c', 'b=new'],
        ['a=a', 'b=new'],
        ['b=new'],
        3,
        1,
        { n: 1 },
        0,
      ])
      const entries = await cluster.settle(store.scan())
      assert.deepEqual(
        entries.map(({ key, value }) => [key, value]),
        [
          ['a', 'a'],
          ['b', 'new'],
          ['c', 'c'],
        ],
      )
      const x = await cluster.settle(store.table('t').entry('x'))
      assert.equal(x?.modRevision, entries[1]?.modRevision)
      assert.equal(x?.modRevision, entries[2]?.modRevision)
    })

    test('writes nothing where its function throws, or reads alone', async () => {
      const { cluster, store } = await storeOn(place)
      await cluster.settle(store.put('a', 1))
      const mistake = new Error('no')
      const throwing = store.transact(async tx => {
        tx.put('a', 2)
        throw mistake
      })
      await assert.rejects(cluster.settle(throwing), mistake)
      const before = (await cluster.settle(store.barrier())).revision
      assert.equal(await cluster.settle(store.transact(tx => tx.get('a'))), 1)
      assert.equal((await cluster.settle(store.barrier())).revision, before + 1)
    })

    test('runs anew where a key that it read was changed, made or deleted meanwhile', async () => {
      const { cluster, store, other } = await storeOn(place)
      const disturbances: readonly [key: string, disturb: () => Promise<unknown>][] = [
        ['a', () => other.put('a', 10)],
        ['new', () => other.put('new', 10)],
        ['b', () => other.delete('b')],
      ]
      for (const [key, disturb] of disturbances) {
        for (const name of ['a', 'b']) await cluster.settle(store.put(name, 1))
        let runs = 0
        await cluster.settle(
          store.transact(async tx => {
            const value = (await tx.get<number>(key)) ?? 0
            if (runs++ === 0) await disturb()
            tx.put('sum', value + 1)
          }),
        )
        assert.equal(runs, 2)
        assert.equal(await cluster.settle(store.get('sum')), key === 'b' ? 1 : 11)
      }
    })

    test('is not disturbed by what it did not read', async () => {
      const { cluster, store, other } = await storeOn(place)
      for (const key of ['a', 'k1', 'k2', 'k3', 'k9']) await cluster.settle(store.put(key, 1))
      let runs = 0
      await cluster.settle(
        store
          .transact(
            async tx => {
              runs += 1
              await tx.get('a')
              await tx.scan({ prefix: 'k', limit: 2 })
              await tx.scan({ gte: 'k', reverse: true, limit: 1 })
              await tx.count({ gte: 'k3' })
              await other.put('k3', 2)
              await other.table('t').put('a', 2)
              await other.delete('k9').then(() => other.put('k9', 3))
              tx.put('done', runs)
            },
            { tries: 1 },
          )
          .catch(error => assert.ok(isQuorateError(error, 'CONFLICT'))),
      )
      assert.equal(runs, 1, 'k9 was read by the scan from the end')
      await cluster.settle(
        store.transact(
          async tx => {
            await tx.scan({ prefix: 'k', limit: 2 })
            await tx.count({ gte: 'k3' })
            await other.put('k3', 4)
            await other.put('k9', 4)
            await other.table('t').put('a', 4)
            tx.put('done', 'yes')
          },
          { tries: 1 },
        ),
      )
      assert.equal(await cluster.settle(store.get('done')), 'yes')
    })

    test('gives up with CONFLICT after as many tries as were asked for', async () => {
      const { cluster, store, other } = await storeOn(place)
      let runs = 0
      const hopeless = store.transact(
        async tx => {
          runs += 1
          await tx.get('a')
          await other.put('a', runs)
          tx.put('b', runs)
        },
        { tries: 4 },
      )
      await assert.rejects(
        cluster.settle(hopeless),
        error => isQuorateError(error, 'CONFLICT') && error.retryable && error.outcome === 'none',
      )
      assert.equal(runs, 4)
      assert.equal(await cluster.settle(store.get('b')), undefined)
    })

    test('ends at its deadline and its signal, whatever its function waits for', async () => {
      const { cluster, store } = await storeOn(place)
      const endless = () => new Promise<never>(() => {})
      await assert.rejects(cluster.settle(store.transact(endless, { deadlineMs: 500 })), isCode('TIMEOUT'))
      const controller = new AbortController()
      const reason = new Error('enough')
      const aborted = store.transact(
        async tx => {
          tx.put('a', 1)
          controller.abort(reason)
          await endless()
        },
        { signal: controller.signal },
      )
      await assert.rejects(cluster.settle(aborted), reason)
      assert.equal(await cluster.settle(store.get('a')), undefined)
      await assert.rejects(cluster.settle(store.transact(endless, { tries: 0 })), TypeError)
      await assert.rejects(cluster.settle(store.transact('x' as never)), TypeError)
    })

    test('is over with its function', async () => {
      const { cluster, store } = await storeOn(place)
      let kept: StoreTransaction | undefined
      await cluster.settle(
        store.transact(async tx => {
          kept = tx
          tx.put('a', 1)
        }),
      )
      assert.throws(() => kept?.put('a', 2), isCode('CLOSED'))
      await assert.rejects(cluster.settle(Promise.resolve(kept?.get('b'))), isCode('CLOSED'))
      await assert.rejects(cluster.settle(Promise.resolve(kept?.scan())), isCode('CLOSED'))
    })

    test('writes only while its lock is held, and with leases', async () => {
      const { cluster, store } = await storeOn(place)
      const { revision: token } = await cluster.settle(store.put('lock', 'me'))
      const lease = await cluster.settle(store.lease(5000))
      const fence = { key: 'lock', token }
      await cluster.settle(store.transact(async tx => tx.put('a', 1, { lease: lease.id }), { fence }))
      assert.equal((await cluster.settle(store.entry('a')))?.lease, lease.id)
      await cluster.settle(store.delete('lock'))
      const late = store.transact(async tx => tx.put('a', 2), { fence })
      await assert.rejects(cluster.settle(late), isCode('FENCED'))
      const wrong = store.transact(async tx => tx.put('a', undefined))
      await assert.rejects(cluster.settle(wrong), TypeError)
      assert.equal(await cluster.settle(store.get('a')), 1)
    })
  })
}

describe('transactions', () => {
  test('notice a key that was made anew, and one that went from a range', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const cases: readonly [
      read: (tx: StoreTransaction) => Promise<unknown>,
      disturb: () => Promise<unknown>,
    ][] = [
      [tx => tx.get('k/1'), () => store.delete('k/1').then(() => store.put('k/1', 'other'))],
      [tx => tx.scan({ prefix: 'k/' }), () => store.delete('k/2')],
      [tx => tx.scan({ prefix: 'k/' }), () => store.delete('k/2').then(() => store.put('k/3', 1))],
    ]
    for (const [read, disturb] of cases) {
      await cluster.settle(store.deleteRange({ prefix: 'k/' }))
      for (const key of ['k/1', 'k/2']) await cluster.settle(store.put(key, 1))
      let runs = 0
      await cluster.settle(
        store.transact(async tx => {
          await read(tx)
          if (runs++ === 0) await disturb()
          tx.put('done', 1)
        }),
      )
      assert.equal(runs, 2)
    }
  })

  test('find behind what they deleted as much as their scan may find', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    for (const key of ['a', 'b', 'c', 'd', 'e']) await cluster.settle(store.put(key, key))
    const found = await cluster.settle(
      store.transact(async tx => {
        tx.delete('a')
        tx.delete('b')
        tx.delete('e')
        const first = await tx.scan({ limit: 2 })
        const last = await tx.scan({ limit: 2, reverse: true })
        return [...first, ...last].map(({ key }) => key)
      }),
    )
    assert.deepEqual(found, ['c', 'd', 'd', 'c'])
  })

  test('of a client go on over another view when the host that held theirs is gone', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('a', 1))
    let gateway = ''
    cluster.tap = (from, to, lane) => {
      if (from === 'z' && lane === 'log') gateway = to
      return true
    }
    let runs = 0
    const sum = store.transact(
      async tx => {
        const value = (await tx.get<number>('a')) ?? 0
        if (runs++ === 0) cluster.network.partition(['z'], [gateway])
        const again = (await tx.get<number>('a')) ?? 0
        tx.put('a', value + again)
        return value + again
      },
      { deadlineMs: 30_000 },
    )
    assert.equal(await cluster.settle(sum), 2)
    assert.equal(runs, 2)
    assert.equal(await cluster.settle(store.get('a')), 2)
  })

  test('are not run again where nobody can tell whether they wrote', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(a.store.put('a', 1))
    let runs = 0
    const unsure = a.store.transact(
      async tx => {
        runs += 1
        tx.put('a', ((await tx.get<number>('a')) ?? 0) + 1)
        cluster.network.partition(['a'], ['b', 'c'])
      },
      { deadlineMs: 3000 },
    )
    await assert.rejects(
      cluster.settle(unsure),
      error => isQuorateError(error) && error.outcome === 'unknown',
    )
    assert.equal(runs, 1)
    await cluster.settle(b.store.put('b', 1))
    cluster.network.heal()
    assert.ok([1, 2].includes((await cluster.settle(a.store.get('a'))) as number))
  })

  test('cannot both decide by what the other one is about to change (write skew)', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    for (const name of ['ada', 'bob']) await cluster.settle(a.store.put(`oncall/${name}`, true))
    // One must stay on call.
    const leave = (store: Store, name: string) =>
      store.transact(async tx => {
        const present = (await tx.scan<boolean>({ prefix: 'oncall/' })).filter(({ value }) => value)
        if (present.length > 1) tx.put(`oncall/${name}`, false)
        return present.length > 1
      })
    const left = await cluster.settle(Promise.all([leave(a.store, 'ada'), leave(b.store, 'bob')]))
    assert.deepEqual([...left].sort(), [false, true])
  })

  test('cannot both take what there was room for once (phantoms)', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const book = (store: Store, name: string) =>
      store.transact(async tx => {
        if ((await tx.count({ prefix: 'guest/' })) >= 2) return false
        tx.put(`guest/${name}`, name)
        return true
      })
    const stores = [a.store, b.store, c.store, a.store, b.store]
    const booked = await cluster.settle(Promise.all(stores.map((store, at) => book(store, `${at}`))))
    assert.equal(booked.filter(Boolean).length, 2)
    assert.equal(await cluster.settle(a.store.count({ prefix: 'guest/' })), 2)
  })

  test('notice a key that came into the part of a range that a limit let them see', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    for (const key of ['q/2', 'q/4', 'q/6']) await cluster.settle(store.put(key, key))
    const cases: readonly [range: object, other: string, isSeen: boolean][] = [
      [{ prefix: 'q/', limit: 2 }, 'q/1', true],
      [{ prefix: 'q/', limit: 2 }, 'q/3', true],
      [{ prefix: 'q/', limit: 2 }, 'q/5', false],
      [{ gt: 'q/2', limit: 1 }, 'q/3', true],
      [{ gt: 'q/2', limit: 1 }, 'q/1', false],
      [{ gt: 'q/2', limit: 1 }, 'q/5', false],
      [{ lt: 'q/6', reverse: true, limit: 1 }, 'q/5', true],
      [{ lt: 'q/6', reverse: true, limit: 1 }, 'q/3', false],
      [{ lt: 'q/6', reverse: true, limit: 1 }, 'q/7', false],
      [{ prefix: 'q/', reverse: true, limit: 1 }, 'q/7', true],
      [{ prefix: 'q/', limit: 9 }, 'q/7', true],
      [{ gte: 'q/2', lte: 'q/6' }, 'q/5', true],
      [{ gte: 'q/2', lte: 'q/6' }, 'q/7', false],
    ]
    for (const [range, other, isSeen] of cases) {
      let runs = 0
      await cluster.settle(
        store.transact(async tx => {
          await tx.scan(range)
          if (runs++ === 0) await store.put(other, 'other')
          tx.put('done', 1)
        }),
      )
      assert.equal(runs, isSeen ? 2 : 1, `${JSON.stringify(range)} and ${other}`)
      await cluster.settle(store.delete(other))
    }
  })

  test('keep what money there is, as if done one after the other', async () => {
    const account = fc.integer({ min: 0, max: 4 })
    const transfer = fc.record({
      from: account,
      to: account,
      amount: fc.integer({ min: 1, max: 60 }),
      host: fc.nat(3),
      startMs: fc.nat(60),
      kind: fc.constantFrom('transfer', 'transfer', 'audit', 'close', 'plain'),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(transfer, { minLength: 3, maxLength: 14 }),
        fc.nat(1000),
        async (steps, seed) => {
          const cluster = new TestCluster({ seed: seed + 1 })
          const members = await cluster.three()
          const z = await cluster.open('z', { role: 'client' })
          const stores = [...members, z].map(({ store }) => store)
          const accountKey = (number: number) => `account/${number}`
          for (let number = 0; number < 5; number++)
            await cluster.settle(z.store.put(accountKey(number), 100))
          const sums: number[] = []
          const total = async (tx: StoreTransaction) =>
            (await tx.scan<number>({ prefix: 'account/' })).reduce((sum, { value }) => sum + value, 0)
          const run = async ({ from, to, amount, host, startMs, kind }: (typeof steps)[number]) => {
            const store = stores[host] as Store
            await new Promise<void>(resolve => cluster.timers.after(startMs, resolve))
            await store.transact(
              async tx => {
                if (kind === 'audit') return void sums.push(await total(tx))
                if (kind === 'plain') return void (await tx.get(accountKey(from)))
                const present = await tx.get<number>(accountKey(from))
                if (present === undefined || from === to) return
                if (kind === 'close') {
                  // All of it goes over, and there must be an account left for it.
                  if ((await tx.count({ prefix: 'account/' })) < 3) return
                  const target = (await tx.scan<number>({ prefix: 'account/' })).find(
                    ({ key }) => key !== accountKey(from),
                  )
                  if (target === undefined) return
                  tx.delete(accountKey(from))
                  tx.put(target.key, target.value + present)
                } else {
                  if (present < amount) return
                  tx.put(accountKey(from), present - amount)
                  tx.put(accountKey(to), ((await tx.get<number>(accountKey(to))) ?? 0) + amount)
                }
              },
              { tries: 40, deadlineMs: 60_000 },
            )
          }
          await cluster.settle(Promise.all(steps.map(run)))
          const entries = await cluster.settle(z.store.scan<number>({ prefix: 'account/' }))
          assert.equal(
            entries.reduce((sum, { value }) => sum + value, 0),
            500,
          )
          assert.ok(entries.every(({ value }) => value >= 0))
          assert.ok(entries.length >= 2)
          for (const sum of sums) assert.equal(sum, 500, 'an audit saw one moment')
          for (const { host } of [...members, z]) await cluster.settle(host.close())
        },
      ),
      { numRuns: 25 },
    )
  })
})

test('a range that a transaction reads twice is compared once', () => {
  const record = new TransactionRecord(7)
  for (let i = 0; i < 3; i++) record.noteRange('', { prefix: 'a' }, 2)
  record.noteRange('', { prefix: 'b' }, 2)
  record.noteRange('t', { prefix: 'a' }, 2)
  assert.equal(record.txn().compare?.length, 6)
})
