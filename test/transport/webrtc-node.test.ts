// How connections of Node are negotiated: at once, each time, and at the cost of no process.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { earlySignalsMax } from '../../src/core/limits.ts'
import { Counters } from '../../src/transport/counters.ts'
import type { LinkHandlers } from '../../src/transport/link.ts'
import type { Session } from '../../src/transport/session.ts'
import { WebRtc } from '../../src/transport/webrtc.ts'
import { loadNodeRtc } from '../../src/transport/webrtc-node.ts'
import { decode, encode } from '../../src/wire/codec.ts'
import { makePair, makeProbe, nodeRtc, openPair, type Probe, pick, recordSignals } from './link-probe.ts'
import { until } from './real-cluster.ts'

describe('a negotiation in Node', () => {
  test('keeps a bounded number of signals while WebRTC is yet to be loaded', () => {
    const counters = new Counters()
    const webRtc = new WebRtc({ loadRtc: () => new Promise(() => {}), iceServers: [], counters })
    const link = webRtc.makeLink({ isInitiator: false } as Session, {} as LinkHandlers)
    for (let i = 0; i < earlySignalsMax + 3; i++) link.signal(new Uint8Array([i]))
    assert.deepEqual(counters.snapshot(), { 'signal-early': 3 })
    link.close()
  })

  test('does not begin with a channel: two ends that both offer would have to settle who leads', async t => {
    const { RTCPeerConnection } = await nodeRtc()
    const connection = new RTCPeerConnection()
    t.after(() => connection.close())
    connection.createDataChannel('a channel', { negotiated: true, id: 1 })
    assert.equal(connection.signalingState, 'stable')
  })

  test('leads nobody to an offerer that has no answer yet', async t => {
    const answers: Uint8Array[] = []
    const { initiator, responder } = makePair(t, (_pair, body) => answers.push(body))
    await until(() => answers.length > 0, 'the answer')
    assert.deepEqual(kinds(initiator), ['offer'])
    assert.doesNotMatch(text(initiator, 'offer'), /candidate/)
    for (const answer of answers) initiator.link.signal(answer)
    await until(() => initiator.isOpen && responder.isOpen, 'both ends')
    await until(() => initiator.signals.length > 1, 'its candidate')
    assert.equal(kinds(initiator)[1], 'candidate')
  })

  test('needs one signal of an answerer, which holds its candidates', async t => {
    const { initiator, responder } = await openPair(t)
    await until(() => initiator.signals.length > 1, 'the last signal')
    assert.deepEqual(kinds(responder), ['answer'])
    assert.match(text(responder, 'answer'), /a=candidate/)
  })

  test('lets an answerer come that does not say where it is', async t => {
    const { initiator, responder } = makePair(t, (pair, body) => {
      const [type, sdp] = decode(body) as [string, string]
      assert.equal(type, 'answer')
      pair.initiator.link.signal(encode([type, sdp.replace(/a=(candidate|end-of-candidates).*\r\n/g, '')]))
    })
    await until(() => initiator.isOpen && responder.isOpen, 'both ends')
  })

  for (const isInitiator of [true, false]) {
    test(`that finds no address ends as ${isInitiator ? 'offerer' : 'answerer'}, not with the process`, async t => {
      // Reserved for examples (RFC 5737), so no machine has it.
      const probe = makeProbe(t, isInitiator, () => loadNodeRtc({ bindAddress: '203.0.113.1' }))
      if (!isInitiator) probe.link.signal(encode(['offer', pick(await recordSignals(t), 'offer')]))
      await until(() => probe.ends.length > 0, 'the end')
    })
  }
})

function kinds(probe: Probe): unknown[] {
  return probe.signals.map(body => (decode(body) as unknown[])[0])
}

function text(probe: Probe, type: 'offer' | 'answer'): string {
  return String(probe.signals.map(body => decode(body) as unknown[]).find(([kind]) => kind === type)?.[1])
}
