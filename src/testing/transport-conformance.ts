import { equalBytes } from '../base/bytes.ts'
import {
  badFramesMax,
  bulkChunkBytesMax,
  chunkBytesMax,
  frameBytesMax,
  peerQueueBytesMax,
} from '../core/limits.ts'
import type { HostId } from '../core/types.ts'
import { type Lane, lanes, type Path, type Transport } from '../transport/transport.ts'
import { check } from './check.ts'

/** What an adapter hands in to be examined. */
export interface TransportFixture {
  /** Makes hosts of one new cluster that can find each other. Their transports are not started yet. */
  open(hosts: number): Promise<TransportCluster>
  /** Lets time pass until the condition holds; rejects when it does not within what the adapter needs. */
  until(condition: () => boolean): Promise<void>
  /** The paths on which this adapter delivers. */
  readonly paths: readonly Path[]
}

export interface TransportCluster {
  readonly hosts: readonly { readonly hostId: HostId; readonly transport: Transport }[]
  /** Closes what is still open. */
  close(): Promise<void>
}

interface Received {
  readonly from: HostId
  readonly lane: Lane
  readonly frame: Uint8Array
}

/** A host and everything that its transport called back. */
class Probe {
  readonly hostId: HostId
  readonly transport: Transport
  readonly frames: Received[] = []
  readonly connected = new Map<HostId, Path>()
  readonly events: string[] = []
  isInsideCall = false
  wasCalledInside = false

  constructor(hostId: HostId, transport: Transport) {
    this.hostId = hostId
    this.transport = transport
  }

  start(): this {
    this.transport.start({
      frame: (from, lane, frame) => {
        this.noteCall()
        this.frames.push({ from, lane, frame })
      },
      connected: (peer, path) => {
        this.noteCall()
        this.connected.set(peer, path)
        this.events.push(`connected ${peer}`)
      },
      disconnected: peer => {
        this.noteCall()
        this.connected.delete(peer)
        this.events.push(`disconnected ${peer}`)
      },
      presence: () => this.noteCall(),
    })
    return this
  }

  send(to: HostId, lane: Lane, frame: Uint8Array): boolean {
    return this.inside(() => this.transport.send(to, lane, frame))
  }

  want(...peers: readonly Probe[]): void {
    this.inside(() => this.transport.want(new Set(peers.map(peer => peer.hostId))))
  }

  count(event: string): number {
    return this.events.filter(one => one === event).length
  }

  inside<Result>(call: () => Result): Result {
    this.isInsideCall = true
    try {
      return call()
    } finally {
      this.isInsideCall = false
    }
  }

  private noteCall(): void {
    this.wasCalledInside ||= this.isInsideCall
  }
}

type Case = (fixture: TransportFixture, probes: readonly Probe[]) => Promise<void>

const cases: readonly (readonly [name: string, hosts: number, run: Case])[] = [
  ['hosts that want each other are connected, by a path of the adapter', 3, connectsWanted],
  ['a host is connected when only the other one wants it', 2, connectsOneSided],
  ['hosts see each other as present before they are connected', 2, seesPresent],
  ['a frame arrives whole and unchanged in its lane, from the host that sent it', 2, deliversWhole],
  ['frames of every size around a chunk arrive, the largest one too', 2, deliversSizes],
  ['frames of one lane keep their order', 2, keepsOrder],
  ['the bytes handed in may be changed at once, the bytes received are the receiver’s own', 2, copies],
  ['a frame to nobody, or one that is too large, is refused and counted', 2, refusesAtOnce],
  ['a lane that is full refuses frames, and delays neither another lane nor another peer', 3, boundsQueues],
  ['nothing is called back inside send or want', 2, neverCallsInside],
  ['close lets queued frames leave, tells the peer once, and may be called twice', 2, closes],
  ['reconnect drops the connections and makes new ones', 2, reconnects],
  ['a peer that keeps misbehaving is disconnected and counted', 2, dropsMisbehaving],
  ['a peer that is refused is disconnected and counted', 2, refuses],
  ['a peer that nobody wants any more is let go', 2, letsGo],
]

/** Registers the suite of the contract in `transport.ts`, one test for each of its promises. */
export function transportConformance(
  test: (name: string, run: () => Promise<void>) => void,
  fixture: TransportFixture,
): void {
  for (const [name, hosts, run] of cases) {
    test(name, async () => {
      const cluster = await fixture.open(hosts)
      const probes = cluster.hosts.map(({ hostId, transport }) => new Probe(hostId, transport).start())
      try {
        await run(fixture, probes)
      } finally {
        await cluster.close()
      }
    })
  }
}

