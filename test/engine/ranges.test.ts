import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkBounds, checkDeleted, checkScan, watchNames } from '../../src/engine/query/key-filter.ts'
import { checkTxn, type Txn } from '../../src/engine/transactions/txn.ts'
import type { KeyRange, WatchOptions } from '../../src/engine/types.ts'
import { TestCluster } from './cluster.ts'

describe('a range', () => {
  test('says nothing that is no bound, as a bound whose name is misspelt would mean every key', () => {
    const wrong: readonly unknown[] = [null, [], 'a', { prefx: 'a' }, { key: 'a' }, { start: 'a', end: 'b' }]
    for (const range of wrong)
      for (const check of [checkBounds, checkScan, checkDeleted])
        assert.throws(() => check(range as KeyRange), TypeError, JSON.stringify(range))
    const watched: WatchOptions = { key: 'a', from: 1, resync: true }
    assert.deepEqual(checkBounds(watched, watchNames), { key: 'a' })
    assert.throws(() => checkBounds({ limit: 1 }), TypeError)
    assert.throws(() => checkScan({ reverse: 'yes' as never }), TypeError)
    assert.deepEqual(checkScan({ gte: undefined, limit: 1, reverse: true } as never), {})
  })

  test('has no bound with a lone surrogate, on whichever host', () => {
    for (const name of ['prefix', 'gt', 'gte', 'lt', 'lte'])
      assert.throws(() => checkBounds({ [name]: 'a\ud800' }), TypeError, name)
  })

  test('that is deleted names its bounds, or says that there are none', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const client = await cluster.open('z', { role: 'client' })
    await cluster.settle(a.store.put('kept', 1))
    const wrong = [{ prefix: undefined }, { gte: 'a', lt: undefined }, { prefx: 'a' }] as readonly object[]
    for (const range of wrong as readonly KeyRange[]) {
      for (const { store } of [a, client])
        await assert.rejects(cluster.settle(store.deleteRange(range)), TypeError)
      assert.throws(() => checkTxn({ success: [{ type: 'deleteRange', range }] } as Txn), TypeError)
    }
    assert.equal(await cluster.settle(client.store.count({})), 1)
    assert.equal((await cluster.settle(client.store.deleteRange({}))).count, 1)
  })

  test('that a client cannot ask for is refused at once, and its host closes as ever', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const client = await cluster.open('z', { role: 'client' })
    assert.throws(() => client.store.watch({ prefix: 'a\ud800' }), TypeError)
    await assert.rejects(cluster.settle(client.store.scan({ gte: '\udc00' })), TypeError)
    await cluster.settle(client.host.close())
  })
})
