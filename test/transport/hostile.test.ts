import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { emptyBytes } from '../../src/base/bytes.ts'
import { seededRandom } from '../../src/base/random.ts'
import { badFramesMax, chunkBytesMax, frameBytesMax, peerSilenceMs } from '../../src/core/limits.ts'
import { chunkHeaderBytes, Reassembly } from '../../src/transport/chunk.ts'
import { Counters } from '../../src/transport/counters.ts'
import { EnvelopeSealer } from '../../src/transport/envelope.ts'
import { createIdentity } from '../../src/transport/identity.ts'
import type { Link } from '../../src/transport/link.ts'
import { Outbox } from '../../src/transport/outbox.ts'
import { Relay } from '../../src/transport/relay.ts'
import { deriveClusterKeys } from '../../src/transport/secret.ts'
import { agree, makeOffering } from '../../src/transport/session.ts'
import { MalformedError } from '../../src/wire/codec.ts'
import { collectGarbage } from '../run/collect-garbage.ts'
import { cluster, openSeed, openTestHost, realTimers, secret, type TestHost, until } from './real-cluster.ts'

describe('an envelope', () => {
  test('is opened by the host it is for, and says who sent it', async () => {
    const { a, b, seal } = await sealers()
    const envelope = await b.sealer.open(await seal(Uint8Array.of(1, 2)))
    assert.deepEqual(envelope, {
      from: a.hostId,
      to: b.hostId,
      kind: 'signal',
      session: 's',
      body: Uint8Array.of(1, 2),
    })
  })

  test('is refused when it is for another host, from another cluster, or from one without the secret', async () => {
    const { a, b, seal } = await sealers()
    const c = await sealer()
    await assert.rejects(c.sealer.open(await seal(emptyBytes)), /not for this host/)
    const strangers = [
      await deriveClusterKeys(cluster, 'a guess'),
      await deriveClusterKeys('another', secret),
    ]
    for (const keys of strangers) {
      const stranger = new EnvelopeSealer(a.identity, keys)
      await assert.rejects(
        b.sealer.open(await stranger.seal(b.hostId, 'call', '', emptyBytes)),
        /secret unknown/,
      )
    }
  })

  test('is refused when the signature, or the key, is not of the host that it names', async () => {
    const { a, b } = await sealers()
    const keys = await deriveClusterKeys(cluster, secret)
    const c = await createIdentity(true)
    // Members know the secret and can make the HMAC; that must not let one speak for another.
    const forged = { ...a.identity, sign: c.sign }
    await assert.rejects(open({ identity: forged }), /wrong signature/)
    await assert.rejects(open({ identity: { ...c, hostId: a.hostId } }), /name does not match the key/)
    async function open({ identity }: { identity: typeof c }) {
      return b.sealer.open(await new EnvelopeSealer(identity, keys).seal(b.hostId, 'call', '', emptyBytes))
    }
  })

  test('is refused after any change of any byte', async () => {
    const { b, seal } = await sealers()
    const bytes = await seal(Uint8Array.of(1, 2, 3))
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = bytes.slice()
        changed[at] = (changed[at] ?? 0) ^ change
        await assert.rejects(b.sealer.open(changed), MalformedError)
      }),
    )
  })
})

describe('reassembly', () => {
  test('gives back what an outbox sent, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5 * chunkBytesMax), { maxLength: 8 }), sizes => {
        const received: number[] = []
        const reassembly = new Reassembly({
          frame: (_lane, frame) => received.push(frame.length),
          linkMessage: () => undefined,
        })
        const outbox = new Outbox()
        outbox.connect({
          send: (channel, chunk) => reassembly.receive(channel, chunk.slice()),
          bufferedBytes: () => 0,
        })
        for (const size of sizes) assert(outbox.send('log', new Uint8Array(size)))
        assert.deepEqual(received, sizes)
      }),
    )
  })

  test('survives any bytes, and never hands on more than it was sent', () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc
        .tuple(fc.nat(15), fc.uint8Array({ maxLength: 64 }))
        .map(([header, rest]) => Uint8Array.of(header, ...rest)),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('control', 'bulk'), chunk)), chunks => {
        let sent = 0
        let received = 0
        const reassembly = new Reassembly({
          frame: (_lane, frame) => {
            received += frame.length
          },
          linkMessage: () => undefined,
        })
        for (const [channel, bytes] of chunks) {
          sent += bytes.length
          try {
            reassembly.receive(channel, bytes)
          } catch (error) {
            assert(error instanceof MalformedError)
          }
        }
        assert(received <= sent)
      }),
      { numRuns: 2_000 },
    )
  })

  test('refuses a frame that is announced too large, and one that grows beyond what was announced', () => {
    const reassembly = new Reassembly({ frame: () => assert.fail(), linkMessage: () => assert.fail() })
    assert.throws(() => reassembly.receive('control', announce(frameBytesMax + 1)), /too large/)
    assert.throws(
      () => reassembly.receive('control', new Uint8Array(chunkBytesMax + chunkHeaderBytes + 1)),
      /too large/,
    )
    reassembly.receive('control', announce(10))
    assert.throws(() => reassembly.receive('control', Uint8Array.of(1, ...new Uint8Array(11))), /more than/)
    assert.throws(() => reassembly.receive('control', Uint8Array.of(1, 0)), /without a beginning/)
    assert.throws(() => reassembly.receive('bulk', Uint8Array.of(13, 0)), /wrong channel/)
  })
})

