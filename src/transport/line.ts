import { peerPingMs, peerSilenceMs } from '../core/limits.ts'
import { MalformedError } from '../wire/codec.ts'
import { linkChunk, Reassembly } from './chunk.ts'
import type { Channel, Link, MakeLink } from './link.ts'
import { channels } from './link.ts'
import type { ChunkSink } from './outbox.ts'
import type { Session } from './session.ts'
import type { Timers } from './timers.ts'
import type { Lane } from './transport.ts'

export interface LineHandlers {
  /** Both ends have heard of each other: frames can be sent. */
  opened(line: Line): void
  frame(lane: Lane, frame: Uint8Array): void
  drained(line: Line): void
  /** Whether the peer wants to be connected, when it opens and when it changes. */
  interest(isWanted: boolean): void
  signal(line: Line, body: Uint8Array): void
  /** The peer sent what no well-behaved peer sends. */
  malformed(reason: string): void
  /** The peer is leaving: it wants no line of the session any more. */
  left(line: Line): void
  closed(line: Line, reason: string): void
}

export interface LineOptions {
  readonly makeLink: MakeLink
  readonly session: Session
  /** Tells the direct attempts of one session apart. */
  readonly attempt: number
  readonly timers: Timers
  readonly isWanted: () => boolean
  readonly handlers: LineHandlers
}

// What the two ends of a link say to each other: one byte of kind, and what belongs to it.
const helloKind = 1
const interestKind = 2
const pingKind = 3
const pongKind = 4
const goodbyeKind = 5

const silentTicksMax = Math.ceil(peerSilenceMs / peerPingMs)
const doubtedTicksMax = 2

/**
 * A link with manners: greets, notices silence, measures the round trip, says goodbye. The end with the larger HostId
 * greets first and the other answers, so that neither speaks before it is listened to.
 */
export class Line implements ChunkSink {
  readonly session: Session
  readonly attempt: number
  roundTripMs: number | undefined
  isOpen = false
  private readonly link: Link
  private readonly options: LineOptions
  private readonly reassembly: Reassembly
  private isClosed = false
  private wasHeard = true
  private isDoubted = false
  private silentTicks = 0
  private readonly goodbyes = new Set<Channel>()
  private whenEnded: (() => void) | undefined

  constructor(options: LineOptions) {
    this.options = options
    this.session = options.session
    this.attempt = options.attempt
    this.reassembly = new Reassembly({
      frame: (lane, frame) => {
        if (this.isOpen) options.handlers.frame(lane, frame)
        else throw new MalformedError('chunk: a frame before the hello')
      },
      linkMessage: (channel, message) => this.handleMessage(channel, message),
    })
    this.link = options.makeLink(options.session, {
      opened: () => this.greetFirst(),
      chunk: (channel, bytes) => this.receive(channel, bytes),
      drained: () => {
        if (this.isOpen) options.handlers.drained(this)
      },
      signal: body => options.handlers.signal(this, body),
      doubted: () => this.doubt(),
      closed: reason => this.end(reason),
    })
  }

  get path(): 'direct' | 'relay' {
    return this.link.path
  }

  get candidate(): string | undefined {
    return this.link.candidate
  }

  send(channel: Channel, chunk: Uint8Array): void {
    if (!this.isClosed) this.link.send(channel, chunk)
  }

  bufferedBytes(channel: Channel): number {
    return this.link.bufferedBytes(channel)
  }

  signal(body: Uint8Array): void {
    if (!this.isClosed) this.link.signal(body)
  }

  tellInterest(): void {
    if (this.isOpen) this.say('control', interestKind, this.options.isWanted() ? 1 : 0)
  }

  /** One ping interval passed. Silence is counted in intervals that we were awake for, not by the clock. */
  tick(): void {
    if (!this.isOpen) return
    this.silentTicks = this.wasHeard ? 0 : this.silentTicks + 1
    this.wasHeard = false
    if (this.silentTicks >= (this.isDoubted ? doubtedTicksMax : silentTicksMax)) {
      this.end('silence')
      return
    }
    this.ping()
  }

  /** Something says that the peer may be gone: asks it, and has less patience until it answers. */
  doubt(): void {
    if (!this.isOpen || this.isDoubted) return
    this.isDoubted = true
    this.wasHeard = false
    this.ping()
  }

  /** Nothing was asked while the line was not in use, so nothing was to be heard. */
  resume(): void {
    this.wasHeard = true
    this.silentTicks = 0
  }

  /** Tells the peer, behind everything that was sent, and resolves when it has heard and closed its end. */
  leave(): Promise<void> {
    if (!this.isOpen || this.isClosed) return Promise.resolve()
    this.sayGoodbye()
    return new Promise(resolve => {
      this.whenEnded = resolve
    })
  }

  /** Says goodbye, unless it was said before, and waits for nothing. */
  part(): void {
    if (this.isOpen && this.whenEnded === undefined) this.sayGoodbye()
    this.close()
  }

  /** Ends the line at once; `handlers.closed` is not called. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.isOpen = false
    this.link.close()
    this.whenEnded?.()
  }

  private end(reason: string): void {
    if (this.isClosed) return
    this.close()
    this.options.handlers.closed(this, reason)
  }

  private sayGoodbye(): void {
    for (const channel of channels) this.say(channel, goodbyeKind)
  }

  private greetFirst(): void {
    if (!this.session.isInitiator) this.greet()
  }

  private greet(): void {
    this.say('control', helloKind, this.options.isWanted() ? 1 : 0)
  }

  private ping(): void {
    const message = new Uint8Array(9)
    message[0] = pingKind
    new DataView(message.buffer).setFloat64(1, this.options.timers.now())
    this.send('control', linkChunk(message))
  }

  private say(channel: Channel, kind: number, ...rest: readonly number[]): void {
    this.send(channel, linkChunk(Uint8Array.of(kind, ...rest)))
  }

  private receive(channel: Channel, chunk: Uint8Array): void {
    if (this.isClosed) return
    this.wasHeard = true
    try {
      this.reassembly.receive(channel, chunk)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.options.handlers.malformed(error.message)
    }
  }

  private handleMessage(channel: Channel, message: Uint8Array): void {
    switch (message[0]) {
      case helloKind:
        if (this.isOpen || message.length !== 2) throw new MalformedError('link: a second hello')
        if (this.session.isInitiator) this.greet()
        this.isOpen = true
        this.options.handlers.interest(message[1] === 1)
        this.options.handlers.opened(this)
        break
      case interestKind:
        this.options.handlers.interest(message[1] === 1)
        break
      case pingKind:
        if (message.length !== 9) throw new MalformedError('link: no ping')
        this.send('control', linkChunk(Uint8Array.of(pongKind, ...message.subarray(1))))
        break
      case pongKind:
        this.handlePong(message)
        break
      case goodbyeKind:
        this.goodbyes.add(channel)
        // Frames may still be under way in a channel that has not said goodbye.
        if (this.goodbyes.size === channels.length) this.options.handlers.left(this)
        break
      default:
        throw new MalformedError('link: an unknown message')
    }
  }

  private handlePong(message: Uint8Array): void {
    if (message.length !== 9) throw new MalformedError('link: no pong')
    const sentAtMs = new DataView(message.buffer, message.byteOffset).getFloat64(1)
    const roundTripMs = this.options.timers.now() - sentAtMs
    this.isDoubted = false
    // A peer could answer what was never asked: only a plausible answer is believed.
    if (roundTripMs >= 0 && roundTripMs < peerSilenceMs) this.roundTripMs = roundTripMs
  }
}
