import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { peersMax } from '../../src/core/limits.ts'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { blankMessage } from '../../src/core/raft/message.ts'
import { encodeBeats } from '../../src/wire/beat-codec.ts'
import { decode, encode } from '../../src/wire/codec.ts'
import { encodeFrame, type FrameKind, frameHeaderBytes } from '../../src/wire/frames.ts'
import { encodeRaftBody, messageFields } from '../../src/wire/message-codec.ts'
import { encodeProposal } from '../../src/wire/proposal-codec.ts'
import { collectGarbage } from '../run/collect-garbage.ts'
import { deployment, tapped } from './wiretap.ts'

const other = 'b'.repeat(32)
const responseKind = 5

async function opened() {
  const parts = await tapped()
  return { ...parts, store: await parts.cluster.settle(parts.host.store()) }
}

const put = encodeProposal({
  session: 0,
  seq: 1,
  acked: 0,
  command: { type: 'put', key: 'hostile', value: encode(1) },
})

const offer = {
  ...blankMessage,
  type: 'MsgSnap',
  from: 2,
  to: 1,
  term: 9,
  snapshot: { index: 50, term: 9, conf: { ...emptyConfState, voters: [1, 2] } },
} as const

/** A body of each kind as a member would send it. */
const bodies: readonly (readonly [FrameKind, Uint8Array])[] = [
  ['hello', encode([[['main', 1]], 1, 0, true])],
  ['propose', encode([1, 'main', 1, [put]])],
  ['refuse', encode(['main', 1, [[1, 2, true, null]]])],
  ['refuse', encode(['main', 1, [[1, 2, false, 'not for sale']]])],
  ['request', encode([1, 'read', 1000, ['main', [0, ['key']], 0, 0]])],
  ['request', encode([2, 'read', 1000, ['main', [1, { prefix: 'k' }, 10, false, null, true], 0, 0]])],
  ['request', encode([12, 'read', 1000, ['main', [2, { gte: 'k' }], 0, 0]])],
  ['request', encode([9, 'view', 1000, ['main', 0, 0]])],
  ['request', encode([10, 'view-read', 1000, [7, [0, ['key']]]])],
  ['request', encode([11, 'view-close', 1000, 7])],
  ['request', encode([3, 'watch', 1000, ['main', 1, {}, 2]])],
  ['request', encode([4, 'change', 1000, ['main', 0, ['x']]])],
  ['request', encode([5, 'join', 1000, ['main']])],
  ['request', encode([6, 'entries', 1000, ['main', 2]])],
  ['request', encode([7, 'request', 1000, ['main', 'name', encode(1)]])],
  ['request', encode([8, 'lead-request', 1000, ['main', 'name', encode(1), 'a']])],
  ['response', encode([1, true, null])],
  ['event', encode([1, 1, 5, [], null])],
  ['snapshot', encode(['main', 9, 50, 0, 0, messageFields(offer)])],
  ['snapshot', encode(['main', 9, 50, 0, 1, new Uint8Array(3)])],
  ['snapshot', encode(['main', 9, 50, 1, 1, null])],
  ['snapshot-ack', encode(['main', 1, 1, 1, null, false])],
  ['removed', encode(['main', 1])],
  ['removed', encode(['main', 1, true])],
  [
    'beat',
    encodeBeats([{ type: 'wake', group: 'main', from: 2, to: 0, term: 9, commit: 0, context: 0 }]).slice(),
  ],
]

function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const copy = bytes.slice(0, random() < 0.2 ? Math.floor(random() * bytes.length) : bytes.length)
  for (let flips = 1 + Math.floor(random() * 4); flips > 0 && copy.length > 0; flips--) {
    copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256)
  }
  return copy
}

