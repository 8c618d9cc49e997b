import { AssertionError } from '../../base/assert.ts'
import { Gate } from '../../base/gate.ts'
import { inboxBytesMax, peersMax } from '../../core/limits.ts'
import type { DeploymentId, HostId } from '../../core/types.ts'
import { decode, MalformedError } from '../../wire/codec.ts'
import { decodeFrame, type Frame } from '../../wire/frames.ts'
import type { HostParts } from '../parts.ts'
import type { PeerBook } from '../peers/peer-book.ts'
import type { Requests } from '../peers/requests.ts'
import type { Replicas } from './replicas.ts'

/** What the transport told of a peer. One queue holds all, so that a peer's last frames come before its going. */
type Inbound =
  | { readonly type: 'frame'; readonly from: HostId; readonly bytes: Uint8Array }
  | { readonly type: 'came'; readonly from: HostId }
  | { readonly type: 'gone'; readonly from: HostId; readonly reason: string }

/** What the loop hands to its host. None of these may wait. */
export interface LoopEvents {
  /** Once per tick, after the replicas were ticked. */
  ticked(now: number): void
  event(from: HostId, body: unknown): void
  /** A peer belongs to another founding. */
  foreign(from: HostId): void
  /** A peer said what it is; asking: it wants to know whether it was heard. */
  hello(from: HostId, isAsking: boolean): void
  /** The peer can be reached, or by another way than before. */
  came(peer: HostId): void
  /** Nothing reaches the peer any more, and all that it sent before was taken in. */
  gone(peer: HostId, reason: string): void
  /** The loop stopped: something is wrong with this program or its storage. */
  failed(error: unknown): void
}

export interface LoopParts {
  readonly parts: HostParts
  readonly tickMs: number
  readonly electionTicks: number
  /** Undefined for a client. */
  readonly replicas: Replicas | undefined
  readonly requests: Requests
  readonly peerBook: PeerBook
  readonly events: LoopEvents
}

/**
 * The one loop of a host. A turn takes in what came, then a due tick, then lets the replicas do what they can. Nothing
 * in here waits for the disk or for peers.
 */
export class Loop {
  /** Undefined until the cluster is known: frames that come before are dropped. */
  deployment: DeploymentId | undefined
  private readonly loop: LoopParts
  /** Frames that were dropped because the inbox was full. */
  dropped = 0
  readonly counted = { turns: 0, pauses: 0, framesReceived: 0, bytesReceived: 0 }
  private inbox: Inbound[] = []
  private inboxBytes = 0
  private readonly inboxGate = new Gate(inboxBytesMax)
  /** Peers of another founding: each is told of once for as long as it is connected. */
  private readonly strangers = new Set<HostId>()
  private isTickDue = false
  private lastTickAt: number
  /** By how much the clock on the wall was ahead of the other one at the latest turn. */
  private wallAhead: number
  private isScheduled = false
  private isStopped = false
  private cancelTick: () => void = () => {}

  constructor(parts: LoopParts) {
    this.loop = parts
    const { clock } = parts.parts
    this.lastTickAt = clock.now()
    this.wallAhead = clock.wall() - this.lastTickAt
    this.scheduleTick()
  }

  /** A frame came in; it waits for the next turn. */
  inbound(from: HostId, bytes: Uint8Array): void {
    if (this.inboxGate.admits(bytes.length, this.inboxBytes)) {
      this.inboxBytes += bytes.length
      this.enqueue({ type: 'frame', from, bytes })
    } else this.dropped += 1
  }

  came(from: HostId): void {
    this.enqueue({ type: 'came', from })
  }

  /** A peer went. A hello of it that was still in the inbox would make it a host that works, for ever. */
  gone(from: HostId, reason: string): void {
    this.enqueue({ type: 'gone', from, reason })
  }

  /** After this nothing moves any more. */
  stop(): void {
    this.isStopped = true
    this.cancelTick()
    this.inbox = []
  }

  /** Asks for a turn. */
  schedule(): void {
    if (this.isScheduled || this.isStopped) return
    this.isScheduled = true
    this.loop.parts.clock.soon(() => {
      this.isScheduled = false
      if (!this.isStopped) this.turnOrFail()
    })
  }

