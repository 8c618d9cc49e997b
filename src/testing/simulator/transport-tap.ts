import type { HostId } from '../../core/types.ts'
import type {
  Lane,
  PeerStatus,
  Transport,
  TransportCounters,
  TransportHandlers,
} from '../../transport/transport.ts'
import type { HostClock } from './host-clock.ts'

/** Who hears what goes in and out of a host. */
export interface TransportObserver {
  sending(to: HostId, lane: Lane, frame: Uint8Array): void
  received(from: HostId, lane: Lane, frame: Uint8Array): void
  linked(peer: HostId, isUp: boolean): void
}

/** A transport that is listened to, and through which nothing reaches a host that is suspended. */
export class TransportTap implements Transport {
  private readonly transport: Transport
  private readonly clock: HostClock
  private readonly observer: TransportObserver
  private readonly linked = new Set<HostId>()
  private receive: TransportHandlers['frame'] = () => {}
  private readonly clogged = new Map<HostId, (() => void)[]>()

  constructor(transport: Transport, clock: HostClock, observer: TransportObserver) {
    this.transport = transport
    this.clock = clock
    this.observer = observer
  }

  start(handlers: TransportHandlers): void {
    const { clock, observer } = this
    this.receive = (from, lane, frame) =>
      this.pass(from, () => {
        observer.received(from, lane, frame)
        handlers.frame(from, lane, frame)
      })
    this.transport.start({
      frame: this.receive,
      connected: (peer, path) =>
        this.pass(peer, () => {
          this.linked.add(peer)
          observer.linked(peer, true)
          handlers.connected(peer, path)
        }),
      disconnected: (peer, reason) =>
        this.pass(peer, () => {
          this.linked.delete(peer)
          observer.linked(peer, false)
          handlers.disconnected(peer, reason)
        }),
      presence: () => clock.enter(() => handlers.presence()),
    })
  }

  /** A frame comes as if from the peer, if there is a connection to it. */
  inject(from: HostId, lane: Lane, frame: Uint8Array): void {
    if (this.linked.has(from)) this.receive(from, lane, frame)
  }

  /** Holds back all that comes from the peer, in its order, until `unclog`. */
  clog(peer: HostId): void {
    if (!this.clogged.has(peer)) this.clogged.set(peer, [])
  }

  unclog(peer: HostId): void {
    const held = this.clogged.get(peer) ?? []
    this.clogged.delete(peer)
    for (const callback of held) this.clock.ring(0, callback)
  }

  unclogAll(): void {
    for (const peer of [...this.clogged.keys()]) this.unclog(peer)
  }

  send(to: HostId, lane: Lane, frame: Uint8Array): boolean {
    this.observer.sending(to, lane, frame)
    return this.transport.send(to, lane, frame)
  }

  want(peers: ReadonlySet<HostId>): void {
    this.transport.want(peers)
  }

  present(): ReadonlySet<HostId> {
    return this.transport.present()
  }

  peers(): readonly PeerStatus[] {
    return this.transport.peers()
  }

  counters(): TransportCounters {
    return this.transport.counters()
  }

  misbehaved(peer: HostId, reason: string): void {
    this.transport.misbehaved(peer, reason)
  }

  refuse(peer: HostId, reason: string): void {
    this.transport.refuse(peer, reason)
  }

  reconnect(): void {
    this.transport.reconnect()
  }

  close(): Promise<void> {
    return this.transport.close()
  }

  private pass(peer: HostId, callback: () => void): void {
    const held = this.clogged.get(peer)
    if (held !== undefined) held.push(callback)
    else this.clock.enter(callback)
  }
}
