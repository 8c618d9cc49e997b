import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'
import { QuorateError } from '../core/error.ts'
import { badFramesMax, frameBytesMax, peerSilenceMs } from '../core/limits.ts'
import type { DeploymentId, HostId } from '../core/types.ts'
import { Counters } from './counters.ts'
import { type MemoryFaults, MemoryWire, noFaults } from './memory-wire.ts'
import type { Timers } from './timers.ts'
import type {
  Grant,
  Lane,
  PeerStatus,
  Rendezvous,
  Transport,
  TransportCounters,
  TransportHandlers,
} from './transport.ts'

const dialMs = 10
const redialMs = 200
const bannedMs = 30_000

interface MemoryLink {
  readonly wires: ReadonlyMap<HostId, MemoryWire>
  readonly ends: readonly [MemoryTransport, MemoryTransport]
  /** Cancels the timer that closes a link over which nothing gets through. */
  cancelSilence: (() => void) | undefined
}

/**
 * Hosts of one cluster and the network between them, in one process. Every delay comes from `timers` and every
 * choice from `random`, so one seed decides a whole run.
 */
export class MemoryNetwork {
  readonly timers: Timers
  private readonly random: Random
  private readonly transports = new Map<HostId, MemoryTransport>()
  private readonly links = new Map<string, MemoryLink>()
  private readonly dials = new Map<string, () => void>()
  private readonly cuts = new Set<string>()
  private readonly banned = new Map<string, number>()
  private readonly unauthorized = new Set<HostId>()
  private readonly seedWaiters = new Set<() => void>()
  private faults: MemoryFaults = noFaults
  private seedIsUp = true
  private readonly grantWaiters = new Set<() => void>()
  private grant: Grant | undefined

  constructor(options: { readonly timers: Timers; readonly random: Random }) {
    this.timers = options.timers
    this.random = options.random
  }

  /** The transport of a host. A host that closed or crashed may come back under its old name. */
  transport(hostId: HostId): MemoryTransport {
    assert(!this.transports.has(hostId), 'a host has one transport at a time')
    const transport = new MemoryTransport(this, hostId)
    this.transports.set(hostId, transport)
    return transport
  }

  rendezvous(hostId: HostId): Rendezvous {
    return { found: (proposed, signal) => this.found(hostId, proposed, signal) }
  }

  /** Changes what happens to frames sent from now on; faults that are not named stay as they are. */
  setFaults(faults: Partial<MemoryFaults>): void {
    this.faults = { ...this.faults, ...faults }
  }

  /** Loses every frame from one host to another: one direction only. */
  cut(from: HostId, to: HostId): void {
    this.cuts.add(arrow(from, to))
    const link = this.links.get(pair(from, to))
    if (link === undefined || link.cancelSilence !== undefined) return
    link.cancelSilence = this.timers.after(peerSilenceMs, () => this.unlink(link, 'silence'))
  }

  /** Loses every frame between hosts of different sides. Hosts that are in no side keep all their links. */
  partition(...sides: readonly (readonly HostId[])[]): void {
    for (const [i, left] of sides.entries()) {
      for (const right of sides.slice(i + 1)) {
        for (const a of left) {
          for (const b of right) {
            this.cut(a, b)
            this.cut(b, a)
          }
        }
      }
    }
  }

  /** Ends all cuts, or those between two hosts, in both directions. */
  heal(a?: HostId, b?: HostId): void {
    if (a === undefined || b === undefined) this.cuts.clear()
    else for (const direction of [arrow(a, b), arrow(b, a)]) this.cuts.delete(direction)
    for (const link of this.links.values()) {
      const [one, other] = link.ends
      if (one.dead || other.dead || !this.isPassable(one.hostId, other.hostId)) continue
      link.cancelSilence?.()
      link.cancelSilence = undefined
    }
    this.dialAll(dialMs)
  }

  /** Takes the seed away or brings it back: without it hosts find no new peers, but links live on. */
  setSeed(isUp: boolean): void {
    this.seedIsUp = isUp
    this.presenceChanged()
    this.dialAll(dialMs)
    if (isUp) for (const wake of [...this.seedWaiters]) wake()
  }

  /** Makes the seed refuse a host, as one that has the wrong secret. */
  refuse(hostId: HostId): void {
    this.unauthorized.add(hostId)
  }

  /** Stops a host as a power cut would: its peers are told nothing and notice by silence. */
  crash(hostId: HostId): void {
    const transport = this.transports.get(hostId)
    if (transport === undefined) return
    this.transports.delete(hostId)
    transport.dead = true
    for (const link of this.linksOf(transport)) {
      for (const wire of link.wires.values()) wire.close()
      link.cancelSilence ??= this.timers.after(peerSilenceMs, () => this.unlink(link, 'silence'))
    }
    this.presenceChanged()
  }