  private enqueue(inbound: Inbound): void {
    if (this.isStopped) return
    this.inbox.push(inbound)
    this.schedule()
  }

  /**
   * One tick for each time the timer rings, however late it is: a host that was suspended must not live through all it
   * missed in one burst, and call an election before it has read what its peers sent (mutant M147).
   */
  private scheduleTick(): void {
    this.cancelTick = this.loop.parts.clock.after(this.loop.tickMs, () => {
      if (this.isStopped) return
      this.isTickDue = true
      this.scheduleTick()
      this.schedule()
    })
  }

  private turnOrFail(): void {
    try {
      this.turn()
    } catch (error) {
      this.failed(error)
    }
  }

  private failed(error: unknown): void {
    this.loop.events.failed(error)
    // An assertion that failed is our mistake: whoever looks after this process must hear of it, too.
    if (error instanceof AssertionError) throw error
  }

  private turn(): void {
    this.noticePause()
    const { inbox } = this
    this.counted.turns += 1
    this.counted.bytesReceived += this.inboxBytes
    this.inbox = []
    this.inboxBytes = 0
    for (const inbound of inbox) {
      if (inbound.type === 'frame') this.receive(inbound.from, inbound.bytes)
      else this.peerChanged(inbound)
    }
    if (this.isTickDue) this.tick()
    this.loop.replicas?.running.turn()
  }

  /**
   * A gap in the clock is told before anything else, as what it is: frames that came meanwhile are judged by a replica
   * that knows how old its leases are, and nobody campaigns because of ticks that nobody lived through.
   */
  private noticePause(): void {
    const { parts, tickMs } = this.loop
    // The clock stands still while the machine sleeps, on most platforms; that on the wall does not.
    const wallAhead = parts.clock.wall() - parts.clock.now()
    if (wallAhead - this.wallAhead > tickMs) this.loop.replicas?.running.leapt()
    this.wallAhead = wallAhead
    const missed = Math.floor((parts.clock.now() - this.lastTickAt) / tickMs) - 1
    if (missed < 1) return
    if (missed >= this.loop.electionTicks) this.counted.pauses += 1
    this.lastTickAt += missed * tickMs
    this.loop.replicas?.running.paused(missed)
  }

  private tick(): void {
    this.isTickDue = false
    const now = this.loop.parts.clock.now()
    this.lastTickAt = now
    this.loop.replicas?.running.tick(now)
    this.loop.requests.tick(now)
    this.loop.events.ticked(now)
  }

  private peerChanged(inbound: Exclude<Inbound, { readonly type: 'frame' }>): void {
    const { peerBook, events, replicas } = this.loop
    const { from } = inbound
    if (inbound.type === 'came') {
      peerBook.connected(from)
      events.came(from)
    } else {
      peerBook.disconnected(from)
      replicas?.disconnected(from)
      this.strangers.delete(from)
      events.gone(from, inbound.reason)
    }
    replicas?.running.peerChanged(from)
  }

  private receive(from: HostId, bytes: Uint8Array): void {
    this.counted.framesReceived += 1
    const { transport } = this.loop.parts
    if (this.deployment === undefined) return
    const frame = decodeFrame(this.deployment, bytes)
    if (typeof frame === 'string') {
      if (frame === 'deployment' && !this.strangers.has(from) && this.strangers.size < peersMax) {
        this.strangers.add(from)
        this.loop.events.foreign(from)
      }
      return transport.misbehaved(from, frame)
    }
    try {
      this.dispatch(from, frame)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      transport.misbehaved(from, 'malformed')
    }
  }

  private dispatch(from: HostId, { kind, body }: Frame): void {
    const { requests, replicas, events } = this.loop
    switch (kind) {
      case 'request':
        return requests.receive(from, decode(body))
      case 'response':
        return requests.answered(from, decode(body))
      case 'event':
        return events.event(from, decode(body))
      case 'hello':
        return this.receiveHello(from, decode(body))
      default:
        replicas?.receive(from, kind, body)
    }
  }

  private receiveHello(from: HostId, body: unknown): void {
    const { peerBook, replicas, events } = this.loop
    const hello = peerBook.receive(from, body)
    replicas?.heard(from, hello)
    events.hello(from, hello.isAsking)
  }
}
