import type { Random } from '../base/random.ts'
import { badFramesMax, dialTimeoutMs, frameBytesMax } from '../core/limits.ts'
import type { HostId } from '../core/types.ts'
import { decode, encode, MalformedError } from '../wire/codec.ts'
import { asArray, asBytes, asNatural } from '../wire/guards.ts'
import { Backoff } from './backoff.ts'
import type { Counters } from './counters.ts'
import type { Envelope, EnvelopeKind } from './envelope.ts'
import { type Abilities, type CallAnswer, Handshake } from './handshake.ts'
import { Line } from './line.ts'
import type { MakeLink } from './link.ts'
import { Outbox } from './outbox.ts'
import type { Session } from './session.ts'
import type { Timers } from './timers.ts'
import type { Lane, Path, PeerStatus } from './transport.ts'

/** Ways to make links, undefined where this host does without one. */
export interface LinkMakers {
  readonly direct: MakeLink | undefined
  readonly relay: MakeLink | undefined
}

export interface PeerOptions {
  readonly self: HostId
  readonly hostId: HostId
  readonly makers: LinkMakers
  readonly timers: Timers
  readonly random: Random
  readonly counters: Counters
  readonly sendEnvelope: (kind: EnvelopeKind, session: string, body: Uint8Array) => void
  readonly isWanted: () => boolean
  readonly handlers: PeerHandlers
}

export interface PeerHandlers {
  frame(peer: Peer, lane: Lane, frame: Uint8Array): void
  /** Never called inside a call to the peer. */
  pathChanged(peer: Peer, path: Path, reason: string): void
  /** An attempt to connect ended, well or not: others may have their turn. */
  attemptEnded(peer: Peer): void
  /** The peer sent too much that no well-behaved peer sends. */
  misbehaved(peer: Peer): void
}

/** Time for the envelopes of a handshake. Two of them may be lost with a seed that just came back. */
const handshakeMs = 3_000

const ticksOfSuccess = 5

/** Once a relay works, the next attempt at a direct link has time. */
const upgradeMs = { first: 5_000, max: 60_000 }

/**
 * Everything between this host and one other: how they come to a session, the lines of the session, which of them is
 * in use, and what waits to be sent.
 */
export class Peer {
  readonly hostId: HostId
  /** Whether the other end said that it wants to be connected. */
  isWantedThere = false
  private readonly options: PeerOptions
  private readonly handshake: Handshake
  private readonly outbox = new Outbox()
  private readonly lines = new Set<Line>()
  private session: Session | undefined
  private shared: Abilities = { direct: false, relay: false }
  private active: Line | undefined
  private toldPath: Path = 'none'
  private lastReason = ''
  private attempts = 0
  private signalsSent = 0
  private signalsReceived = -1
  private badFrames = 0
  private isShakingHands = false
  private ticksOnPath = 0
  private cancelDeadline: (() => void) | undefined
  private cancelPause: (() => void) | undefined
  private readonly urgent: Backoff
  private readonly upgrade: Backoff

  constructor(options: PeerOptions) {
    this.options = options
    this.hostId = options.hostId
    this.urgent = new Backoff(options.random)
    this.upgrade = new Backoff(options.random, upgradeMs.first, upgradeMs.max)
    const { makers } = options
    this.handshake = new Handshake({
      self: options.self,
      peer: options.hostId,
      abilities: { direct: makers.direct !== undefined, relay: makers.relay !== undefined },
      send: options.sendEnvelope,
      currentSession: () => this.session?.id ?? '',
      handlers: {
        called: answer => this.answerCall(answer),
        greeted: () => this.beginAttempt(handshakeMs),
        established: (session, shared) => this.adopt(session, shared),
        refused: reason => options.counters.add(reason),
      },
    })
  }

  get path(): Path {
    return this.active?.path ?? 'none'
  }

  get isDialing(): boolean {
    return this.cancelDeadline !== undefined
  }

  /** Whether a further attempt could bring a better path, and it is time for one. */
  get isDue(): boolean {
    if (this.isDialing || this.cancelPause !== undefined) return false
    return this.path === 'none' || (this.path === 'relay' && this.shared.direct)
  }

  /** Whether there is no path, and nobody was left in the belief that there is one. */
  get isCutOff(): boolean {
    return this.path === 'none' && this.toldPath === 'none'
  }

  get isIdle(): boolean {
    return this.isCutOff && !this.isDialing && this.cancelPause === undefined
  }

  status(): PeerStatus {
    const { hostId, path } = this
    const { candidate, roundTripMs } = this.active ?? {}
    return { hostId, path, candidate, roundTripMs, queuedBytes: this.outbox.queuedBytes }
  }