  /** @internal */
  leave(transport: MemoryTransport): void {
    this.transports.delete(transport.hostId)
    for (const link of this.linksOf(transport)) {
      const peer = otherEnd(link, transport)
      // The goodbye travels behind the frames that were sent before it.
      this.timers.after(this.faults.latencyMs + this.faults.jitterMs, () => {
        link.wires.get(peer.hostId)?.flush()
        this.unlink(link, 'closed by the peer')
      })
    }
    this.presenceChanged()
  }

  /** @internal */
  linkBetween(a: HostId, b: HostId): MemoryLink | undefined {
    return this.links.get(pair(a, b))
  }

  /** @internal */
  linksOf(transport: MemoryTransport): readonly MemoryLink[] {
    return [...this.links.values()].filter(link => link.ends.includes(transport))
  }

  /** @internal */
  present(hostId: HostId): ReadonlySet<HostId> {
    const seen = new Set<HostId>()
    for (const link of this.links.values()) {
      for (const end of link.ends) if (link.wires.has(hostId) && end.hostId !== hostId) seen.add(end.hostId)
    }
    if (!this.seedIsUp) return seen
    for (const transport of this.transports.values()) {
      if (transport.isStarted && transport.hostId !== hostId) seen.add(transport.hostId)
    }
    return seen
  }

  /** @internal */
  presenceChanged(): void {
    for (const transport of this.transports.values()) {
      this.timers.after(this.faults.latencyMs, () => transport.handlers?.presence())
    }
  }

  /** @internal Dials every pair of which one wants the other, and drops the links that nobody wants any more. */
  dialAll(delayMs: number): void {
    for (const link of [...this.links.values()]) {
      const [a, b] = link.ends
      if (a.wants(b.hostId) || b.wants(a.hostId) || a.dead || b.dead) continue
      this.timers.after(this.faults.latencyMs, () => {
        if (!a.wants(b.hostId) && !b.wants(a.hostId)) this.unlink(link, 'not wanted')
      })
    }
    for (const transport of this.transports.values()) {
      for (const peer of transport.wanted) this.dial(transport.hostId, peer, delayMs)
    }
  }

  /** @internal */
  unlink(link: MemoryLink, reason: string): void {
    const [a, b] = link.ends
    const key = pair(a.hostId, b.hostId)
    if (this.links.get(key) !== link) return
    this.links.delete(key)
    link.cancelSilence?.()
    for (const wire of link.wires.values()) wire.close()
    for (const end of link.ends) end.handlers?.disconnected(otherEnd(link, end).hostId, reason)
    this.dialAll(redialMs)
  }

  /** @internal Refuses the pair any link for a while. */
  ban(a: HostId, b: HostId): void {
    this.banned.set(pair(a, b), this.timers.now() + bannedMs)
    this.timers.after(bannedMs, () => this.dialAll(0))
  }

  private dial(a: HostId, b: HostId, delayMs: number): void {
    const key = pair(a, b)
    if (this.dials.has(key) || this.links.get(key)?.ends.every(end => !end.dead)) return
    const cancel = this.timers.after(delayMs + this.faults.latencyMs, () => {
      this.dials.delete(key)
      const left = this.transports.get(a)
      const right = this.transports.get(b)
      if (left === undefined || right === undefined) return
      if (!left.isStarted || !right.isStarted || !this.seedIsUp || !this.isPassable(a, b)) return
      if (!left.wants(b) && !right.wants(a)) return
      if ((this.banned.get(key) ?? 0) > this.timers.now()) return
      // A host that came back under its name replaces what its peers still hold of its former life.
      const stale = this.links.get(key)
      if (stale?.ends.every(end => !end.dead)) return
      if (stale !== undefined) this.unlink(stale, 'replaced')
      this.link(left, right)
    })
    this.dials.set(key, cancel)
  }

  private link(a: MemoryTransport, b: MemoryTransport): void {
    const wires = new Map([
      [a.hostId, this.wire(a, b)],
      [b.hostId, this.wire(b, a)],
    ])
    this.links.set(pair(a.hostId, b.hostId), { wires, ends: [a, b], cancelSilence: undefined })
    a.handlers?.connected(b.hostId, 'memory')
    b.handlers?.connected(a.hostId, 'memory')
  }

  private wire(from: MemoryTransport, to: MemoryTransport): MemoryWire {
    return new MemoryWire({
      timers: this.timers,
      random: this.random,
      faults: () => this.faults,
      isCut: () => this.cuts.has(arrow(from.hostId, to.hostId)),
      deliver: (lane, frame) => to.handlers?.frame(from.hostId, lane, frame),
    })
  }

  private isPassable(a: HostId, b: HostId): boolean {
    return !this.cuts.has(arrow(a, b)) && !this.cuts.has(arrow(b, a))
  }

