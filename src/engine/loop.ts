import { AssertionError } from '../base/assert.ts'
import { Gate } from '../base/gate.ts'
import { inboxBytesMax } from '../core/limits.ts'
import type { DeploymentId, GroupId, HostId, ReplicaId } from '../core/types.ts'
import { decodeBeats } from '../wire/beat-codec.ts'
import { decode, MalformedError } from '../wire/codec.ts'
import { decodeFrame, type Frame } from '../wire/frames.ts'
import { asArray, asBoolean, asBytes, asNatural, asText } from '../wire/guards.ts'
import { decodeRaftBody } from '../wire/message-codec.ts'
import { decodeProposal } from '../wire/proposal-codec.ts'
import type { Outbox } from './outbox.ts'
import type { HostParts } from './parts.ts'
import type { PeerBook } from './peer-book.ts'
import { untaken } from './proposals.ts'
import { ReplayGuard } from './replay-guard.ts'
import type { Replica } from './replica.ts'
import type { Requests } from './requests.ts'
import type { Snapshots } from './snapshots.ts'
import type { Writer } from './writer.ts'

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
  /** A peer said what it is; asking: it wants to know whether it was heard. */
  hello(from: HostId, isAsking: boolean): void
  /** The peer can be reached, or by another way than before. */
  came(peer: HostId): void
  /** Nothing reaches the peer any more, and all that it sent before was taken in. */
  gone(peer: HostId, reason: string): void
  /** A member says that the group removed this host's replica. */
  toldRemoved(replica: Replica): void
  /** The loop stopped: something is wrong with this program or its storage. */
  failed(error: unknown): void
}

export interface LoopParts {
  readonly parts: HostParts
  readonly tickMs: number
  readonly electionTicks: number
  readonly outbox: Outbox
  readonly writer: Writer
  readonly requests: Requests
  readonly snapshots: Snapshots
  readonly peerBook: PeerBook
  readonly events: LoopEvents
}

/**
 * The one loop of a host. A turn takes in what came, then a due tick, then lets every touched replica do what it can,
 * and sends and stores what came of it: one frame per peer and lane, one storage write for all groups. Applying comes
 * last, while the disk and the peers are at work. Nothing in here waits for them.
 */
export class Loop {
  readonly replicas = new Map<GroupId, Replica>()
  /** Undefined until the cluster is known: frames that come before are dropped. */
  deployment: DeploymentId | undefined
  private readonly loop: LoopParts
  private readonly touched = new Set<Replica>()
  /** Knows frames of proposals. */
  private readonly guard = new ReplayGuard()
  /** Frames that were dropped because the inbox was full. */
  dropped = 0
  readonly counted = { turns: 0, pauses: 0, framesReceived: 0, bytesReceived: 0 }
  private inbox: Inbound[] = []
  private inboxBytes = 0
  private readonly inboxGate = new Gate(inboxBytesMax)
  private isTickDue = false
  private lastTickAt: number
  private isScheduled = false
  private isStopped = false
  private cancelTick: () => void = () => {}

