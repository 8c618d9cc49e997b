// What a peer signals is not to be trusted: it may end its own link, and nothing else.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import type { Rtc } from '../../src/transport/rtc.ts'
import { encode } from '../../src/wire/codec.ts'
import { makeProbe, openPair, pick, recordSignals, type SignalFields } from './link-probe.ts'
import { until } from './real-cluster.ts'

describe('a signal that WebRTC refuses ends its link, and nothing else:', () => {
  const garbage = 'v=0\r\nnot a description'
  const cases: {
    readonly name: string
    readonly isInitiator: boolean
    readonly signals: (recorded: readonly SignalFields[]) => SignalFields[]
  }[] = [
    { name: 'an offer of garbage', isInitiator: false, signals: () => [['offer', garbage]] },
    { name: 'an answer of garbage', isInitiator: true, signals: () => [['answer', garbage]] },
    { name: 'an empty offer', isInitiator: false, signals: () => [['offer', '']] },
    {
      name: 'an offer without a fingerprint',
      isInitiator: false,
      signals: recorded => [['offer', pick(recorded, 'offer').replace(/a=fingerprint.*\r\n/g, '')]],
    },
    {
      name: 'an offer without the names and passwords of ICE',
      isInitiator: false,
      signals: recorded => [['offer', pick(recorded, 'offer').replace(/a=ice-.*\r\n/g, '')]],
    },
    {
      name: 'an answer to one who answered',
      isInitiator: false,
      signals: recorded => [
        ['offer', pick(recorded, 'offer')],
        ['answer', pick(recorded, 'answer')],
      ],
    },
    {
      name: 'a second answer',
      isInitiator: true,
      signals: recorded => [
        ['answer', pick(recorded, 'answer')],
        ['answer', pick(recorded, 'answer')],
      ],
    },
    {
      name: 'a candidate of garbage behind an offer',
      isInitiator: false,
      signals: recorded => [
        ['offer', pick(recorded, 'offer')],
        ['candidate', 'candidate:1 1 UDP x 127.0.0.1 port typ host', '0', 0],
      ],
    },
    {
      name: 'a candidate for a part that cannot be',
      isInitiator: false,
      signals: recorded => [
        ['offer', pick(recorded, 'offer')],
        ['candidate', 'candidate:1 1 UDP 1 127.0.0.1 9 typ host', 'no such part', 99],
      ],
    },
  ]

  for (const { name, isInitiator, signals } of cases) {
    test(name, async t => {
      const bystanders = await openPair(t)
      const recorded = await recordSignals(t)
      const victim = makeProbe(t, isInitiator)
      // Ready to be signalled to, and not only collecting what comes early.
      if (isInitiator) await until(() => victim.signals.length > 0, 'its offer')
      for (const signal of signals(recorded)) victim.link.signal(encode(signal))
      await until(() => victim.ends.length > 0, 'the end')
      assert.equal(victim.ends.length, 1)
      bystanders.initiator.link.send('control', Uint8Array.of(7))
      await until(() => bystanders.responder.chunks.includes('control 7'), 'the chunk of the others')
      assert.deepEqual(
        [...bystanders.initiator.ends, ...bystanders.responder.ends, ...victim.ends.slice(1)],
        [],
      )
    })
  }

  test('an offer to one who made an offer opens nothing', async t => {
    const bystanders = await openPair(t)
    const recorded = await recordSignals(t)
    const victim = makeProbe(t, true)
    await until(() => victim.signals.length > 0, 'its offer')
    victim.link.signal(encode(['offer', pick(recorded, 'offer')]))
    bystanders.initiator.link.send('control', Uint8Array.of(7))
    await until(() => bystanders.responder.chunks.includes('control 7'), 'the chunk of the others')
    // Whoever dialled it gives up on a link that does not open.
    assert(!victim.isOpen && victim.ends.length <= 1)
  })

  test('the same garbage is refused in any order, changed in any way, at any moment', async t => {
    const bystanders = await openPair(t)
    const recorded = await recordSignals(t)
    const random = seededRandom(7)
    const below = (size: number) => Math.floor(random() * size)
    for (let round = 0; round < 100; round++) {
      const victim = makeProbe(t, below(2) === 0)
      for (let count = below(5); count >= 0; count--) {
        if (below(2) === 0) await settled()
        victim.link.signal(encode(mutate(recorded, below)))
      }
      await settled()
      victim.link.close()
      assert(victim.ends.length <= 1)
    }
    bystanders.initiator.link.send('bulk', Uint8Array.of(7))
    await until(() => bystanders.responder.chunks.includes('bulk 7'), 'the chunk of the others')
  })
})