  private async found(
    hostId: HostId,
    proposed: DeploymentId | undefined,
    signal: AbortSignal,
  ): Promise<Grant> {
    signal.throwIfAborted()
    if (!this.seedIsUp) await woken(this.seedWaiters, signal)
    if (this.unauthorized.has(hostId)) {
      throw new QuorateError(
        'UNAUTHORIZED',
        'The seed refused this host: the secret of the cluster is wrong.',
      )
    }
    if (this.grant !== undefined) return this.grant
    if (proposed === undefined) {
      await woken(this.grantWaiters, signal)
      return this.found(hostId, proposed, signal)
    }
    this.grant = { founder: hostId, deployment: proposed }
    for (const wake of [...this.grantWaiters]) wake()
    return this.grant
  }
}

function woken(waiters: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      waiters.delete(wake)
      signal.removeEventListener('abort', abort)
      act()
    }
    const wake = () => settle(resolve)
    const abort = () => settle(() => reject(signal.reason))
    waiters.add(wake)
    signal.addEventListener('abort', abort)
  })
}

/** One host's view of a `MemoryNetwork`. */
export class MemoryTransport implements Transport {
  readonly hostId: HostId
  /** @internal Undefined before `start` and after the end, so that nothing is called back any more. */
  handlers: TransportHandlers | undefined
  /** @internal */
  wanted: ReadonlySet<HostId> = new Set()
  /** @internal */
  isStarted = false
  private readonly network: MemoryNetwork
  private readonly counts = new Counters()
  private readonly badFrames = new Map<HostId, number>()
  private isDead = false

  constructor(network: MemoryNetwork, hostId: HostId) {
    this.network = network
    this.hostId = hostId
  }

  start(handlers: TransportHandlers): void {
    assert(!this.isStarted && !this.isDead, 'a transport is started once')
    this.handlers = handlers
    this.isStarted = true
    this.network.presenceChanged()
    this.network.dialAll(dialMs)
  }

  send(to: HostId, lane: Lane, frame: Uint8Array): boolean {
    if (frame.length > frameBytesMax) return this.drop('too-large')
    const wire = this.isDead ? undefined : this.network.linkBetween(this.hostId, to)?.wires.get(this.hostId)
    if (wire === undefined) return this.drop('no-path')
    return wire.send(lane, frame.slice()) || this.drop('queue-full')
  }

  want(peers: ReadonlySet<HostId>): void {
    this.wanted = new Set([...peers].filter(peer => peer !== this.hostId))
    this.network.dialAll(dialMs)
  }

  present(): ReadonlySet<HostId> {
    return this.isDead ? new Set() : this.network.present(this.hostId)
  }

  peers(): readonly PeerStatus[] {
    return this.network.linksOf(this).map(link => ({
      hostId: otherEnd(link, this).hostId,
      path: 'memory',
      candidate: undefined,
      roundTripMs: undefined,
      queuedBytes: link.wires.get(this.hostId)?.queuedBytes ?? 0,
    }))
  }

  counters(): TransportCounters {
    return this.counts.snapshot()
  }

  misbehaved(peer: HostId, reason: string): void {
    this.counts.add(`misbehaved: ${reason}`)
    const count = (this.badFrames.get(peer) ?? 0) + 1
    this.badFrames.set(peer, count)
    if (count < badFramesMax) return
    this.badFrames.delete(peer)
    this.refuse(peer, 'misbehaved')
  }

  refuse(peer: HostId, reason: string): void {
    this.counts.add('peer-refused')
    this.network.ban(this.hostId, peer)
    this.dropLinks(reason, peer)
  }

  reconnect(): void {
    this.dropLinks('reconnect')
  }

  async close(): Promise<void> {
    if (this.isDead) return
    this.dead = true
    if (this.isStarted) this.network.leave(this)
  }

  /** @internal */
  wants(peer: HostId): boolean {
    return !this.isDead && this.wanted.has(peer)
  }

  /** @internal Calls nobody back any more. */
  set dead(isDead: boolean) {
    this.isDead = isDead
    this.handlers = undefined
  }

  /** @internal */
  get dead(): boolean {
    return this.isDead
  }

  // Never inside the caller's own call: handlers must not run while the engine is in the middle of something.
  private dropLinks(reason: string, peer?: HostId): void {
    for (const link of this.network.linksOf(this)) {
      if (peer !== undefined && otherEnd(link, this).hostId !== peer) continue
      for (const wire of link.wires.values()) wire.close()
      this.network.timers.after(0, () => this.network.unlink(link, reason))
    }
  }

  private drop(reason: string): false {
    this.counts.add(reason)
    return false
  }
}

function otherEnd(link: MemoryLink, end: MemoryTransport): MemoryTransport {
  return link.ends[0] === end ? link.ends[1] : link.ends[0]
}

function pair(a: HostId, b: HostId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}

function arrow(from: HostId, to: HostId): string {
  return `${from} ${to}`
}
