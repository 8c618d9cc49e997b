import { AssertionError } from '../base/assert.ts'
import type { DeploymentId, GroupId, HostId, ReplicaId } from '../core/types.ts'
import { decode, MalformedError } from '../wire/codec.ts'
import { decodeFrame, type Frame } from '../wire/frames.ts'
import { asArray, asBytes, asNatural, asText } from '../wire/guards.ts'
import { decodeRaftBody } from '../wire/message-codec.ts'
import { decodeProposal } from '../wire/proposal-codec.ts'
import type { Outbox } from './outbox.ts'
import type { HostParts } from './parts.ts'
import type { PeerBook } from './peer-book.ts'
import type { Replica } from './replica.ts'
import type { Requests } from './requests.ts'
import type { Snapshots } from './snapshots.ts'
import type { Writer } from './writer.ts'

/** What the transport told of a peer. One queue holds both, so that a peer's last frames come before its going. */
type Inbound =
  | { readonly type: 'frame'; readonly from: HostId; readonly bytes: Uint8Array }
  | { readonly type: 'gone'; readonly from: HostId; readonly reason: string }

/** What the loop hands to its host. None of these may wait. */
export interface LoopEvents {
  /** Once per tick, after the replicas were ticked. */
  ticked(now: number): void
  event(from: HostId, body: unknown): void
  hello(from: HostId): void
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
  private inbox: Inbound[] = []
  private isTickDue = false
  private isScheduled = false
  private isStopped = false
  private cancelTick: () => void = () => {}

  constructor(parts: LoopParts) {
    this.loop = parts
    this.scheduleTick()
  }

  /** A frame came in; it waits for the next turn. */
  inbound(from: HostId, bytes: Uint8Array): void {
    this.enqueue({ type: 'frame', from, bytes })
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
    const { parts, outbox, writer, events } = this.loop
    const { inbox } = this
    this.inbox = []
    for (const inbound of inbox) {
      if (inbound.type === 'frame') this.receive(inbound.from, inbound.bytes)
      else events.gone(inbound.from, inbound.reason)
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

  private tick(): void {
    this.isTickDue = false
    const now = this.loop.parts.clock.now()
    for (const replica of this.replicas.values()) {
      replica.tick(now)
      this.touched.add(replica)
    }
    this.loop.requests.tick(now)
    this.loop.events.ticked(now)
  }

  private receive(from: HostId, bytes: Uint8Array): void {
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
    const { requests, snapshots, peerBook, events } = this.loop
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
        return this.receiveSnapshot(from, decode(body))
      case 'snapshot-ack':
        return snapshots.acknowledged(from, decode(body))
      case 'removed':
        return this.receiveRemoved(from, decode(body))
      case 'hello':
        for (const { group, id } of peerBook.receive(from, decode(body))) this.tellIfOut(from, group, id)
        return events.hello(from)
    }
  }

  private receiveRaft(from: HostId, body: Uint8Array): void {
    decodeRaftBody(body, (group, message) => {
      // One is sent as a 'snapshot', behind the state that it tells of.
      if (message.type === 'MsgSnap') throw new MalformedError('a snapshot without its state')
      const replica = this.replicas.get(group)
      if (replica === undefined) return
      if (this.tellIfOut(from, group, message.from)) return
      replica.step(from, message)
      this.touched.add(replica)
    })
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
    const [groupField, list] = asArray(body, 2)
    const group = asText(groupField)
    const drafts = asArray(list).map(value => {
      const bytes = asBytes(value)
      return { bytes, proposal: decodeProposal(bytes) }
    })
    const replica = this.replicas.get(group)
    if (replica?.lead(drafts)) {
      this.touched.add(replica)
      return
    }
    const refused = drafts.map(({ proposal }) => [proposal.session, proposal.seq])
    this.loop.outbox.send(from, 'control', 'refuse', [group, refused])
  }

  private receiveRefusal(body: unknown): void {
    const [group, list] = asArray(body, 2)
    const commands = asArray(list).map(value => {
      const [session, seq] = asArray(value, 2)
      return { session: asNatural(session), seq: asNatural(seq) }
    })
    this.replicas.get(asText(group))?.proposals.refused(commands)
  }

  private receiveSnapshot(from: HostId, body: unknown): void {
    const { snapshots, parts } = this.loop
    const replicaOf = (group: GroupId) => {
      const replica = this.replicas.get(group)
      if (replica !== undefined) this.wake(replica)
      return replica
    }
    snapshots.receive(from, body, replicaOf).catch(error => {
      if (error instanceof MalformedError) return parts.transport.misbehaved(from, 'malformed')
      this.failed(error)
    })
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
