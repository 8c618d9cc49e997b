// Direct links of this process, each with a record of what it said.

import type { TestContext } from 'node:test'
import { Counters } from '../../src/transport/counters.ts'
import type { Link, LinkHandlers } from '../../src/transport/link.ts'
import type { Rtc } from '../../src/transport/rtc.ts'
import type { Session } from '../../src/transport/session.ts'
import { WebRtc } from '../../src/transport/webrtc.ts'
import { loadNodeRtc } from '../../src/transport/webrtc-node.ts'
import { decode } from '../../src/wire/codec.ts'
import { until } from './real-cluster.ts'

export const nodeRtc = () => loadNodeRtc({ bindAddress: '127.0.0.1' })

export interface Probe {
  readonly link: Link
  readonly counters: Counters
  /** What the link wanted to be brought to its peer. */
  readonly signals: Uint8Array[]
  readonly chunks: string[]
  /** Why the link ended, as often as it said so. */
  readonly ends: string[]
  isOpen: boolean
}

export function makeProbe(
  t: TestContext,
  isInitiator: boolean,
  loadRtc: () => Promise<Rtc> = nodeRtc,
  onSignal: (body: Uint8Array) => void = () => undefined,
): Probe {
  const counters = new Counters()
  const probe = {
    counters,
    signals: [] as Uint8Array[],
    chunks: [] as string[],
    ends: [] as string[],
    isOpen: false,
  }
  const handlers: LinkHandlers = {
    opened: () => {
      probe.isOpen = true
    },
    chunk: (channel, bytes) => probe.chunks.push(`${channel} ${bytes}`),
    drained: () => undefined,
    signal: body => {
      probe.signals.push(body)
      onSignal(body)
    },
    doubted: () => undefined,
    closed: reason => probe.ends.push(reason),
  }
  const link = new WebRtc({ loadRtc, iceServers: [], counters }).makeLink(
    { isInitiator } as Session,
    handlers,
  )
  t.after(() => link.close())
  return Object.assign(probe, { link })
}

export interface Pair {
  readonly initiator: Probe
  readonly responder: Probe
}

/** Two ends that are being connected. `answer` brings the responder's signals to the initiator, or keeps them. */
export function makePair(
  t: TestContext,
  answer = (pair: Pair, body: Uint8Array) => pair.initiator.link.signal(body),
): Pair {
  const initiator = makeProbe(t, true, nodeRtc, body => setImmediate(() => responder.link.signal(body)))
  const responder: Probe = makeProbe(t, false, nodeRtc, body => setImmediate(() => answer(pair, body)))
  const pair = { initiator, responder }
  return pair
}

/** Two ends that are connected. */
export async function openPair(t: TestContext): Promise<Pair> {
  const { initiator, responder } = makePair(t)
  await until(() => initiator.isOpen && responder.isOpen, 'the pair')
  return { initiator, responder }
}

export type SignalFields =
  | readonly ['offer' | 'answer', string]
  | readonly ['candidate', string, string, number]

/** The signals of a negotiation that went well. */
export async function recordSignals(t: TestContext): Promise<SignalFields[]> {
  const { initiator, responder } = await openPair(t)
  await until(() => initiator.signals.length > 1, 'its candidate')
  return [...initiator.signals, ...responder.signals].map(body => decode(body) as SignalFields)
}

export function pick(signals: readonly SignalFields[], type: 'offer' | 'answer'): string {
  return String(signals.find(signal => signal[0] === type)?.[1])
}
