import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, type Outcome } from '../../src/core/error.ts'
import { leaderRequestsMax } from '../../src/core/limits.ts'
import { type Question, Requests } from '../../src/engine/peers/requests.ts'
import type { Sender } from '../../src/engine/peers/sender.ts'
import type { RequestHandler, StoreHooks } from '../../src/engine/store-hooks.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { MalformedError } from '../../src/wire/codec.ts'
import { asBytes, asText } from '../../src/wire/guards.ts'
import { decodeValue, encodeValue } from '../../src/wire/value.ts'
import { TestCluster } from './cluster.ts'

const failsWith = (code: Parameters<typeof isQuorateError>[1], outcome: Outcome) => (error: unknown) =>
  isQuorateError(error, code) && error.outcome === outcome

/** Handlers that remember on which hosts they ran, one of which never ends. */
function application() {
  const ran: string[] = []
  const signals: AbortSignal[] = []
  const hooksOf = (name: string): StoreHooks => {
    const handled =
      (handler: RequestHandler): RequestHandler =>
      (body, context) => {
        ran.push(name)
        signals.push(context.signal)
        return handler(body, context)
      }
    return {
      requests: {
        echo: handled((body, { from }) => ({ body, from, at: name })),
        silent: handled(() => undefined),
        fails: handled(async () => {
          throw new TypeError('out of paper')
        }),
        /** Cut where the wire cuts messages, half of the last character would be left. */
        exclaims: handled(() => {
          throw new Error(`${'x'.repeat(499 - 'the handler failed: '.length)}\u{1f4a3}`)
        }),
        hangs: handled(() => new Promise(() => {})),
        unprintable: handled(() => new Map()),
      },
    }
  }
  return { ran, signals, hooksOf }
}

const question: Question<string> = { method: 'get', body: null, read: asText }

/** One host's end of questions, and the numbers of those that it asked. */
function asker() {
  const ids: number[] = []
  const send = (_to: string, _lane: string, _kind: string, [id]: readonly number[]) => ids.push(id ?? 0) > 0
  const parts = { clock: new HostClock(new VirtualTimers()), random: () => 0.5 }
  return { ids, requests: new Requests({ send } as unknown as Sender, parts) }
}

describe('a question to another host', () => {
  test('is answered by that host, and by nobody else', async () => {
    const { ids, requests } = asker()
    const answer = requests.ask('b', question, { deadline: 1000, signal: undefined })
    requests.answered('c', [ids[0], true, 'of c'])
    requests.answered('b', [ids[0], true, 'of b'])
    assert.equal(await answer, 'of b')
  })

  test('is not settled by an answer that cannot be read, and ends at its deadline all the same', async () => {
    const { ids, requests } = asker()
    const answer = requests.ask('b', question, { deadline: 1000, signal: undefined })
    for (const garbage of [
      [ids[0], true, 5],
      [ids[0], 'no', null],
      [ids[0], false, null],
      [ids[0], false, ['TIMEOUT', 'late', 1, 'none']],
    ])
      assert.throws(() => requests.answered('b', garbage), MalformedError)
    requests.tick(1000)
    const late = new Promise((_, reject) => setImmediate(() => reject(new Error('it is still waited for'))))
    await assert.rejects(Promise.race([answer, late]), failsWith('TIMEOUT', 'none'))
  })
})

