import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Clock } from '../../src/clock/clock.ts'
import { appendBytesMax } from '../../src/core/limits.ts'
import { Sender } from '../../src/engine/peers/sender.ts'
import { Outbox } from '../../src/engine/replica/outbox.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { decodeBeats } from '../../src/wire/beat-codec.ts'
import { encode } from '../../src/wire/codec.ts'
import { decodeFrame, encodeFrame } from '../../src/wire/frames.ts'
import { TestCluster } from './cluster.ts'
import { deployment, tapped } from './wiretap.ts'

test('proposals of which some left are not said to be unsent', async () => {
  let room = 1
  const transport = { send: () => room-- > 0 } as unknown as Transport
  const sender = new Sender(transport, () => deployment)
  const outbox = new Outbox(sender, { clock: {} as Clock, random: () => 0 })
  const large = new Uint8Array(appendBytesMax)
  assert.equal(outbox.propose('b', 'main', 1, [large, large]), true)
  assert.equal(outbox.propose('b', 'main', 1, [large, large]), false)
})

test('what a host beats for all groups in a turn is one frame for each peer, with every word in it', () => {
  const frames: Uint8Array[] = []
  const send = (_to: string, _lane: string, frame: Uint8Array) => frames.push(frame.slice()) > 0
  const sender = new Sender({ send } as unknown as Transport, () => deployment)
  const outbox = new Outbox(sender, { clock: {} as Clock, random: () => 0 })
  const beat = { from: 1, to: 2, term: 3, commit: 4, context: 5 }
  for (const type of ['heartbeat', 'response'] as const) {
    for (const group of ['g', 'h']) outbox.beat('b', { ...beat, type, group })
  }
  outbox.beat('b', { ...beat, type: 'heartbeat', group: 'g', context: 6 })
  outbox.flush()
  const [frame, ...more] = frames.map(bytes => decodeFrame(deployment, bytes))
  assert(typeof frame === 'object' && more.length === 0, 'one frame')
  const told: string[] = []
  decodeBeats(frame.body, ({ type, group, context }) => told.push(`${type} ${group} ${context}`))
  assert.deepEqual(told.sort(), ['heartbeat g 6', 'heartbeat h 5', 'response g 5', 'response h 5'])
})

describe('the loop of a host', () => {
  test('gives way between two slices of applying', async () => {
    const cluster = new TestCluster({ applySliceMs: 0, applyBytesMax: 64 * 1024 * 1024 })
    const a = await cluster.open('a')
    await cluster.settle(Promise.all(Array.from({ length: 500 }, (_, i) => a.store.put(`k${i}`, i))))
    cluster.crash('a')
    const host = await cluster.host('a')
    const store = await cluster.settle(host.store('main', { waitForLeader: false }))
    const slices = new Map<number, number>()
    let turn = 0
    const tick = (): void => {
      turn += 1
      cluster.timers.after(0, tick)
    }
    tick()
    store.on('applied', () => slices.set(turn, (slices.get(turn) ?? 0) + 1))
    await cluster.until(() => store.status().applied >= 500)
    assert(slices.size > 10, `500 entries were applied in ${slices.size} turns`)
  })

  test('leaves no timer behind when it is closed, which would keep the process from its end', async () => {
    const cluster = new TestCluster()
    const hosts = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    cluster.network.partition(['a'], ['b', 'c'])
    const waiting = [...hosts, z].flatMap(({ store }) => [
      store.put('k', 1),
      store.get('k'),
      store.promote('z'),
    ])
    const settled = Promise.allSettled(waiting)
    await cluster.run(100)
    await cluster.settle(Promise.all([...hosts, z].map(({ host }) => host.close())))
    await cluster.settle(settled)
    assert.equal(cluster.timers.pending, 0)
  })

  test('takes in what a peer sent last before it takes in that the peer went', async () => {
    const { cluster, transport, host } = await tapped({ role: 'client' })
    const store = await cluster.settle(host.store())
    const hello = encodeFrame(deployment, 'hello', encode([[['main', 1]], 1, 0, false]))
    transport.handlers?.frame('b', 'control', hello)
    transport.handlers?.disconnected('b', 'gone')
    await cluster.run(100)
    const asked = transport.sent.length
    await assert.rejects(cluster.settle(store.get('k', { deadlineMs: 1000 })), { code: 'UNREACHABLE' })
    assert.equal(transport.sent.length, asked, 'a host that went is asked nothing')
  })
})