describe('a signal that is none is counted, and its link lives on:', () => {
  const tooLong = 'a=x\r\n'.repeat(4 * 1024)
  const cases: Readonly<Record<string, Uint8Array>> = {
    'bytes of nothing': Uint8Array.of(0xc1, 1, 2),
    'no bytes': new Uint8Array(0),
    'an unknown kind': encode(['renegotiate', true]),
    'an offer that is no text': encode(['offer', 5]),
    'an offer that is too long': encode(['offer', tooLong]),
    'an answer that is too long': encode(['answer', tooLong]),
    'a candidate without a part': encode(['candidate', 'candidate:1 1 UDP 1 127.0.0.1 9 typ host']),
    'a candidate that is too long': encode(['candidate', tooLong, '0', 0]),
    'a candidate of a negative part': encode(['candidate', 'candidate:1', '0', -1]),
  }
  for (const [name, signal] of Object.entries(cases)) {
    test(name, async t => {
      const { initiator, responder } = await openPair(t)
      responder.link.signal(signal)
      assert.equal(responder.counters.get('signal-malformed'), 1)
      initiator.link.send('control', Uint8Array.of(7))
      await until(() => responder.chunks.includes('control 7'), 'a chunk')
      assert.deepEqual(responder.ends, [])
    })
  }
})

describe('in a browser, where a refusal is a promise', () => {
  const refusals: Readonly<Record<string, (rtc: FakeConnection) => void>> = {
    'a description that is refused ends the link': connection => {
      connection.setRemoteDescription = () => Promise.reject(new DOMException('no', 'InvalidAccessError'))
    },
    'a description that is refused by a throw ends the link': connection => {
      connection.setRemoteDescription = () => {
        throw new DOMException('no', 'InvalidStateError')
      }
    },
    'a candidate that is refused ends the link': connection => {
      connection.addIceCandidate = () => Promise.reject(new DOMException('no', 'OperationError'))
    },
    'an answer that cannot be made ends the link': connection => {
      connection.createAnswer = () => Promise.reject(new DOMException('no', 'OperationError'))
    },
  }
  for (const [name, refuse] of Object.entries(refusals)) {
    test(name, async t => {
      const victim = makeProbe(t, false, fakeBrowser(refuse))
      victim.link.signal(encode(['candidate', 'candidate:1 1 UDP 1 127.0.0.1 9 typ host', '0', 0]))
      victim.link.signal(encode(['offer', 'v=0']))
      await until(() => victim.ends.length > 0, 'the end')
      assert.equal(victim.ends.length, 1)
    })
  }
})

/** As much of a browser's connection as simple-peer meets before anything is connected. */
class FakeConnection extends EventTarget {
  readonly iceConnectionState = 'new'
  readonly iceGatheringState = 'complete'
  readonly signalingState = 'stable'
  remoteDescription: RTCSessionDescriptionInit | null = null
  localDescription: RTCSessionDescriptionInit | null = null
  createDataChannel(): object {
    return { close: () => undefined, readyState: 'connecting' }
  }
  async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.remoteDescription = description
  }
  async setLocalDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.localDescription = description
  }
  async createAnswer(): Promise<RTCSessionDescriptionInit> {
    return { type: 'answer', sdp: 'v=0' }
  }
  async addIceCandidate(): Promise<void> {}
  getSenders(): [] {
    return []
  }
  getTransceivers(): [] {
    return []
  }
  close(): void {}
}

function fakeBrowser(refuse: (connection: FakeConnection) => void): () => Promise<Rtc> {
  class Connection extends FakeConnection {
    constructor() {
      super()
      refuse(this)
    }
  }
  class Candidate {
    readonly address = '127.0.0.1'
  }
  class Description {
    readonly type: RTCSdpType
    readonly sdp: string | undefined
    constructor({ type, sdp }: RTCSessionDescriptionInit) {
      this.type = type
      this.sdp = sdp
    }
  }
  return async () =>
    ({
      RTCPeerConnection: Connection,
      RTCSessionDescription: Description,
      RTCIceCandidate: Candidate,
    }) as object as Rtc
}

/** Long enough for what was signalled to have been refused: loading, a turn, and what simple-peer does behind it. */
function settled(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 3))
}

function mutate(recorded: readonly SignalFields[], below: (size: number) => number): unknown[] {
  const [type, text, ...rest] = recorded[below(recorded.length)] ?? ['offer', '']
  const lines = text.split('\r\n')
  const line = below(lines.length)
  const at = below(text.length)
  const number = ['-1', '0', '65536', '99999999999999999999', 'x'][below(5)] ?? ''
  const changes = [
    () => text,
    () => text.slice(0, at),
    () => text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1),
    () => text.slice(0, at) + text.slice(at).replace(/\d+/, number),
    () => [...lines.slice(0, line), ...lines.slice(line + 1)].join('\r\n'),
    () => [...lines, ...lines.slice(line)].join('\r\n'),
  ]
  const changed = changes[below(changes.length)]?.() ?? ''
  const kind = below(6) === 0 ? (['offer', 'answer'][below(2)] ?? type) : type
  return kind === 'candidate' ? [kind, changed, ...(rest.length > 0 ? rest : ['0', 0])] : [kind, changed]
}