  send(lane: Lane, frame: Uint8Array): boolean {
    const { counters } = this.options
    if (frame.length > frameBytesMax) {
      counters.add('too-large')
      return false
    }
    if (this.active === undefined) {
      counters.add('no-path')
      return false
    }
    if (this.outbox.send(lane, frame)) return true
    counters.add('queue-full')
    return false
  }

  /** Makes an attempt to connect, or to connect better. */
  dial(): void {
    this.beginAttempt(handshakeMs)
    if (this.options.self > this.hostId) this.handshake.call()
    else this.start()
  }

  async receive(envelope: Envelope): Promise<void> {
    if (envelope.kind === 'signal') this.receiveSignal(envelope)
    else await this.handshake.receive(envelope)
  }

  interestChanged(): void {
    for (const line of this.lines) line.tellInterest()
  }

  /** One ping interval passed. */
  tick(): void {
    this.active?.tick()
    this.ticksOnPath += 1
    // Only a path that lasted shows that it was right to make it: a link that breaks at once is no success.
    if (this.ticksOnPath !== ticksOfSuccess || this.path === 'none') return
    this.urgent.reset()
    if (this.path === 'direct') this.upgrade.reset()
  }

  /** A seed says that the host came or went: it may know before we do. */
  doubt(): void {
    this.active?.doubt()
  }

  /** The last seed that saw the host has lost it: nobody brings envelopes any more, while a link may yet open. */
  missed(): void {
    this.doubt()
    if (this.isShakingHands) this.endAttempt()
  }

  /** The host has just come to a seed: there is no reason to wait, and what was sent to it before may be lost. */
  hurry(): void {
    this.cancelPause?.()
    this.cancelPause = undefined
    this.urgent.reset()
    if (this.isDialing && this.isShakingHands && this.options.isWanted()) this.dial()
  }

  misbehaved(reason: string): void {
    this.options.counters.add(`misbehaved: ${reason}`)
    this.badFrames += 1
    if (this.badFrames < badFramesMax) return
    this.badFrames = 0
    this.options.handlers.misbehaved(this)
  }

  /** Lets what is queued leave and says goodbye. Resolves when the other end has heard, however long that takes. */
  async leave(): Promise<void> {
    this.handshake.reset()
    if (this.active === undefined) return
    while (this.active !== undefined && this.outbox.queuedBytes > 0) await this.pause(5)
    await this.active?.leave()
  }

  /** Drops every line at once. */
  drop(reason: string): void {
    this.handshake.reset()
    this.endAttempt()
    this.cancelPause?.()
    this.cancelPause = undefined
    for (const line of this.lines) line.part()
    this.lines.clear()
    this.session = undefined
    this.choose(reason)
  }

  private pause(ms: number): Promise<void> {
    return new Promise(resolve => this.options.timers.after(ms, resolve))
  }

  private beginAttempt(ms: number): void {
    this.cancelPause?.()
    this.cancelPause = undefined
    this.cancelDeadline?.()
    this.isShakingHands = ms === handshakeMs
    this.cancelDeadline = this.options.timers.after(ms, () => this.fail('dial-timeout'))
  }

  private endAttempt(): void {
    if (this.cancelDeadline === undefined) return
    this.cancelDeadline()
    this.cancelDeadline = undefined
    this.options.handlers.attemptEnded(this)
  }

  private fail(reason: string): void {
    this.options.counters.add(reason)
    for (const line of this.lines) if (!line.isOpen) this.forget(line)
    this.pauseDialing()
    this.endAttempt()
  }

  private pauseDialing(): void {
    this.cancelPause?.()
    const pauseMs = this.path === 'none' ? this.urgent.nextMs() : this.upgrade.nextMs()
    this.cancelPause = this.options.timers.after(pauseMs, () => {
      this.cancelPause = undefined
      this.options.handlers.attemptEnded(this)
    })
  }

  /** Where a relay of this session works, only the direct link is made anew: the keys are fresh enough. */
  private start(calledWith?: Uint8Array): void {
    const { direct } = this.options.makers
    if (this.session !== undefined && this.path === 'relay' && this.shared.direct && direct !== undefined) {
      this.beginAttempt(dialTimeoutMs)
      this.openLine(direct, this.session, ++this.attempts)
    } else void this.handshake.greet(calledWith)
  }

  private answerCall(answer: CallAnswer): void {
    // The other end knows of this attempt; or else it has lost the session, and with it our attempt.
    if (this.isDialing && answer.isSameSession) return
    this.beginAttempt(handshakeMs)
    if (answer.isSameSession) this.start(answer.nonce)
    else void this.handshake.greet(answer.nonce)
  }