describe('a sealed relay', () => {
  test('refuses chunks that were changed, repeated or held back, and counts them', async () => {
    const { a, b, counters, carried } = await relayPair()
    a.link.send('control', Uint8Array.of(1))
    a.link.send('bulk', Uint8Array.of(2))
    await until(() => carried.length === 2)
    const [first, second] = carried as [Uint8Array, Uint8Array]
    const changed = first.slice()
    changed[20] = (changed[20] ?? 0) ^ 1
    for (const bytes of [changed, first, first, new Uint8Array(5), second, first])
      b.relay.receive(a.hostId, bytes)
    await until(() => b.chunks.length === 2)
    await until(() => counters.get('relay-replayed') === 2)
    assert.deepEqual(b.chunks, ['control 1', 'bulk 2'])
    assert.deepEqual([counters.get('relay-forged'), counters.get('relay-unknown-session')], [1, 1])
    for (let i = 0; i < 2; i++) a.link.send('control', Uint8Array.of(3))
    await until(() => carried.length === 4)
    b.relay.receive(a.hostId, carried[3] as Uint8Array)
    await until(() => b.closed.length === 1)
    assert.deepEqual(b.closed, ['chunks were lost'])
  })
})

describe('a member that misbehaves', () => {
  for (const webrtc of ['off', 'auto'] as const) {
    test(`is cut off after ${badFramesMax} bad chunks, nobody else notices (webrtc: ${webrtc})`, async t => {
      const { good, bad, victim, frames } = await openHosts(t, webrtc)
      const links = bad.links()
      const random = seededRandom(1)
      for (let i = 0; i < 10_000 && victim.transport.counters()['peer-refused'] === undefined; i++) {
        const bytes = Uint8Array.from({ length: Math.floor(random() * 100) }, () =>
          Math.floor(random() * 256),
        )
        for (const link of links) link.send(random() < 0.5 ? 'control' : 'bulk', bytes)
        if (i % 50 === 0) await new Promise(resolve => setImmediate(resolve))
      }
      await until(() => victim.transport.counters()['peer-refused'] !== undefined)
      await until(() => pathTo(victim, bad.hostId) === 'none')
      assert.notEqual(pathTo(victim, good.hostId), 'none')
      good.transport.send(victim.hostId, 'log', Uint8Array.of(42))
      await until(() => frames.includes(42))
    })
  }

  test('10 000 mutated chunks crash nothing and leave the memory flat', async t => {
    const { good, victim } = await openHosts(t, 'off')
    const random = seededRandom(2)
    const reassembly = new Reassembly({ frame: () => undefined, linkMessage: () => undefined })
    const sent: Uint8Array[] = []
    const outbox = new Outbox()
    outbox.connect({ send: (_channel, chunk) => sent.push(chunk.slice()), bufferedBytes: () => 0 })
    for (const size of [10, 1_000, 40_000]) outbox.send('log', new Uint8Array(size))
    collectGarbage()
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 10_000; i++) {
      const chunk = (sent[i % sent.length] as Uint8Array).slice()
      chunk[Math.floor(random() * Math.min(8, chunk.length))] = Math.floor(random() * 256)
      try {
        reassembly.receive('control', chunk)
      } catch (error) {
        assert(error instanceof MalformedError)
      }
    }
    collectGarbage()
    assert(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
    assert.notEqual(pathTo(victim, good.hostId), 'none')
  })

  test('silence is noticed, and the link is closed', async t => {
    const { bad, victim } = await openHosts(t, 'off')
    // As if the process had been stopped: nothing leaves it any more, and its connections stay open.
    for (const link of bad.links()) link.send = () => undefined
    await until(() => pathTo(victim, bad.hostId) === 'none', 'silence', 2 * peerSilenceMs)
  })
})

