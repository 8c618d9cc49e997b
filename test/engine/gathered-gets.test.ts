import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Clock } from '../../src/clock/clock.ts'
import { isQuorateError } from '../../src/core/error.ts'
import { gatheredKeysMax, valueBytesMax } from '../../src/core/limits.ts'
import { GatheredGets } from '../../src/engine/client/gathered-gets.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { decode } from '../../src/wire/codec.ts'
import { TestCluster } from './cluster.ts'

async function clientOfThree() {
  const cluster = new TestCluster()
  const [a] = await cluster.three()
  const { store } = await cluster.open('z', { role: 'client' })
  await cluster.settle(store.put('k', 1))
  return { cluster, store, leader: a.store }
}

describe('gets of a client', () => {
  test('that begin in one turn are one question, of as many keys as it may have', async () => {
    const { cluster, store } = await clientOfThree()
    await cluster.settle(store.put('j', 2))
    const { frames } = await cluster.recorded(async () => {
      const names = Array.from({ length: 600 }, (_, number) => (number % 2 === 0 ? 'k' : 'j'))
      const values = await cluster.settle(Promise.all(names.map(name => store.get(name))))
      assert.deepEqual(
        values,
        names.map(name => (name === 'k' ? 1 : 2)),
      )
    })
    const asked = frames
      .filter(({ kind, from }) => kind === 'request' && from === 'z')
      .map(({ body }) => decode(body) as [number, string, number, [string, [number, string[]]]])
      .filter(([, method]) => method === 'read')
      .map(([, , , [, [, keys]]]) => keys.length)
    assert.deepEqual(asked, [...Array(4).fill(gatheredKeysMax), 600 - 4 * gatheredKeysMax])
  })

  test('are as fresh together as the freshest of them, and end as the earliest', async () => {
    const asked: unknown[] = []
    const due: (() => void)[] = []
    const clock = { ...new VirtualTimers(), soon: (callback: () => void) => void due.push(callback) }
    const gets = new GatheredGets(clock as unknown as Clock, async (keys, { atLeast }, { deadline }) => {
      asked.push([keys, atLeast, deadline])
      return { items: keys.map(() => null), count: keys.length, isWhole: true, revision: 20 }
    })
    const read = (
      key: string,
      atLeast: number,
      deadline: number,
      consistency: 'session' | 'stale' = 'session',
    ) => gets.read([key], { consistency, atLeast }, { deadline, signal: undefined })
    const reads = [read('a', 3, 1010), read('b', 9, 1000), read('c', 5, 2000), read('d', 1, 1000, 'stale')]
    for (const callback of due) callback()
    await Promise.all(reads)
    assert.deepEqual(asked, [
      [['a', 'b'], 9, 1000],
      [['c'], 5, 2000],
      [['d'], 1, 1000],
    ])
  })

  test('see what was acknowledged before they began, though others began to wait earlier', async () => {
    const { cluster, store, leader } = await clientOfThree()
    const early = store.get('k')
    await cluster.settle(leader.put('k', 2))
    assert.equal(await cluster.settle(store.get('k')), 2)
    assert.ok([1, 2].includes((await cluster.settle(early)) as number))
  })

  test('that are too large together are answered one by one', async () => {
    const { cluster, store } = await clientOfThree()
    const large = new Uint8Array(valueBytesMax - 16).fill(7)
    for (let number = 0; number < 10; number++) await cluster.settle(store.put(`large/${number}`, large))
    const names = Array.from({ length: 10 }, (_, number) => `large/${number}`)
    const values = await cluster.settle(Promise.all(names.map(name => store.get<Uint8Array>(name))))
    assert.ok(values.every(value => value?.length === large.length))
    await assert.rejects(cluster.settle(store.getMany(names)), error => isQuorateError(error, 'TOO_LARGE'))
  })

  test('keep to deadlines and signals of their own', async () => {
    const { cluster, store } = await clientOfThree()
    for (const name of ['a', 'b', 'c']) cluster.network.partition(['z'], [name])
    const startedAt = cluster.timers.now()
    const controller = new AbortController()
    const reason = new Error('enough')
    const ends: Record<string, number> = {}
    const until = (name: string, read: Promise<unknown>) =>
      read.catch(error => {
        ends[name] = cluster.timers.now() - startedAt
        return error
      })
    const aborted = until('aborted', store.get('k', { signal: controller.signal }))
    const short = until('short', store.get('k', { deadlineMs: 500 }))
    const long = until('long', store.get('k', { deadlineMs: 3000 }))
    await cluster.run(100)
    controller.abort(reason)
    assert.equal(await cluster.settle(aborted), reason)
    for (const read of [short, long]) assert.ok(isQuorateError(await cluster.settle(read)), 'a typed error')
    assert.ok((ends.short ?? 0) >= 400 && (ends.short ?? 0) <= 600, `${ends.short}`)
    assert.ok((ends.long ?? 0) >= 2900 && (ends.long ?? 0) <= 3100, `${ends.long}`)
  })
})