async function connectsWanted(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  for (const probe of probes) probe.want(...probes)
  await fixture.until(() => probes.every(probe => probe.connected.size === probes.length - 1))
  for (const probe of probes) {
    for (const path of probe.connected.values())
      check(fixture.paths.includes(path), `unexpected path ${path}`)
    const statuses = probe.transport.peers().filter(peer => peer.path !== 'none')
    check(statuses.length === probes.length - 1, 'peers() names every connected peer')
    check(!probe.connected.has(probe.hostId), 'a host is no peer of itself')
  }
}

async function connectsOneSided(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = two(probes)
  // Both directions, one after the other, because only one of the two host ids initiates.
  b.want(a)
  await fixture.until(() => a.connected.has(b.hostId) && b.connected.has(a.hostId))
  b.want()
  await fixture.until(() => a.connected.size === 0 && b.connected.size === 0)
  a.want(b)
  await fixture.until(() => a.connected.has(b.hostId) && b.connected.has(a.hostId))
}

async function seesPresent(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = two(probes)
  await fixture.until(() => a.transport.present().has(b.hostId) && b.transport.present().has(a.hostId))
  check(!a.transport.present().has(a.hostId), 'a host is not present to itself')
  check(a.connected.size === 0, 'presence alone connects nobody')
}

async function deliversWhole(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  for (const [i, lane] of lanes.entries()) check(a.send(b.hostId, lane, pattern(100 + i)), 'send takes it')
  await fixture.until(() => b.frames.length === lanes.length)
  for (const [i, lane] of lanes.entries()) {
    const received = b.frames.find(one => one.lane === lane)
    check(received !== undefined && equalBytes(received.frame, pattern(100 + i)), `lane ${lane} delivers`)
    check(received.from === a.hostId, 'the sender is named')
  }
}

async function deliversSizes(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  const around = [bulkChunkBytesMax, chunkBytesMax].flatMap(bytes =>
    [-3, -2, -1, 0, 1, 2].map(difference => bytes + difference),
  )
  const sizes = [0, 1, ...around, 2 * chunkBytesMax, 65_536, frameBytesMax]
  for (const lane of lanes) {
    b.frames.length = 0
    for (const size of sizes) check(a.send(b.hostId, lane, pattern(size)), `send takes ${size} bytes`)
    await fixture.until(() => b.frames.length === sizes.length)
    for (const [i, size] of sizes.entries()) {
      const frame = b.frames[i]?.frame
      check(frame !== undefined && equalBytes(frame, pattern(size)), `${size} bytes arrive unchanged`)
    }
  }
}

async function keepsOrder(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  const count = 500
  for (let i = 0; i < count; i++) {
    for (const lane of lanes) a.send(b.hostId, lane, numbered(i, i % 50 === 0 ? 40_000 : 8))
  }
  await fixture.until(() => b.frames.length === count * lanes.length)
  for (const lane of lanes) {
    const numbers = b.frames.filter(one => one.lane === lane).map(one => numberOf(one.frame))
    check(
      numbers.every((number, i) => number === i),
      `lane ${lane} keeps its order`,
    )
  }
}

async function copies(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  const reused = new Uint8Array(40_000)
  for (let i = 1; i <= 20; i++) {
    reused.fill(i)
    const frame = reused.subarray(0, i % 2 === 0 ? 100 : 40_000)
    check(a.send(b.hostId, 'log', frame), 'send takes it')
  }
  reused.fill(255)
  await fixture.until(() => b.frames.length === 20)
  for (const [i, { frame }] of b.frames.entries()) {
    check(
      frame.every(byte => byte === i + 1),
      'a later change of the sender’s buffer does not show',
    )
  }
  const [first, second] = [b.frames[1]?.frame, b.frames[3]?.frame]
  check(first !== undefined && second !== undefined, 'both are there')
  first.fill(77)
  check(
    second.every(byte => byte === 4),
    'two frames share no bytes',
  )
}

async function refusesAtOnce(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = two(probes)
  const isRefused = (to: HostId, size: number) => {
    const before = total(a)
    check(!a.send(to, 'bulk', new Uint8Array(size)), 'send says no')
    check(total(a) === before + 1, 'a refusal is counted')
  }
  isRefused(b.hostId, 3)
  await connect(fixture, probes)
  isRefused(b.hostId, frameBytesMax + 1)
  isRefused('nobody', 3)
  check(a.send(b.hostId, 'bulk', pattern(3)), 'others still pass')
  await fixture.until(() => b.frames.length === 1)
}

