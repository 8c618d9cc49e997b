import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'
import { QuorateError } from '../core/error.ts'
import { dialsMax, drainMs, peerPingMs, peersMax } from '../core/limits.ts'
import type { HostId } from '../core/types.ts'
import { MalformedError } from '../wire/codec.ts'
import type { Counters } from './counters.ts'
import type { EnvelopeKind, EnvelopeSealer } from './envelope.ts'
import { type LinkMakers, Peer } from './peer.ts'
import type { Signaling } from './signaling.ts'
import type { Timers } from './timers.ts'
import type { Lane, Path, PeerStatus, Transport, TransportCounters, TransportHandlers } from './transport.ts'

export interface MeshOptions {
  readonly self: HostId
  readonly signaling: Signaling
  readonly sealer: EnvelopeSealer
  readonly makers: LinkMakers
  /** Takes what the seeds relay, and learns whom they lost. */
  readonly relay: { receive(from: HostId, payload: Uint8Array): void; left(hostId: HostId): void } | undefined
  readonly timers: Timers
  readonly random: Random
  readonly counters: Counters
}

/** Envelopes that wait to be opened. Only a hostile seed brings more. */
const envelopesMax = 1024

/** Time for which a peer that misbehaved gets no connection. */
const refusalMs = 30_000

/** The transport of a real host: makes and keeps the connections that are wanted, each by the best path there is. */
export class Mesh implements Transport {
  private readonly options: MeshOptions
  private readonly peerMap = new Map<HostId, Peer>()
  private readonly refused = new Map<HostId, number>()
  private readonly leaving = new Set<Peer>()
  private wanted: ReadonlySet<HostId> = new Set()
  private handlers: TransportHandlers | undefined
  private isClosing = false
  private closed: Promise<void> | undefined
  private cancelTick: (() => void) | undefined
  private cancelPresence: (() => void) | undefined
  // Chains, because WebCrypto answers in any order and envelopes must keep theirs.
  private opened: Promise<void> = Promise.resolve()
  private sealed: Promise<void> = Promise.resolve()
  private opening = 0

  constructor(options: MeshOptions) {
    this.options = options
  }

  start(handlers: TransportHandlers): void {
    assert(this.handlers === undefined && !this.isClosing, 'a transport is started once')
    this.handlers = handlers
    const { signaling, relay, counters } = this.options
    signaling.start({
      envelope: bytes => this.receiveEnvelope(bytes),
      relayed: (from, payload) => {
        if (relay === undefined) counters.add('relay-unknown-session')
        else relay.receive(from, payload)
      },
      joined: hostId => {
        const peer = this.peerMap.get(hostId)
        peer?.doubt()
        peer?.hurry()
        this.consider(hostId)
        this.presenceChanged()
      },
      left: hostId => {
        relay?.left(hostId)
        this.peerMap.get(hostId)?.missed()
        this.presenceChanged()
      },
    })
    this.scheduleTick()
  }

  send(to: HostId, lane: Lane, frame: Uint8Array): boolean {
    const peer = this.peerMap.get(to)
    if (peer !== undefined) return peer.send(lane, frame)
    this.options.counters.add('no-path')
    return false
  }

  want(peers: ReadonlySet<HostId>): void {
    const before = this.wanted
    this.wanted = new Set([...peers].filter(hostId => hostId !== this.options.self))
    for (const hostId of new Set([...before, ...this.wanted])) {
      if (before.has(hostId) !== this.wanted.has(hostId)) this.peerMap.get(hostId)?.interestChanged()
    }
    this.considerAll()
  }

  present(): ReadonlySet<HostId> {
    const present = new Set(this.options.signaling.present())
    for (const peer of this.peerMap.values()) if (peer.path !== 'none') present.add(peer.hostId)
    present.delete(this.options.self)
    return present
  }

  peers(): readonly PeerStatus[] {
    return [...this.peerMap.values()].map(peer => peer.status())
  }

  counters(): TransportCounters {
    return this.options.counters.snapshot()
  }

  misbehaved(hostId: HostId, reason: string): void {
    const peer = this.peerMap.get(hostId)
    if (peer === undefined) this.options.counters.add(`misbehaved: ${reason}`)
    else peer.misbehaved(reason)
  }

  refuse(hostId: HostId, reason: string): void {
    const { timers, counters } = this.options
    counters.add('peer-refused')
    this.refused.set(hostId, timers.now() + refusalMs)
    this.peerMap.get(hostId)?.drop(reason)
  }

  reconnect(): void {
    for (const peer of this.peerMap.values()) {
      peer.drop('reconnect')
      peer.hurry()
    }
    this.options.signaling.reconnect()
    this.considerAll()
  }

  close(): Promise<void> {
    this.closed ??= this.end()
    return this.closed
  }

  private async end(): Promise<void> {
    this.isClosing = true
    this.handlers = undefined
    const peers = [...this.peerMap.values()]
    const left = Promise.all(peers.map(peer => peer.leave()))
    let cancel = () => {}
    const late = new Promise<void>(resolve => {
      cancel = this.options.timers.after(drainMs, resolve)
    })
    await Promise.race([left, late])
    cancel()
    this.cancelTick?.()
    this.cancelPresence?.()
    this.options.signaling.close(new QuorateError('CLOSED', 'The host was closed.'))
    for (const peer of peers) peer.drop('closed')
    this.peerMap.clear()
  }