test('a process ends by itself after close', async t => {
  const child = fork(new URL('./exit-child.ts', import.meta.url), [], { execArgv: ['--import', 'tsx'] })
  t.after(() => child.kill('SIGKILL'))
  const [said] = await once(child, 'message')
  const closedAtMs = performance.now()
  const [code] = await once(child, 'exit')
  assert.deepEqual([said, code], ['closed', 0])
  assert(performance.now() - closedAtMs < 3_000, 'nothing keeps it alive')
})

function announce(length: number): Uint8Array {
  const chunk = new Uint8Array(chunkHeaderBytes)
  chunk[0] = 1 | 4
  new DataView(chunk.buffer).setUint32(1, length, true)
  return chunk
}

async function sealer() {
  const identity = await createIdentity(true)
  const keys = await deriveClusterKeys(cluster, secret)
  return { identity, hostId: identity.hostId, sealer: new EnvelopeSealer(identity, keys) }
}

async function sealers() {
  const [a, b] = [await sealer(), await sealer()]
  return { a, b, seal: (body: Uint8Array) => a.sealer.seal(b.hostId, 'signal', 's', body) }
}

async function relayPair() {
  const [offeringA, offeringB] = [await makeOffering(), await makeOffering()]
  const counters = new Counters()
  const carried: Uint8Array[] = []
  const end = async (self: string, peer: string, own: typeof offeringA, theirs: typeof offeringA) => {
    const session = await agree({ self, peer, own, theirs })
    const carrier = { sendRelayed: (_to: string, payload: Uint8Array) => carried.push(payload) > 0 }
    const relay = new Relay({ carrier, timers: realTimers, counters })
    const [chunks, closed]: [string[], string[]] = [[], []]
    const link = relay.makeLink(session, {
      opened: () => undefined,
      chunk: (channel, bytes) => chunks.push(`${channel} ${bytes}`),
      drained: () => undefined,
      signal: () => undefined,
      doubted: () => undefined,
      closed: reason => closed.push(reason),
    })
    return { hostId: self, relay, link, chunks, closed }
  }
  const a = await end('a', 'b', offeringA, offeringB)
  const b = await end('b', 'a', offeringB, offeringA)
  return { a, b, counters, carried }
}

function pathTo(host: TestHost, peer: string): string {
  return host.transport.peers().find(({ hostId }) => hostId === peer)?.path ?? 'none'
}

/** Three hosts that are connected, and the links of the bad one, through which a test can send what it likes. */
async function openHosts(t: TestContext, webrtc: 'off' | 'auto') {
  const seed = await openSeed()
  const [good, bad, victim] = await Promise.all([1, 2, 3].map(() => openTestHost(seed, { webrtc })))
  assert(good !== undefined && bad !== undefined && victim !== undefined)
  const frames: number[] = []
  for (const host of [good, bad, victim]) {
    host.transport.start({
      frame: (_from, _lane, frame) => frames.push(frame[0] ?? -1),
      connected: () => undefined,
      disconnected: () => undefined,
      presence: () => undefined,
    })
  }
  t.after(async () => {
    await Promise.all([good, bad, victim].map(host => host.transport.close()))
    await seed.close()
  })
  victim.transport.want(new Set([good.hostId, bad.hostId]))
  const path = webrtc === 'off' ? 'relay' : 'direct'
  await until(() =>
    [good, bad].every(host => pathTo(victim, host.hostId) === path && pathTo(host, victim.hostId) === path),
  )
  return { good, bad: { ...bad, links: () => linksOf(bad, victim.hostId) }, victim, frames }
}

// No public way leads to a link, and none should: only somebody hostile wants to send chunks of their own making.
function linksOf(host: TestHost, peer: string): Link[] {
  const { peerMap } = host.transport as unknown as {
    peerMap: ReadonlyMap<string, { lines: ReadonlySet<{ link: Link }> }>
  }
  return [...(peerMap.get(peer)?.lines ?? [])].map(({ link }) => link)
}