async function boundsQueues(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b, c] = probes as readonly [Probe, Probe, Probe]
  a.want(b, c)
  await fixture.until(() => a.connected.size === 2 && b.connected.size === 1 && c.connected.size === 1)
  const frame = new Uint8Array(1024 * 1024)
  let taken = 0
  while (a.send(b.hostId, 'bulk', frame)) taken += frame.length
  // What a data channel itself holds comes on top of the queue.
  check(taken <= peerQueueBytesMax + 2 * 1024 * 1024, 'the queue is bounded')
  check(a.send(b.hostId, 'control', pattern(9)), 'another lane has its own queue')
  check(a.send(c.hostId, 'bulk', pattern(9)), 'another peer has its own queue')
  await fixture.until(() => c.frames.length === 1 && b.frames.some(one => one.lane === 'control'))
  await fixture.until(() => b.frames.length === taken / frame.length + 1)
  check(a.send(b.hostId, 'bulk', frame), 'a queue that emptied takes frames again')
}

async function neverCallsInside(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  for (let i = 0; i < 100; i++) {
    a.send(b.hostId, 'control', pattern(i))
    b.send(a.hostId, 'log', pattern(i))
  }
  await fixture.until(() => a.frames.length === 100 && b.frames.length === 100)
  a.inside(() => a.transport.reconnect())
  await fixture.until(() => a.count(`connected ${b.hostId}`) > 1)
  for (const probe of probes) check(!probe.wasCalledInside, 'handlers run outside the caller’s own call')
}

async function closes(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  for (let i = 0; i < 20; i++) a.send(b.hostId, 'bulk', pattern(10_000))
  const closed = Promise.all([a.transport.close(), a.transport.close()])
  await fixture.until(() => b.connected.size === 0)
  await closed
  check(b.frames.length === 20, `queued frames arrive before the end, ${b.frames.length} of 20 did`)
  check(b.count(`disconnected ${a.hostId}`) === 1, 'the peer is told once')
  check(!a.transport.send(b.hostId, 'log', pattern(1)), 'a closed transport sends nothing')
  await a.transport.close()
}

async function reconnects(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  const before = b.count(`connected ${a.hostId}`)
  a.transport.reconnect()
  await fixture.until(() => a.count(`disconnected ${b.hostId}`) === 1)
  await fixture.until(() => b.count(`connected ${a.hostId}`) > before && a.connected.has(b.hostId))
  check(a.send(b.hostId, 'log', pattern(5)), 'frames can be sent again')
  await fixture.until(() => b.frames.length === 1)
}

async function dropsMisbehaving(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  for (let i = 1; i < badFramesMax; i++) a.transport.misbehaved(b.hostId, 'nonsense')
  check(a.connected.has(b.hostId), 'a few bad frames are borne')
  a.transport.misbehaved(b.hostId, 'nonsense')
  await fixture.until(() => a.connected.size === 0 && b.connected.size === 0)
  check(total(a) >= badFramesMax, 'every bad frame is counted')
}

async function refuses(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  const before = total(a)
  a.transport.refuse(b.hostId, 'not today')
  await fixture.until(() => a.connected.size === 0 && b.connected.size === 0)
  check(total(a) > before, 'a refusal is counted')
}

async function letsGo(fixture: TransportFixture, probes: readonly Probe[]): Promise<void> {
  const [a, b] = await connect(fixture, probes)
  a.want()
  b.want()
  await fixture.until(() => a.connected.size === 0 && b.connected.size === 0)
}

async function connect(
  fixture: TransportFixture,
  probes: readonly Probe[],
): Promise<readonly [Probe, Probe]> {
  const [a, b] = two(probes)
  a.want(b)
  b.want(a)
  await fixture.until(() => isSettled(fixture, a, b) && isSettled(fixture, b, a))
  return [a, b]
}

// The last path of the adapter's is the one that stays: on a change of path a lane may lose its order.
function isSettled(fixture: TransportFixture, probe: Probe, peer: Probe): boolean {
  return probe.connected.get(peer.hostId) === fixture.paths.at(-1)
}

function two(probes: readonly Probe[]): readonly [Probe, Probe] {
  const [a, b] = probes
  check(a !== undefined && b !== undefined, 'the fixture opens as many hosts as asked')
  return [a, b]
}

function total(probe: Probe): number {
  return Object.values(probe.transport.counters()).reduce((sum, count) => sum + count, 0)
}

function pattern(size: number): Uint8Array {
  const frame = new Uint8Array(size)
  for (let i = 0; i < size; i++) frame[i] = (i * 31 + size) & 255
  return frame
}

function numbered(number: number, size: number): Uint8Array {
  const frame = pattern(size)
  new DataView(frame.buffer).setUint32(0, number)
  return frame
}

function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(0)
}