describe('a hostile peer', () => {
  test('sends 10 000 broken frames: each is refused or harmless, and the host goes on', async () => {
    const { cluster, transport, host, store } = await opened()
    await cluster.settle(store.put('mine', 1))
    const random = seededRandom(42)
    // To another replica: members are trusted, and one that names a later term would be believed.
    const append = { ...blankMessage, type: 'MsgApp', from: 2, to: 7, term: 9, index: 9 } as const
    const raft = encodeFrame(deployment, 'raft', encodeRaftBody(new Map([['main', [append]]])))
    collectGarbage()
    const heapBefore = process.memoryUsage().heapUsed
    for (let i = 0; i < 10_000; i++) {
      const [kind, body] = bodies[i % bodies.length] as (typeof bodies)[number]
      // Under a header that is right, so that what lies behind it is tried, too.
      const sound = encodeFrame(deployment, kind, mutate(body, random))
      const torn = mutate(i % 2 === 0 ? raft : encodeFrame(deployment, kind, body), random)
      const noise = Uint8Array.from({ length: Math.floor(random() * 100) }, () => Math.floor(random() * 256))
      // Who asked to join is a member from then on, and a member is believed.
      const from = kind === 'removed' ? 'y' : 'x'
      transport.handlers?.frame(from, 'log', [sound, torn, noise][i % 3] as Uint8Array)
      if (i % 100 === 0) await cluster.run(10)
    }
    await cluster.run(5000)
    assert.equal(host.error, undefined)
    assert.equal(await cluster.settle(store.get('mine')), 1)
    await cluster.settle(store.put('mine', 2))
    assert.equal(store.status().role, 'leader')
    collectGarbage()
    const grown = process.memoryUsage().heapUsed - heapBefore
    assert(grown < 64 * 1024 * 1024, `the heap grew by ${grown} bytes`)
    const faults = [...transport.faults.values()].reduce((sum, count) => sum + count, 0)
    assert(faults > 6000, `only ${faults} frames were counted as broken`)
  })

  test('of another deployment is told of, however many came and went before', async () => {
    const { cluster, transport, host } = await opened()
    let told = 0
    host.on('foreign', () => {
      told += 1
    })
    const hello = encodeFrame(other, 'hello', encode([[], 1, 0, false]))
    for (let number = 0; number <= peersMax; number++) {
      transport.handlers?.frame(`h${number}`, 'log', hello)
      transport.handlers?.disconnected(`h${number}`, 'it went')
    }
    await cluster.run(1000)
    assert.equal(told, peersMax + 1)
  })

  test('of another deployment or another version is counted, and changes nothing', async () => {
    const { cluster, transport, host, store } = await opened()
    const foreign: string[] = []
    host.on('foreign', ({ code }) => foreign.push(code))
    const before = (await cluster.settle(store.barrier())).revision
    transport.handlers?.frame('x', 'log', new Uint8Array(frameHeaderBytes - 1))
    for (const [kind, body] of bodies)
      for (const from of ['x', 'y']) transport.handlers?.frame(from, 'log', encodeFrame(other, kind, body))
    const future = encodeFrame(deployment, 'hello', encode([[], 1, 0, false]))
    future[0] = 99
    transport.handlers?.frame('x', 'log', future)
    transport.handlers?.frame('x', 'log', new Uint8Array(frameHeaderBytes - 1))
    await cluster.run(1000)
    assert.equal(transport.faults.get('deployment'), 2 * bodies.length)
    assert.deepEqual(foreign, ['WRONG_CLUSTER', 'WRONG_CLUSTER'])
    assert.equal(transport.faults.get('malformed'), 2)
    assert.equal(host.error, undefined)
    assert.equal((await cluster.settle(store.barrier())).revision, before + 1)
  })

  test('that tells of a snapshot without its state is counted, and the host goes on', async () => {
    const { cluster, transport, host, store } = await opened()
    const conf = { voters: [1, 2], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
    const snapshot = { index: 1000, term: 9, conf }
    const message = { ...blankMessage, type: 'MsgSnap', from: 2, to: 1, term: 9, snapshot } as const
    const body = encodeRaftBody(new Map([['main', [message]]]))
    transport.handlers?.frame('x', 'log', encodeFrame(deployment, 'raft', body))
    await cluster.run(1000)
    assert.equal(transport.faults.get('malformed'), 1)
    assert.equal(host.error, undefined)
    await cluster.settle(store.put('mine', 1))
  })

  test('leaves no watch behind when it goes right after it asked for one', async () => {
    const { cluster, transport } = await opened()
    const watch = encodeFrame(deployment, 'request', encode([1, 'watch', 1000, ['main', 1, {}, 1]]))
    transport.handlers?.frame('x', 'log', watch)
    transport.handlers?.disconnected('x', 'gone')
    await cluster.run(100)
    const before = transport.sent.length
    await cluster.run(5000)
    assert.equal(transport.sent.slice(before).filter(({ to }) => to === 'x').length, 0)
  })

  test('cannot remove a replica, or admit another host, without being a member', async () => {
    const { cluster, transport, store } = await opened()
    const send = (kind: FrameKind, body: unknown) =>
      transport.handlers?.frame('x', 'log', encodeFrame(deployment, kind, encode(body)))
    send('removed', ['main', 1])
    send('request', [1, 'admit', 1000, ['main', 'y']])
    await cluster.run(2000)
    // Whoever asked the stranger may ask another one.
    const answers = transport.sent.filter(({ frame }) => frame[1] === responseKind)
    assert.deepEqual(
      answers.map(({ frame }) => decode(frame.subarray(frameHeaderBytes))),
      [[1, false, ['NOT_MEMBER', 'only members admit others', true, 'none']]],
    )
    assert.deepEqual(
      (await cluster.settle(store.members())).map(member => member.hostId),
      ['a'],
    )
    assert.equal(store.status().role, 'leader')
  })
})