  private adopt(session: Session, shared: Abilities): void {
    const { makers } = this.options
    for (const line of this.lines) if (!line.isOpen) this.forget(line)
    this.beginAttempt(dialTimeoutMs)
    this.session = session
    this.shared = shared
    this.attempts = 1
    this.signalsSent = 0
    this.signalsReceived = -1
    if (shared.relay && makers.relay !== undefined) this.openLine(makers.relay, session, 0)
    if (shared.direct && makers.direct !== undefined) this.openLine(makers.direct, session, 1)
    if (this.lines.size === 0) this.fail('no-common-path')
  }

  private openLine(makeLink: MakeLink, session: Session, attempt: number): void {
    const { timers, isWanted, handlers } = this.options
    const line = new Line({
      makeLink,
      session,
      attempt,
      timers,
      isWanted,
      handlers: {
        opened: opened => this.lineOpened(opened),
        frame: (lane, frame) => handlers.frame(this, lane, frame),
        drained: drained => {
          if (drained === this.active) this.outbox.pump()
        },
        interest: isWantedThere => {
          this.isWantedThere = isWantedThere
        },
        signal: (from, body) => this.sendSignal(from, body),
        malformed: reason => this.misbehaved(reason),
        left: () => this.sessionEnded(session),
        closed: (closed, reason) => this.lineClosed(closed, reason),
      },
    })
    this.lines.add(line)
  }

  private lineOpened(line: Line): void {
    // What is left of an earlier session is dead at one end at least, or there would be no new one.
    for (const other of this.lines) if (other.session !== line.session) this.forget(other)
    this.choose('')
    if (line.path === 'relay' && this.hasDirectLine()) return
    if (line.path === 'relay' && this.shared.direct) this.pauseDialing()
    this.endAttempt()
  }

  private sessionEnded(session: Session): void {
    for (const line of this.lines) {
      if (line.session !== session) continue
      line.part()
      this.lines.delete(line)
    }
    const isOver = this.session === session && !this.isShakingHands
    if (this.session === session) this.session = undefined
    this.choose('closed by the peer')
    if (this.isDialing && !isOver) return
    this.pauseDialing()
    this.endAttempt()
  }

  private lineClosed(line: Line, reason: string): void {
    const wasOpen = line === this.active
    this.lines.delete(line)
    if (wasOpen) {
      this.options.counters.add(`closed: ${line.path}`)
      this.choose(reason)
      if (!this.isDialing) this.pauseDialing()
      return
    }
    // While the relay is still opening, the attempt may yet come to something.
    const isOpening = [...this.lines].some(other => !other.isOpen)
    if (this.isDialing && !this.isShakingHands && !isOpening) this.fail('dial-failed')
  }

  private hasDirectLine(): boolean {
    return [...this.lines].some(line => line.path === 'direct')
  }

  private forget(line: Line): void {
    line.close()
    this.lines.delete(line)
  }

  /** Takes the best line that is open. */
  private choose(reason: string): void {
    const open = [...this.lines].filter(line => line.isOpen)
    const best = open.find(line => line.path === 'direct') ?? open[0]
    if (best === this.active) return
    this.active = best
    this.ticksOnPath = 0
    if (reason !== '') this.lastReason = reason
    best?.resume()
    if (best === undefined) {
      const lost = this.outbox.clear()
      if (lost > 0) this.options.counters.add('lost-with-path', lost)
    }
    this.outbox.connect(best)
    this.options.timers.after(0, () => this.tellPath())
  }

  // Later, so that nobody is called back inside a call of their own; and only what is still true by then.
  private tellPath(): void {
    if (this.path === this.toldPath) return
    this.toldPath = this.path
    this.options.handlers.pathChanged(this, this.path, this.lastReason)
  }

  // Signals are numbered within their session: a seed can neither repeat one nor change their order.
  private sendSignal(line: Line, body: Uint8Array): void {
    if (line.session !== this.session) return
    this.options.sendEnvelope('signal', line.session.id, encode([line.attempt, this.signalsSent++, body]))
  }

  private receiveSignal(envelope: Envelope): void {
    const { session } = this
    const [first, second, third] = asArray(decode(envelope.body), 3)
    const [attempt, number, body] = [asNatural(first), asNatural(second), asBytes(third)]
    if (session === undefined || envelope.session !== session.id || number <= this.signalsReceived) {
      this.options.counters.add('signal-stale')
      return
    }
    this.signalsReceived = number
    const { direct } = this.options.makers
    if (direct === undefined) throw new MalformedError('signal: there is no direct path')
    if (attempt > this.attempts && !session.isInitiator) {
      this.attempts = attempt
      for (const line of this.lines) if (line.path === 'direct') this.forget(line)
      this.choose('replaced')
      this.beginAttempt(dialTimeoutMs)
      this.openLine(direct, session, attempt)
    }
    for (const line of this.lines) if (line.path === 'direct' && line.attempt === attempt) line.signal(body)
  }
}
