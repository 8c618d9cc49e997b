import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { type ErrorCode, isQuorateError, QuorateError } from '../../src/core/error.ts'
import { sessionWindowMax } from '../../src/core/limits.ts'
import type { Proposal, Result } from '../../src/core/machine/command.ts'
import { ClientSession } from '../../src/engine/calls/session.ts'
import type { Answer } from '../../src/engine/replica/proposals.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { TestCluster } from './cluster.ts'

/** How the promise ends within so much virtual time. */
async function endOf(cluster: TestCluster, promise: Promise<unknown>, withinMs: number): Promise<unknown> {
  const end = promise.then(
    () => 'resolved',
    (error: unknown) => error,
  )
  return cluster.settle(end, withinMs)
}

/** Three voters, the only ones that are up being a follower or an old leader that is cut off. */
async function cutOff(name: 'a' | 'b') {
  const cluster = new TestCluster()
  const [a, b] = await cluster.three()
  cluster.network.partition(['a'], ['b', 'c'])
  cluster.network.partition(['b'], ['a', 'c'])
  return { cluster, ...(name === 'a' ? a : b) }
}

const same = (result: Result) => result

describe('a host that closes', () => {
  test('ends the wait for a seed', async () => {
    const cluster = new TestCluster()
    cluster.network.setSeed(false)
    const host = await cluster.host('a')
    const opening = host.store()
    opening.catch(() => undefined)
    await cluster.run(100)
    await cluster.settle(host.close())
    assert(isQuorateError(await endOf(cluster, opening, 500), 'CLOSED'))
  })

  test('ends the wait for a member to join', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    cluster.crash(a.name)
    const host = await cluster.host('b')
    const opening = host.store()
    opening.catch(() => undefined)
    await cluster.run(1000)
    await cluster.settle(host.close())
    assert(isQuorateError(await endOf(cluster, opening, 500), 'CLOSED'))
  })

  test('ends the wait for a leader', async () => {
    const { cluster } = await cutOff('b')
    cluster.crash('b')
    const host = await cluster.host('b')
    const opening = host.store()
    opening.catch(() => undefined)
    await cluster.run(1000)
    await cluster.settle(host.close())
    assert(isQuorateError(await endOf(cluster, opening, 500), 'CLOSED'))
  })

  test('ends a change of members that its leader has logged', async () => {
    const { cluster, host, store } = await cutOff('a')
    const change = store.demote('b')
    change.catch(() => undefined)
    await cluster.run(100)
    await cluster.settle(host.close())
    const error = await endOf(cluster, change, 500)
    assert(isQuorateError(error, 'CLOSED') && error.outcome === 'unknown', String(error))
  })
})

describe('one call of many', () => {
  test('ends at its own deadline while a session is opened for an earlier one', async () => {
    const { cluster, store } = await cutOff('b')
    const patient = store.put('patient', 1, { deadlineMs: 60_000 })
    const hasty = store.put('hasty', 1, { deadlineMs: 1000 })
    assert(isQuorateError(await endOf(cluster, hasty, 1500)))
    cluster.network.heal()
    await cluster.settle(patient)
  })

  test('outlives the deadline of an earlier one for which a session is opened', async () => {
    const { cluster, store } = await cutOff('b')
    const hasty = store.put('hasty', 1, { deadlineMs: 500 })
    const patient = store.put('patient', 1, { deadlineMs: 60_000 })
    assert(isQuorateError(await endOf(cluster, hasty, 1000)))
    cluster.network.heal()
    assert.equal(await endOf(cluster, patient, 60_000), 'resolved')
  })

  test('hears of its abort while a session is opened, and writes nothing', async () => {
    const { cluster, store } = await cutOff('b')
    const abort = new AbortController()
    const put = store.put('k', 1, { deadlineMs: 60_000, signal: abort.signal })
    await cluster.run(100)
    abort.abort('enough')
    assert.equal(await endOf(cluster, put, 10), 'enough')
    cluster.network.heal()
    await cluster.run(10_000)
    assert.equal(await cluster.settle(store.get('k')), undefined)
  })

  test('opens a store within its own deadline, whatever another one had', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    cluster.crash(a.name)
    const host = await cluster.host('b')
    const abort = new AbortController()
    const aborted = host.store('main', { signal: abort.signal })
    const hasty = host.store('main', { deadlineMs: 1000 })
    const patient = host.store('main', { deadlineMs: 60_000 })
    await cluster.run(500)
    abort.abort('enough')
    assert.equal(await endOf(cluster, aborted, 10), 'enough')
    assert(isQuorateError(await endOf(cluster, hasty, 1500)))
    await cluster.host('a').then(again => cluster.settle(again.store()))
    assert.equal(await endOf(cluster, patient, 60_000), 'resolved')
  })

  test('may wait for as long as it takes', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const client = await cluster.open('z', { role: 'client' })
    await cluster.run(100)
    await cluster.settle(client.store.put('k', 1, { deadlineMs: Number.POSITIVE_INFINITY }), 5000)
  })
})

describe('a store', () => {
  test('that was closed can be opened again, and works', async () => {
    const cluster = new TestCluster()
    const { host, store } = await cluster.open('a')
    await cluster.settle(store.put('k', 1))
    await cluster.settle(store.close())
    const again = await cluster.settle(host.store())
    assert.equal(await cluster.settle(again.get('k')), 1)
    await cluster.settle(again.put('k', 2))
  })
})

describe('a session', () => {
  test('that could not be opened says why, and that nothing was written', async () => {
    const failing = (code: 'REMOVED' | 'OUTCOME_UNKNOWN') =>
      new ClientSession({
        hostId: 'a',
        random: seededRandom(1),
        clock: { now: () => 0, wall: () => 0, after: () => () => {}, soon: queueMicrotask },
        submit: () => Promise.reject(new QuorateError(code, 'why', { outcome: 'unknown' })),
      }).execute({ type: 'barrier' }, { deadline: 1000, signal: undefined }, same)
    const told = (code: ErrorCode) => (error: unknown) =>
      isQuorateError(error, code) && error.outcome === 'none'
    await assert.rejects(failing('REMOVED'), told('REMOVED'))
    await assert.rejects(failing('OUTCOME_UNKNOWN'), told('TIMEOUT'))
  })

  test('lets a whole window in when the one that held it up is through', async () => {
    const timers = new VirtualTimers()
    const answers = new Map<number, () => void>()
    const session = new ClientSession({
      hostId: 'a',
      random: seededRandom(1),
      clock: {
        now: () => 0,
        wall: () => 0,
        after: (ms, call) => timers.after(ms, call),
        soon: queueMicrotask,
      },
      submit: ({ seq, command }: Proposal) =>
        command.type === 'open-session'
          ? Promise.resolve({ result: { type: 'session', session: 7 }, attempts: 1 })
          : new Promise<Answer>(resolve => {
              answers.set(seq, () => resolve({ result: { type: 'written', revision: seq }, attempts: 1 }))
            }),
    })
    const call = { deadline: 1000, signal: undefined }
    const settled = () => new Promise(resolve => setImmediate(resolve))
    for (let i = 0; i < sessionWindowMax + 100; i++) session.execute({ type: 'barrier' }, call, same)
    await settled()
    assert.equal(answers.size, sessionWindowMax)
    for (let seq = 2; seq <= sessionWindowMax; seq++) answers.get(seq)?.()
    await settled()
    answers.get(1)?.()
    await settled()
    assert.equal(answers.size, sessionWindowMax + 100)
  })
})