describe('a request', () => {
  test('reaches the leader alone, and its reply the asker, wherever that is', async () => {
    const cluster = new TestCluster()
    const { ran, hooksOf } = application()
    const [a, b] = await cluster.three(hooksOf)
    const z = await cluster.open('z', { role: 'client', ...hooksOf('z') })
    for (const { name, store } of [a, b, z]) {
      const reply = await cluster.settle(store.request('echo', { n: 1, bytes: new Uint8Array([1]) }))
      assert.deepEqual(reply, { body: { n: 1, bytes: new Uint8Array([1]) }, from: name, at: 'a' })
    }
    assert.equal(await cluster.settle(b.store.request('silent')), null)
    assert.deepEqual(new Set(ran), new Set(['a']))
    await cluster.settle(a.host.handOver())
    await cluster.until(() => b.store.status().leader !== 'a' && b.store.status().leader !== undefined)
    ran.length = 0
    await cluster.settle(z.store.request('echo'))
    assert.deepEqual(ran, [b.store.status().leader])
  })

  test('is not logged', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three(application().hooksOf)
    await cluster.settle(b.store.request('echo', 1))
    const { applied } = a.store.status()
    for (let i = 0; i < 10; i++) await cluster.settle(b.store.request('echo', i))
    assert.equal(a.store.status().applied, applied)
  })

  test('without a handler, with one that throws, and with one that answers no value end typed', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three(application().hooksOf)
    const z = await cluster.open('z', { role: 'client' })
    for (const { store } of [a, b, z]) {
      const [fine, ...ends] = await cluster.settle(
        Promise.allSettled(
          ['echo', 'missing', 'toString', '__proto__', 'fails', 'unprintable'].map(name =>
            store.request(name),
          ),
        ),
      )
      assert.equal(fine?.status, 'fulfilled')
      const codes = ends.map(end => end.status === 'rejected' && [end.reason.code, end.reason.outcome])
      const unknown = ['REQUEST_UNKNOWN', 'none']
      const failed = ['REQUEST_FAILED', 'unknown']
      assert.deepEqual(codes, [unknown, unknown, unknown, failed, failed])
      await assert.rejects(cluster.settle(store.request('fails')), /out of paper/)
      await assert.rejects(cluster.settle(store.request('exclaims')), { code: 'REQUEST_FAILED' })
      await assert.rejects(cluster.settle(store.request('')), TypeError)
      await assert.rejects(cluster.settle(store.request('echo', () => {})), TypeError)
    }
  })

  test('has an unknown outcome when its leader is deposed, and the handler hears of it', async () => {
    const cluster = new TestCluster()
    const { signals, hooksOf } = application()
    const [a, b, c] = await cluster.three(hooksOf)
    const own = a.store.request('hangs')
    const others = c.store.request('hangs')
    const ends = Promise.allSettled([own, others])
    await cluster.until(() => signals.length === 2)
    assert.equal(signals[0]?.aborted, false)
    await cluster.settle(a.host.handOver())
    for (const end of await cluster.settle(ends, 1000)) {
      assert(end.status === 'rejected' && failsWith('OUTCOME_UNKNOWN', 'unknown')(end.reason))
    }
    assert(signals.every(signal => signal.aborted))
    assert.notEqual(b.store.status().leader, 'a')
  })

  test('has an unknown outcome when the leader is lost, and runs nowhere else', async () => {
    const cluster = new TestCluster()
    const { ran, hooksOf } = application()
    const [, b] = await cluster.three(hooksOf)
    const z = await cluster.open('z', { role: 'client' })
    const ends = Promise.allSettled([
      b.store.request('hangs', null, { deadlineMs: 60_000 }),
      z.store.request('hangs', null, { deadlineMs: 60_000 }),
    ])
    await cluster.until(() => ran.length === 2)
    cluster.crash('a')
    for (const end of await cluster.settle(ends, 30_000)) {
      assert(end.status === 'rejected' && failsWith('OUTCOME_UNKNOWN', 'unknown')(end.reason))
    }
    assert.deepEqual(ran, ['a', 'a'])
  })

  test('waits for a leader, and says that nothing was done where none is found', async () => {
    const cluster = new TestCluster()
    const { ran, hooksOf } = application()
    const [, b, c] = await cluster.three(hooksOf)
    cluster.crash('a')
    await cluster.until(() => b.store.status().leader === undefined)
    const early = b.store.request('echo', 1, { deadlineMs: 30_000 })
    await cluster.settle(early)
    assert.equal(ran.length, 1)
    cluster.network.partition(['b'], ['c'])
    await cluster.run(10_000)
    const lost = c.store.request('echo', 1, { deadlineMs: 1000 })
    await assert.rejects(cluster.settle(lost), failsWith('NO_LEADER', 'none'))
    assert.equal(ran.length, 1)
  })

  test('is not served by a leader that was deposed and does not know it', async () => {
    const cluster = new TestCluster()
    const { ran, hooksOf } = application()
    const [a] = await cluster.three(hooksOf)
    cluster.network.partition(['a'], ['b', 'c'])
    assert.equal(a.store.status().role, 'leader')
    const stale = a.store.request('echo', 1, { deadlineMs: 1000 })
    await assert.rejects(cluster.settle(stale), error => isQuorateError(error) && error.outcome === 'none')
    assert.deepEqual(ran, [])
  })

  test('goes on to the next leader where its own was deposed before it ran', async () => {
    const cluster = new TestCluster()
    const { ran, hooksOf } = application()
    const [a, b] = await cluster.three(hooksOf)
    cluster.network.partition(['a'], ['b', 'c'])
    const reply = a.store.request<{ readonly at: string }>('echo', 1, { deadlineMs: 60_000 })
    await cluster.run(10_000)
    cluster.network.heal()
    const { at } = await cluster.settle(reply)
    assert.equal(at, b.store.status().leader)
    assert.deepEqual(ran, [at])
  })

  test('of a host that is no member comes in no other name than its own', async () => {
    const cluster = new TestCluster()
    await cluster.open('a', application().hooksOf('a'))
    await cluster.open('b')
    const { host } = await cluster.open('z', { role: 'client' })
    await cluster.run(1000)
    const requests: Requests = Reflect.get(host, 'requests')
    const call = { deadline: cluster.timers.now() + 1000, signal: undefined }
    const ask = (name: string) =>
      requests.ask(
        'a',
        { method: 'lead-request', body: ['main', 'echo', encodeValue(1), name], read: asBytes },
        call,
      )
    const reply = decodeValue(await cluster.settle(ask('z')))
    assert.deepEqual(reply, { body: 1, from: 'z', at: 'a' })
    // A gateway that was removed must not have its client's request run in its own name: the client asks elsewhere.
    await assert.rejects(cluster.settle(ask('b')), failsWith('NOT_MEMBER', 'none'))
  })

  test('that runs is waited for up to its deadline, through a member and a client of another gateway', async () => {
    const cluster = new TestCluster()
    const { ran, signals, hooksOf } = application()
    const [a, b] = await cluster.three(hooksOf)
    const z = await cluster.open('z', { role: 'client' })
    for (const { store } of [a, b, z]) {
      const began = cluster.timers.now()
      const late = store.request('hangs', null, { deadlineMs: 800 })
      const error = await cluster.settle(late).catch((error: unknown) => error)
      assert.ok(failsWith('OUTCOME_UNKNOWN', 'unknown')(error))
      assert.ok(cluster.timers.now() - began >= 800, `${cluster.timers.now() - began} ms`)
      await cluster.run(200)
      assert.ok(signals.at(-1)?.aborted)
    }
    assert.equal(ran.length, 3)
  })

  test('ends at its deadline and with its signal, and a bounded number of them runs', async () => {
    const cluster = new TestCluster()
    const { signals, hooksOf } = application()
    const [a, b] = await cluster.three(hooksOf)
    for (const { store } of [a, b]) {
      const late = store.request('hangs', null, { deadlineMs: 1000 })
      await assert.rejects(cluster.settle(late), failsWith('OUTCOME_UNKNOWN', 'unknown'))
      const controller = new AbortController()
      const aborted = store.request('hangs', null, { signal: controller.signal })
      await cluster.run(100)
      const reason = new Error('enough')
      controller.abort(reason)
      await assert.rejects(cluster.settle(aborted), error => error === reason)
    }
    const running = Promise.allSettled(
      Array.from({ length: leaderRequestsMax }, () => b.store.request('hangs', null, { deadlineMs: 5000 })),
    )
    await cluster.until(() => signals.length >= leaderRequestsMax)
    const refused = a.store.request('echo', 1, { deadlineMs: 1000 })
    await assert.rejects(cluster.settle(refused), failsWith('SYSTEM_BUSY', 'none'))
    await cluster.settle(running)
    // Their handlers heed no signal, and never end.
    assert.deepEqual(await cluster.settle(a.store.request('echo', 1)), { body: 1, from: 'a', at: 'a' })
  })
})
