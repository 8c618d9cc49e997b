import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { authorizeMs, heldFrameBytesMax } from '../../src/core/limits.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { GuardedTransport } from '../../src/transport/guarded-transport.ts'
import type { Authorize, TransportHandlers } from '../../src/transport/transport.ts'
import { TestCluster } from './cluster.ts'
import { Wiretap } from './wiretap.ts'

describe('a rule about peers', () => {
  test('keeps whom it refuses out, on the side of those who were there', async () => {
    const cluster = new TestCluster()
    const authorize: Authorize = async peer => peer !== 'x'
    const a = await cluster.open('a', { authorize })
    const x = await cluster.host('x')
    const joining = x.store('main', { deadlineMs: 5000 })
    await assert.rejects(cluster.settle(joining), error => isQuorateError(error, 'UNREACHABLE'))
    assert.deepEqual(
      (await cluster.settle(a.store.members())).map(member => member.hostId),
      ['a'],
    )
    const { counters, peers } = a.host.info()
    assert.equal(counters.unauthorized, 1)
    assert.deepEqual(peers, [])
    const b = await cluster.open('b')
    await cluster.settle(b.store.put('k', 1))
  })

  test('keeps whom it refuses out, on the side of the newcomer', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const y = await cluster.host('y', { authorize: () => false })
    const joining = y.store('main', { deadlineMs: 5000 })
    await assert.rejects(cluster.settle(joining), error => isQuorateError(error, 'UNREACHABLE'))
    assert.equal((await cluster.settle(a.store.members())).length, 1)
    assert.equal(y.info().counters.unauthorized, 1)
  })

  test('lets nothing pass before it has answered, and loses nothing that came meanwhile', async () => {
    const cluster = new TestCluster()
    const verdicts: ((isAllowed: boolean) => void)[] = []
    const authorize: Authorize = () => new Promise(resolve => verdicts.push(resolve))
    await cluster.open('a', { authorize })
    const b = await cluster.host('b')
    const opening = b.store('main', { deadlineMs: 60_000 })
    await cluster.until(() => verdicts.length === 1)
    await cluster.run(authorizeMs / 2)
    assert.deepEqual(b.info().stores, [])
    verdicts[0]?.(true)
    await cluster.settle((await cluster.settle(opening, 3000)).put('k', 1))
    assert.equal(verdicts.length, 1)
  })

  test('refuses where it throws, answers anything but true, or not in time; and is asked again later', async () => {
    const cluster = new TestCluster()
    let answer: () => unknown = () => undefined
    let asked = 0
    const authorize = (() => {
      asked += 1
      return answer()
    }) as Authorize
    const a = await cluster.open('a', { authorize })
    const b = await cluster.host('b')
    const opening = b.store('main', { deadlineMs: 600_000 })
    const answers: (() => unknown)[] = [
      () => 1,
      () => {
        throw new Error('no')
      },
      () => Promise.reject(new Error('no')),
      () => new Promise(() => {}),
      () => true,
    ]
    for (const [i, next] of answers.entries()) {
      await cluster.until(() => asked === i + 1)
      answer = next
    }
    await cluster.until(() => asked > answers.length)
    await cluster.settle((await cluster.settle(opening)).put('k', 1))
    assert.equal(a.host.info().counters.unauthorized, answers.length)
  })

  test('is asked again at each connection', async () => {
    const cluster = new TestCluster()
    const asked: string[] = []
    const authorize: Authorize = peer => {
      asked.push(peer)
      return true
    }
    const a = await cluster.open('a', { authorize })
    const b = await cluster.open('b')
    assert.deepEqual(asked, ['b'])
    b.host.reconnect()
    await cluster.run(1000)
    await cluster.settle(b.store.put('k', 1))
    assert.deepEqual(asked, ['b', 'b'])
    assert.deepEqual(
      a.host.info().peers.map(peer => peer.hostId),
      ['b'],
    )
  })

  test('holds a bounded part of what comes early, and gives a late answer to nobody', async () => {
    const transport = new Wiretap()
    const timers = new VirtualTimers()
    const clock = {
      now: () => timers.now(),
      after: (ms: number, callback: () => void) => timers.after(ms, callback),
      soon: (callback: () => void) => void timers.after(0, callback),
    }
    const verdicts: ((isAllowed: boolean) => void)[] = []
    const guarded = new GuardedTransport(transport, () => new Promise(done => verdicts.push(done)), clock)
    const events: string[] = []
    const handlers: TransportHandlers = {
      frame: (from, _lane, bytes) => events.push(`frame ${from} ${bytes.length}`),
      connected: peer => events.push(`connected ${peer}`),
      disconnected: peer => events.push(`disconnected ${peer}`),
      presence: () => {},
    }
    guarded.start(handlers)
    transport.handlers?.connected('b', 'memory')
    transport.handlers?.disconnected('b', 'gone')
    transport.handlers?.connected('b', 'memory')
    transport.handlers?.frame('b', 'log', new Uint8Array(heldFrameBytesMax))
    transport.handlers?.frame('b', 'log', new Uint8Array(1))
    transport.handlers?.frame('c', 'log', new Uint8Array(1))
    assert.equal(guarded.send('b', 'log', new Uint8Array(1)), false)
    verdicts[0]?.(true)
    await Promise.resolve()
    assert.deepEqual(events, [])
    verdicts[1]?.(true)
    await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(events, ['connected b', `frame b ${heldFrameBytesMax}`])
    assert.equal(guarded.send('b', 'log', new Uint8Array(1)), true)
    assert.equal(guarded.counters()['not-authorized-yet'], 3)
    timers.run(2 * authorizeMs)
    assert.equal(guarded.counters().unauthorized, 0)
    transport.handlers?.disconnected('b', 'gone')
    assert.deepEqual(events.slice(2), ['disconnected b'])
  })
})

describe('between two hosts', () => {
  test('a ping tells how long a question and its answer take', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    cluster.network.setFaults({ latencyMs: 40, jitterMs: 0 })
    const roundTripMs = await cluster.settle(a.host.ping('b'))
    assert(roundTripMs > 79.9 && roundTripMs < 90, `${roundTripMs}`)
    const nobody = a.host.ping('nobody')
    await assert.rejects(cluster.settle(nobody), error => isQuorateError(error, 'UNREACHABLE'))
    cluster.network.cut('b', 'a')
    const late = a.host.ping('b', { deadlineMs: 1000 })
    await assert.rejects(cluster.settle(late), error => isQuorateError(error, 'TIMEOUT'))
    const lost = a.host.ping('b', { deadlineMs: 60_000 })
    await assert.rejects(cluster.settle(lost), error => isQuorateError(error, 'UNREACHABLE'))
    await b.host.close()
    await assert.rejects(b.host.ping('a'), error => isQuorateError(error, 'CLOSED'))
  })

  test('all connections can be made anew without the leader losing its role', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const { term } = a.store.status()
    const events: string[] = []
    b.store.on('leader', ({ leader }) => events.push(String(leader)))
    for (const { host, store } of [a, b, c]) {
      const write = store.put('k', host.id)
      host.reconnect()
      await cluster.settle(write)
      await cluster.run(3000)
    }
    assert.deepEqual([a.store.status().role, a.store.status().term], ['leader', term])
    assert.deepEqual(events, [])
    assert.equal(await cluster.settle(b.store.get('k')), 'c')
  })
})
