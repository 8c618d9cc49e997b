import { authorizeMs, heldFrameBytesMax } from '../core/limits.ts'
import type { HostId } from '../core/types.ts'
import type { Timers } from './timers.ts'
import type {
  Authorize,
  Lane,
  Path,
  PeerStatus,
  Transport,
  TransportCounters,
  TransportHandlers,
} from './transport.ts'

interface Peer {
  isAllowed: boolean
  path: Path
  /** What it sent while it was asked about: its own side may have answered already. */
  held: { readonly lane: Lane; readonly bytes: Uint8Array }[]
  heldBytes: number
  cancelTimer: () => void
}

/**
 * Asks the application about each peer whenever it connects, and lets nothing through in either direction before it
 * said yes. A peer is refused where it said no, failed, or did not answer in time: its channels close, and it gets no
 * connection for a while.
 */
export class GuardedTransport implements Transport {
  private readonly transport: Transport
  private readonly authorize: Authorize
  private readonly timers: Timers
  private readonly known = new Map<HostId, Peer>()
  private handlers: TransportHandlers | undefined
  private unauthorized = 0
  private dropped = 0

  constructor(transport: Transport, authorize: Authorize, timers: Timers) {
    this.transport = transport
    this.authorize = authorize
    this.timers = timers
  }

  start(handlers: TransportHandlers): void {
    this.handlers = handlers
    this.transport.start({
      frame: (from, lane, bytes) => this.receive(from, lane, bytes),
      connected: (peer, path) => this.connected(peer, path),
      disconnected: (peer, reason) => this.disconnected(peer, reason),
      presence: () => handlers.presence(),
    })
  }

  send(to: HostId, lane: Lane, frame: Uint8Array): boolean {
    if (this.isAllowed(to)) return this.transport.send(to, lane, frame)
    this.dropped += 1
    return false
  }

  want(peers: ReadonlySet<HostId>): void {
    this.transport.want(peers)
  }

  present(): ReadonlySet<HostId> {
    return this.transport.present()
  }

  peers(): readonly PeerStatus[] {
    return this.transport.peers().filter(({ hostId }) => this.isAllowed(hostId))
  }

  counters(): TransportCounters {
    const { unauthorized, dropped } = this
    return { ...this.transport.counters(), unauthorized, 'not-authorized-yet': dropped }
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
    for (const peer of this.known.values()) peer.cancelTimer()
    this.known.clear()
    return this.transport.close()
  }

  private isAllowed(peer: HostId): boolean {
    return this.known.get(peer)?.isAllowed === true
  }

  private connected(hostId: HostId, path: Path): void {
    const known = this.known.get(hostId)
    if (known?.isAllowed) this.handlers?.connected(hostId, path)
    else if (known !== undefined) known.path = path
    else this.ask(hostId, path)
  }

  private ask(hostId: HostId, path: Path): void {
    const settle = (isAllowed: boolean) => {
      if (this.known.get(hostId) !== peer || peer.isAllowed) return
      if (isAllowed) this.admit(hostId, peer)
      else {
        this.unauthorized += 1
        this.known.delete(hostId)
        this.transport.refuse(hostId, 'unauthorized')
      }
      peer.cancelTimer()
    }
    const cancelTimer = this.timers.after(authorizeMs, () => settle(false))
    const peer: Peer = { isAllowed: false, path, held: [], heldBytes: 0, cancelTimer }
    this.known.set(hostId, peer)
    // Inside the promise: whatever it throws is a no.
    new Promise<boolean>(resolve => resolve(this.authorize(hostId))).then(
      verdict => settle(verdict === true),
      () => settle(false),
    )
  }

  private admit(hostId: HostId, peer: Peer): void {
    const { held, path } = peer
    peer.isAllowed = true
    peer.held = []
    this.handlers?.connected(hostId, path)
    for (const { lane, bytes } of held) this.handlers?.frame(hostId, lane, bytes)
  }

  private receive(from: HostId, lane: Lane, bytes: Uint8Array): void {
    const peer = this.known.get(from)
    if (peer?.isAllowed) {
      this.handlers?.frame(from, lane, bytes)
      return
    }
    if (peer === undefined || peer.heldBytes + bytes.length > heldFrameBytesMax) {
      this.dropped += 1
      return
    }
    peer.heldBytes += bytes.length
    peer.held.push({ lane, bytes })
  }

  private disconnected(hostId: HostId, reason: string): void {
    const peer = this.known.get(hostId)
    this.known.delete(hostId)
    peer?.cancelTimer()
    if (peer?.isAllowed) this.handlers?.disconnected(hostId, reason)
  }
}
