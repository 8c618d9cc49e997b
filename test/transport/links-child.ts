// Makes many direct links, ends them in the way it is told to, and must end by itself then.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Counters } from '../../src/transport/counters.ts'
import type { Link, LinkHandlers } from '../../src/transport/link.ts'
import type { Session } from '../../src/transport/session.ts'
import { WebRtc } from '../../src/transport/webrtc.ts'
import { loadNodeRtc } from '../../src/transport/webrtc-node.ts'

const [pattern = '', count = '1'] = process.argv.slice(2)
const atOnce = 16
const rtc = await loadNodeRtc({ bindAddress: '127.0.0.1' })

interface End {
  readonly link: Link
  readonly connection: () => RTCPeerConnection | undefined
}

function makeEnd(isInitiator: boolean, handlers: Partial<LinkHandlers>): End {
  let connection: RTCPeerConnection | undefined
  class Recorded extends rtc.RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration)
      connection = this
    }
  }
  const loadRtc = async () => ({ ...rtc, RTCPeerConnection: Recorded })
  const webrtc = new WebRtc({ loadRtc, iceServers: [], counters: new Counters() })
  const ignored = { opened() {}, chunk() {}, drained() {}, signal() {}, doubted() {}, closed() {} }
  const link = webrtc.makeLink({ isInitiator } as Session, { ...ignored, ...handlers })
  return { link, connection: () => connection }
}

interface Pair {
  readonly initiator: End
  readonly responder: End
}

/** Two ends of one link. `opened` is called when both are open, `signal` before the signal of that number arrives. */
function makePair(on: { opened?(): void; signal?(count: number): void; closed?(): void }): Pair {
  let [opened, signals] = [0, 0]
  const handlers = (other: () => End): Partial<LinkHandlers> => ({
    opened: () => ++opened === 2 && on.opened?.(),
    signal: body =>
      setImmediate(() => {
        on.signal?.(signals++)
        other().link.signal(body)
      }),
    closed: () => on.closed?.(),
  })
  const initiator = makeEnd(
    true,
    handlers(() => responder),
  )
  const responder: End = makeEnd(
    false,
    handlers(() => initiator),
  )
  return { initiator, responder }
}

/** Resolves when `closed` was called, or one end has noticed that the other was closed. */
async function closeOpened(close: (pair: Pair, closed: () => void) => void): Promise<void> {
  await new Promise<void>(closed => {
    const pair = makePair({ opened: () => close(pair, closed), closed })
  })
}

async function closeNegotiating(lastSignal: number): Promise<void> {
  await new Promise<void>(resolve => {
    const { initiator, responder } = makePair({
      signal(number) {
        if (number !== lastSignal) return
        initiator.link.close()
        responder.link.close()
        resolve()
      },
    })
  })
}

const patterns: Record<string, (index: number) => Promise<void>> = {
  initiator: () => closeOpened(({ initiator }) => initiator.link.close()),
  responder: () => closeOpened(({ responder }) => responder.link.close()),
  both: () =>
    closeOpened(({ initiator, responder }, closed) => {
      initiator.link.close()
      responder.link.close()
      closed()
    }),
  crossing: index =>
    closeOpened(({ initiator, responder }, closed) => {
      initiator.link.close()
      setTimeout(() => {
        responder.link.close()
        closed()
      }, index % 8)
    }),
  // There are three signals: the offer, the answer, and the offerer's candidate.
  negotiating: index => closeNegotiating(index % 3),
  arriving: index =>
    closeOpened(({ initiator, responder }) => {
      for (const label of ['a', 'b', 'c']) initiator.connection()?.createDataChannel(label)
      setTimeout(() => responder.link.close(), index % 4)
    }),
}

/** Links to a process that is killed when all are open. Half of them are closed at that moment, the others later. */
async function closeKilled(): Promise<void> {
  const remote = fork(fileURLToPath(import.meta.url), ['remote', count], { execArgv: ['--import', 'tsx'] })
  const links = await connectAll(true, remote)
  remote.kill('SIGKILL')
  for (const link of links.splice(0, links.length / 2)) link.close()
  await once(remote, 'exit')
  for (const link of links) link.close()
}

/** One end of each of `count` links; the signals go through the channel of a process. Resolves when none is pending. */
async function connectAll(isInitiator: boolean, through: ChildProcess | NodeJS.Process): Promise<Link[]> {
  const links: Link[] = []
  const pending = new Set<number>()
  await new Promise<void>(resolve => {
    const settle = (index: number) => pending.delete(index) && pending.size === 0 && resolve()
    for (let index = 0; index < Number(count); index++) {
      const signal = (body: Uint8Array) => through.connected && through.send?.([index, [...body]])
      const [opened, closed] = [() => settle(index), () => settle(index)]
      pending.add(index)
      links.push(makeEnd(isInitiator, { signal, opened, closed }).link)
    }
    through.on('message', (message: unknown) => {
      const [index, body] = message as [number, number[]]
      links[index]?.signal(Uint8Array.from(body))
    })
  })
  return links
}

if (pattern === 'remote') {
  await connectAll(false, process)
} else {
  const run = patterns[pattern]
  if (run === undefined) await closeKilled()
  else {
    let next = 0
    const work = async () => {
      while (next < Number(count)) await run(next++)
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }
  process.send?.('closed')
  process.disconnect?.()
}
