import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, type QuorateError } from '../../src/core/error.ts'
import { RemoteWatches } from '../../src/engine/client/remote-watches.ts'
import type { Question, Requests } from '../../src/engine/peers/requests.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { promiseJobs } from '../../src/testing/simulator/promise-jobs.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { MalformedError } from '../../src/wire/codec.ts'

/** A client's watch at gateway `g`, or at the first of those, from revision 5 on, and what came of it. */
function watching(gateways: readonly string[] = ['g']) {
  const asked: string[] = []
  const places: string[] = []
  const ask = (to: string, { method }: Question<unknown>) => {
    asked.push(method)
    if (method === 'watch') places.push(to)
    return Promise.resolve(5)
  }
  let lastId = 0
  const watches = new RemoteWatches({
    group: 'main',
    requests: { ask } as unknown as Requests,
    clock: new HostClock(new VirtualTimers()),
    gateways: () => gateways,
    nextId: () => ++lastId,
  })
  const told: (string | QuorateError | undefined)[] = []
  watches.add({}, 5, {
    changes: (changes, isPast) => told.push(...changes.map(({ key }) => (isPast ? `past ${key}` : key))),
    end: error => told.push(error),
  })
  const event = (count: number, revision: number, changes: unknown, error: unknown, past = 0) =>
    watches.receive(places.at(-1) ?? 'g', [lastId, count, revision, changes, error, past])
  return { asked, places, told, event }
}

describe('what a gateway tells of a watch', () => {
  test('misses nothing where a change could not be read: the watch begins again', async () => {
    const { asked, told, event } = watching()
    await Promise.resolve()
    event(1, 5, [['a', 5, null]], null)
    assert.throws(() => event(2, 6, [['b', -6, null]], null), MalformedError)
    asked.length = 0
    event(3, 7, [['c', 7, null]], null)
    assert.deepEqual([told, asked[0]], [['a'], 'unwatch'])
  })

  test('is of the past up to where that ended when the watch began, though it begins again', async () => {
    const { told, event } = watching()
    await promiseJobs()
    event(1, 5, [['a', 5, null]], null, 6)
    event(3, 7, [['lost', 7, null]], null, 0)
    await promiseJobs()
    event(1, 6, [['b', 6, null]], null, 7)
    event(2, 7, [['c', 7, null]], null, 7)
    event(3, 8, [['d', 8, null]], null, 0)
    assert.deepEqual(told, ['past a', 'past b', 'c', 'd'])
  })

  test('ends it only where the reason can be read', () => {
    const { told, event } = watching()
    for (const garbage of [[7, 'why'], ['COMPACTED', 7], 7])
      assert.throws(() => event(1, 5, null, garbage), MalformedError)
    event(1, 5, null, ['COMPACTED', 'why'])
    const [error, ...others] = told
    assert.deepEqual([isQuorateError(error, 'COMPACTED'), others], [true, []])
  })

  test('ends it for want of a history only where every gateway has said so, one after the other', async () => {
    const { places, told, event } = watching(['g', 'h'])
    const forgotten = async () => {
      await promiseJobs()
      event(1, 0, null, ['COMPACTED', 'why'])
      await promiseJobs()
    }
    await forgotten()
    assert.deepEqual(places, ['g', 'h'])
    event(0, 9, null, null)
    await forgotten()
    assert.deepEqual([places, told], [['g', 'h', 'g'], []])
    await forgotten()
    assert.deepEqual([places.length, isQuorateError(told[0], 'COMPACTED')], [3, true])
  })

  test('goes on with the next gateway where this one had to make room', async () => {
    const { places, told, event } = watching(['g', 'h'])
    await promiseJobs()
    event(1, 0, null, ['NOT_MEMBER', 'why'])
    await promiseJobs()
    assert.deepEqual([places, told], [['g', 'h'], []])
  })
})
