import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, QuorateError } from '../../src/core/error.ts'
import { frameBytesMax, inboxBytesMax, replayWindow, requestsMax } from '../../src/core/limits.ts'
import type { Call } from '../../src/engine/calls/call.ts'
import { ReplayGuard } from '../../src/engine/peers/replay-guard.ts'
import { Requests } from '../../src/engine/peers/requests.ts'
import type { Sender } from '../../src/engine/peers/sender.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { decode, encode } from '../../src/wire/codec.ts'
import { decodeFrame, encodeFrame } from '../../src/wire/frames.ts'
import { encodeProposal } from '../../src/wire/proposal-codec.ts'
import { deployment, tapped } from './wiretap.ts'

const never: Call = { deadline: 1_000_000, signal: undefined }
const isBusy = (error: unknown) =>
  isQuorateError(error, 'SYSTEM_BUSY') && error.retryable && error.outcome === 'none'

/** Requests of a host, whose peers say what the test says. */
function asking() {
  const timers = new VirtualTimers()
  const sent: (readonly unknown[])[] = []
  const sender = {
    send: (_to: string, _lane: string, _kind: string, body: readonly unknown[]) => sent.push(body) > 0,
  } as unknown as Sender
  const clock = { now: () => timers.now(), wall: () => 0, after: () => () => {}, soon: () => {} }
  return { requests: new Requests(sender, { clock, random: () => 0 }), sent }
}

describe('requests', () => {
  test('to others are bounded, and taken again when a third of them is answered', async () => {
    const { requests } = asking()
    const ask = () => requests.ask('b', { method: 'get', body: null, read: value => value }, never)
    const waiting = Array.from({ length: requestsMax }, ask)
    await assert.rejects(ask(), isBusy)
    for (let id = 1; id <= 0.2 * requestsMax; id++) requests.answered('b', [id, true, null])
    await assert.rejects(ask(), isBusy)
    for (let id = 1; id <= 0.4 * requestsMax; id++) requests.answered('b', [id, true, null])
    waiting.push(ask())
    requests.close(() => new QuorateError('CLOSED', 'closed'))
    const ends = await Promise.allSettled(waiting)
    assert.equal(ends.filter(end => end.status === 'rejected' && isBusy(end.reason)).length, 0)
  })

  test('of others are bounded: who asks too much is told so', async () => {
    const { requests, sent } = asking()
    requests.serve('hang', () => new Promise(() => {}))
    for (let id = 1; id <= requestsMax; id++) requests.receive('b', [id, 'hang', 1000, null])
    assert.equal(sent.length, 0)
    requests.receive('b', [requestsMax + 1, 'hang', 1000, null])
    const [id, ok, error] = sent[0] ?? []
    assert.deepEqual([id, ok], [requestsMax + 1, false])
    assert.equal((error as readonly unknown[])[0], 'SYSTEM_BUSY')
  })
})

describe('a frame that comes twice', () => {
  test('is known as long as the latest ones of its host are', () => {
    const guard = new ReplayGuard()
    assert.deepEqual(
      [10, 12, 10, 11, 12].map(number => guard.isRepeated('b', number)),
      [false, false, true, false, true],
    )
    assert.equal(guard.isRepeated('c', 10), false)
    for (let number = 1; number <= replayWindow; number++) guard.isRepeated('b', 1000 + number)
    assert.equal(guard.isRepeated('b', 1000 + replayWindow), true)
    assert.equal(guard.isRepeated('b', 10), false)
    guard.forget('b')
    assert.equal(guard.isRepeated('b', 1000 + replayWindow), false)
  })

  test('is served once where it asks for something', () => {
    const { requests } = asking()
    const served: unknown[] = []
    requests.serve('note', async (_from, body) => served.push(body))
    for (const id of [7, 9, 7, 8]) requests.receive('b', [id, 'note', 1000, id])
    assert.deepEqual(served, [7, 9, 8])
  })

  test('is logged once where it holds proposals, and never refused', async () => {
    const { cluster, transport, host } = await tapped()
    const store = await cluster.settle(host.store())
    const proposal = { session: 0, seq: 1, acked: 0, command: { type: 'barrier' } } as const
    const frame = encodeFrame(deployment, 'propose', encode([5, 'main', 1, [encodeProposal(proposal)]]))
    const before = (await cluster.settle(store.barrier())).revision
    for (let copies = 0; copies < 3; copies++) transport.handlers?.frame('x', 'log', frame)
    await cluster.run(100)
    assert.equal((await cluster.settle(store.barrier())).revision, before + 2)
  })
})

describe('the inbox of a host', () => {
  test('is bounded in bytes between two turns; what is beyond is dropped and counted', async () => {
    const { cluster, transport, host } = await tapped()
    const store = await cluster.settle(host.store())
    const large = encodeFrame(deployment, 'event', encode(new Uint8Array(frameBytesMax - 100)))
    for (let i = 0; i * large.length < inboxBytesMax + 2 * large.length; i++)
      transport.handlers?.frame('x', 'log', large)
    const dropped = host.info().counters['inbox-full'] ?? 0
    assert(dropped > 0 && dropped < 5, `${dropped} frames were dropped`)
    await cluster.run(10)
    const request = encodeFrame(
      deployment,
      'request',
      encode([7, 'read', 1000, ['main', [0, ['key']], 2, 0]]),
    )
    transport.handlers?.frame('x', 'log', request)
    await cluster.run(10)
    const answers = transport.sent.map(({ frame }) => decodeFrame(deployment, frame))
    const last = answers.filter(frame => typeof frame !== 'string' && frame.kind === 'response').at(-1)
    assert(last !== undefined && typeof last !== 'string')
    assert.deepEqual((decode(last.body) as unknown[]).slice(0, 2), [7, true])
    assert.equal(host.info().counters['inbox-full'], dropped)
    await cluster.settle(store.put('k', 1))
  })
})