  constructor(parts: LoopParts) {
    this.loop = parts
    this.lastTickAt = parts.parts.clock.now()
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

  wake(replica: Replica): void {
    this.touched.add(replica)
    this.schedule()
  }

  /** After this nothing moves any more. */
  stop(): void {
    this.isStopped = true
    this.cancelTick()
    this.loop.writer.stop()
    this.inbox = []
  }

  private enqueue(inbound: Inbound): void {
    if (this.isStopped) return
    this.inbox.push(inbound)
    this.schedule()
  }

  private schedule(): void {
    if (this.isScheduled || this.isStopped) return
    this.isScheduled = true
    this.loop.parts.clock.soon(() => {
      this.isScheduled = false
      if (!this.isStopped) this.turnOrFail()
    })
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
    const { parts, outbox, writer } = this.loop
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
    const now = parts.clock.now()
    // A copy: whoever is touched while it pumps is pumped in another turn, or a long way to apply were one long turn.
    const touched = [...this.touched].filter(replica => this.replicas.get(replica.group) === replica)
    this.touched.clear()
    for (const replica of touched) replica.pump(now)
    outbox.flush()
    writer.flush()
    for (const replica of touched) replica.applySlice()
  }

  /**
   * A gap in the clock is told before anything else, as what it is: frames that came meanwhile are judged by a replica
   * that knows how old its leases are, and nobody campaigns because of ticks that nobody lived through.
   */
  private noticePause(): void {
    const { parts, tickMs } = this.loop
    const missed = Math.floor((parts.clock.now() - this.lastTickAt) / tickMs) - 1
    if (missed < 1) return
    if (missed >= this.loop.electionTicks) this.counted.pauses += 1
    this.lastTickAt += missed * tickMs
    for (const replica of this.replicas.values()) replica.paused(missed)
  }

  private tick(): void {
    this.isTickDue = false
    const now = this.loop.parts.clock.now()
    this.lastTickAt = now
    for (const replica of this.replicas.values()) if (replica.tick(now)) this.touched.add(replica)
    this.loop.writer.tick()
    this.loop.requests.tick(now)
    this.loop.events.ticked(now)
  }

  private peerChanged(inbound: Exclude<Inbound, { readonly type: 'frame' }>): void {
    const { peerBook, events } = this.loop
    const { from } = inbound
    if (inbound.type === 'came') {
      peerBook.connected(from)
      events.came(from)
    } else {
      peerBook.disconnected(from)
      this.guard.forget(from)
      events.gone(from, inbound.reason)
    }
    for (const replica of this.replicas.values()) replica.peerChanged(from)
  }

  private receive(from: HostId, bytes: Uint8Array): void {
    this.counted.framesReceived += 1
    const { transport } = this.loop.parts
    if (this.deployment === undefined) return
    const frame = decodeFrame(this.deployment, bytes)
    if (typeof frame === 'string') return transport.misbehaved(from, frame)
    try {
      this.dispatch(from, frame)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      transport.misbehaved(from, 'malformed')
    }
  }

  private dispatch(from: HostId, { kind, body }: Frame): void {
    const { requests, snapshots, events } = this.loop
    switch (kind) {
      case 'raft':
        return this.receiveRaft(from, body)
      case 'propose':
        return this.receiveProposals(from, decode(body))
      case 'refuse':
        return this.receiveRefusal(decode(body))
      case 'request':
        return requests.receive(from, decode(body))
      case 'response':
        return requests.answered(from, decode(body))
      case 'event':
        return events.event(from, decode(body))
      case 'snapshot':
        return snapshots.receive(from, decode(body))
      case 'snapshot-ack':
        return snapshots.acknowledged(from, decode(body))
      case 'removed':
        return this.receiveRemoved(from, decode(body))
      case 'hello':
        return this.receiveHello(from, decode(body))
      case 'beat':
        return this.receiveBeats(from, body)
    }
  }

  private receiveHello(from: HostId, body: unknown): void {
    const { replicas, changed, isAsking } = this.loop.peerBook.receive(from, body)
    for (const { group, id } of replicas) this.tellIfOut(from, group, id)
    for (const group of changed) this.replicas.get(group)?.peerChanged(from)
    this.loop.events.hello(from, isAsking)
  }

  private receiveRaft(from: HostId, body: Uint8Array): void {
    decodeRaftBody(body, (group, message) => {
      // One is sent as a 'snapshot', behind the state that it tells of.
      if (message.type === 'MsgSnap') throw new MalformedError('a snapshot without its state')
      this.receiver(from, group, message.from)?.step(from, message)
    })
  }

  private receiveBeats(from: HostId, body: Uint8Array): void {
    decodeBeats(body, beat => this.receiver(from, beat.group, beat.from)?.beat(from, beat))
  }

  /** The replica that a message of another one is for. */
  private receiver(from: HostId, group: GroupId, sender: ReplicaId): Replica | undefined {
    const replica = this.replicas.get(group)
    if (replica === undefined || this.tellIfOut(from, group, sender)) return undefined
    this.touched.add(replica)
    return replica
  }

  /**
   * A replica that was away when the group removed it does not know. It would go on asking for votes, or wait for a
   * leader for ever, and the leader that could have told it may be gone.
   */
  private tellIfOut(host: HostId, group: GroupId, id: ReplicaId): boolean {
    const isOut = this.replicas.get(group)?.isOut(id) === true
    if (isOut) this.loop.outbox.send(host, 'control', 'removed', [group, id])
    return isOut
  }

  /** Another host's proposals, for this one as the leader: looked at before they are logged, or refused. */
  private receiveProposals(from: HostId, body: unknown): void {
    const [number, groupField, roundField, list] = asArray(body, 4)
    // If the second copy were refused, its sender would take the first for refused as well.
    if (this.guard.isRepeated(from, asNatural(number))) return
    const group = asText(groupField)
    const round = asNatural(roundField)
    const drafts = asArray(list).map(value => {
      const bytes = asBytes(value)
      return { bytes, proposal: decodeProposal(bytes) }
    })
    const replica = this.replicas.get(group)
    if (replica !== undefined) this.touched.add(replica)
    const refused = replica?.lead(drafts) ?? untaken(drafts, 'not-now')
    if (refused.length === 0) return
    const fields = refused.map(({ session, seq, isBusy, reason }) => [session, seq, isBusy, reason ?? null])
    this.loop.outbox.send(from, 'control', 'refuse', [group, round, fields])
  }

  private receiveRefusal(body: unknown): void {
    const [group, round, list] = asArray(body, 3)
    const refusals = asArray(list).map(value => {
      const [session, seq, isBusy, reason] = asArray(value, 4)
      return {
        session: asNatural(session),
        seq: asNatural(seq),
        isBusy: asBoolean(isBusy),
        reason: reason === null ? undefined : asText(reason),
      }
    })
    this.replicas.get(asText(group))?.proposals.refused(asNatural(round), refusals)
  }

  private receiveRemoved(from: HostId, body: unknown): void {
    const [group, id] = asArray(body, 2)
    const replica = this.replicas.get(asText(group))
    if (replica === undefined || replica.id !== asNatural(id)) return
    // Members are trusted, others are not: a stranger cannot take a replica out of service. One that was removed before
    // it got any state knows no member, and has nothing to lose.
    const { members } = replica
    if (members.length === 0 || members.some(member => member.hostId === from))
      this.loop.events.toldRemoved(replica)
  }
}