  private receiveEnvelope(bytes: Uint8Array): void {
    if (this.opening >= envelopesMax) {
      this.options.counters.add('envelope-overrun')
      return
    }
    this.opening += 1
    this.opened = this.opened.then(async () => {
      this.opening -= 1
      try {
        await this.handleEnvelope(bytes)
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
        this.options.counters.add(`refused: ${error.message}`)
      }
    })
  }

  private async handleEnvelope(bytes: Uint8Array): Promise<void> {
    const envelope = await this.options.sealer.open(bytes)
    const { from } = envelope
    if (this.isClosing || from === this.options.self) return
    if (this.isRefused(from)) {
      this.options.counters.add('peer-refused')
      return
    }
    const peer = this.peerMap.get(from) ?? this.admit(from)
    await peer?.receive(envelope)
  }

  /** A peer for a host that turned up, unless there are too many. */
  private admit(hostId: HostId): Peer | undefined {
    if (this.peerMap.size >= peersMax) this.makeRoom()
    if (this.peerMap.size >= peersMax && !this.wanted.has(hostId)) {
      this.options.counters.add('peers-full')
      return undefined
    }
    const { self, makers, timers, random, counters } = this.options
    const peer = new Peer({
      self,
      hostId,
      makers,
      timers,
      random,
      counters,
      sendEnvelope: (kind, session, body) => this.sendEnvelope(hostId, kind, session, body),
      isWanted: () => this.wanted.has(hostId),
      handlers: {
        frame: (from, lane, frame) => this.handlers?.frame(from.hostId, lane, frame),
        pathChanged: (changed, path, reason) => this.pathChanged(changed, path, reason),
        attemptEnded: ended => {
          if (this.peerMap.get(hostId) === ended) this.considerAll()
        },
        misbehaved: bad => this.refuse(bad.hostId, 'misbehaved'),
      },
    })
    this.peerMap.set(hostId, peer)
    return peer
  }

  private sendEnvelope(to: HostId, kind: EnvelopeKind, session: string, body: Uint8Array): void {
    const { sealer, signaling, counters } = this.options
    const sealing = sealer.seal(to, kind, session, body)
    this.sealed = this.sealed.then(async () => {
      if (!signaling.sendEnvelope(to, await sealing)) counters.add('absent')
    })
  }

  private pathChanged(peer: Peer, path: Path, reason: string): void {
    if (path === 'none') this.handlers?.disconnected(peer.hostId, reason)
    else this.handlers?.connected(peer.hostId, path)
    this.consider(peer.hostId)
    this.presenceChanged()
  }

  private considerAll(): void {
    for (const hostId of this.wanted) this.consider(hostId)
  }

  /** Dials the host if there is a reason to, and nothing against it. */
  private consider(hostId: HostId): void {
    if (this.isClosing || this.handlers === undefined || !this.wanted.has(hostId)) return
    if (!this.options.signaling.isPresent(hostId) || this.isRefused(hostId)) return
    const peer = this.peerMap.get(hostId) ?? this.admit(hostId)
    if (peer === undefined || !peer.isDue) return
    let dials = 0
    for (const other of this.peerMap.values()) if (other.isDialing) dials += 1
    if (dials < dialsMax) peer.dial()
  }

  private scheduleTick(): void {
    this.cancelTick = this.options.timers.after(peerPingMs, () => {
      this.scheduleTick()
      for (const peer of this.peerMap.values()) {
        peer.tick()
        if (!this.isClosing && this.isUnwanted(peer)) void this.letGo(peer)
      }
      this.considerAll()
    })
  }

  private isUnwanted(peer: Peer): boolean {
    return peer.path !== 'none' && !this.wanted.has(peer.hostId) && !peer.isWantedThere && !peer.isDialing
  }

  private async letGo(peer: Peer): Promise<void> {
    if (this.leaving.has(peer)) return
    this.leaving.add(peer)
    await Promise.race([peer.leave(), this.pause(drainMs)])
    this.leaving.delete(peer)
    if (this.isUnwanted(peer)) peer.drop('not wanted')
  }

  private pause(ms: number): Promise<void> {
    return new Promise(resolve => this.options.timers.after(ms, resolve))
  }

  private isRefused(hostId: HostId): boolean {
    const untilMs = this.refused.get(hostId)
    if (untilMs === undefined) return false
    if (untilMs > this.options.timers.now()) return true
    this.refused.delete(hostId)
    return false
  }

  /** Forgets who is idle, and who is only being dialled and gone from every seed. */
  private makeRoom(): void {
    for (const [hostId, peer] of [...this.peerMap]) {
      const isGone = peer.isCutOff && !this.options.signaling.isPresent(hostId)
      if (this.wanted.has(hostId) || !(peer.isIdle || isGone)) continue
      // Forgotten first: the end of its attempt must not dial the host for which room is being made.
      this.peerMap.delete(hostId)
      peer.drop('forgotten')
    }
  }

  private presenceChanged(): void {
    if (this.cancelPresence !== undefined || this.isClosing) return
    this.cancelPresence = this.options.timers.after(0, () => {
      this.cancelPresence = undefined
      this.handlers?.presence()
    })
  }
}
