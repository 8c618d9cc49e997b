import { comesLater, wasEvicted } from '../../core/machine/members.ts'
import type { GroupId, HostId, ReplicaId, Term } from '../../core/types.ts'
import { decodeBeats } from '../../wire/beat-codec.ts'
import { decode, MalformedError } from '../../wire/codec.ts'
import type { FrameKind } from '../../wire/frames.ts'
import { asArray, asBoolean, asBytes, asNatural, asText } from '../../wire/guards.ts'
import { decodeRaftBody } from '../../wire/message-codec.ts'
import { decodeProposal } from '../../wire/proposal-codec.ts'
import type { Hello } from '../peers/peer-book.ts'
import { ReplayGuard } from '../peers/replay-guard.ts'
import type { Sender } from '../peers/sender.ts'
import type { Snapshots } from '../snapshots/snapshots.ts'
import { mayCount } from './may-count.ts'
import { untaken } from './proposals.ts'
import type { Replica } from './replica.ts'
import type { RunningReplicas } from './running-replicas.ts'

/** Kinds of frames that only a host with replicas has a use for. */
export type ReplicaFrameKind = Exclude<FrameKind, 'hello' | 'request' | 'response' | 'event'>

/** Takes in what other hosts say to the replicas of this one. Throws MalformedError where the peer is to blame. */
export class ReplicaFrames {
  private readonly running: RunningReplicas
  private readonly sender: Sender
  private readonly snapshots: Snapshots
  /** A member says that the group removed this host's replica, or evicted it. */
  private readonly toldRemoved: (replica: Replica, isEvicted: boolean) => void
  /** The leader of a term hands a group over to this host. */
  private readonly given: (group: GroupId, from: HostId, term: Term) => void
  /** Knows frames of proposals. */
  private readonly guard = new ReplayGuard()

  constructor(parts: {
    readonly running: RunningReplicas
    readonly sender: Sender
    readonly snapshots: Snapshots
    readonly toldRemoved: (replica: Replica, isEvicted: boolean) => void
    readonly given: (group: GroupId, from: HostId, term: Term) => void
  }) {
    this.running = parts.running
    this.sender = parts.sender
    this.snapshots = parts.snapshots
    this.toldRemoved = parts.toldRemoved
    this.given = parts.given
  }

  receive(from: HostId, kind: ReplicaFrameKind, body: Uint8Array): void {
    switch (kind) {
      case 'raft':
        return this.receiveRaft(from, body)
      case 'propose':
        return this.receiveProposals(from, decode(body))
      case 'refuse':
        return this.receiveRefusal(decode(body))
      case 'snapshot':
        return this.snapshots.receive(from, decode(body))
      case 'snapshot-ack':
        return this.snapshots.acknowledged(from, decode(body))
      case 'removed':
        return this.receiveRemoved(from, decode(body))
      case 'beat':
        return this.receiveBeats(from, body)
    }
  }

  /** A peer said which replicas it runs. */
  heard(from: HostId, { replicas, changed }: Hello): void {
    for (const { group, id } of replicas) this.tellIfOut(from, group, id)
    for (const group of changed) this.running.byGroup.get(group)?.peerChanged(from)
  }

  disconnected(peer: HostId): void {
    this.guard.forget(peer)
  }

  private receiveRaft(from: HostId, body: Uint8Array): void {
    decodeRaftBody(body, (group, message) => {
      // One is sent as a 'snapshot', behind the state that it tells of.
      if (message.type === 'MsgSnap') throw new MalformedError('a snapshot without its state')
      const replica = this.receiver(from, group, message.from)
      if (replica !== undefined && message.type === 'MsgTimeoutNow') {
        // It would lead by a state that is wrong. The leader takes its silence for a no.
        if (replica.state.isQuarantined) return
        this.given(group, from, message.term)
      }
      replica?.step(from, message)
    })
  }

  private receiveBeats(from: HostId, body: Uint8Array): void {
    decodeBeats(body, beat => this.receiver(from, beat.group, beat.from)?.beat(from, beat))
  }

  /** The replica that a message of another one is for. */
  private receiver(from: HostId, group: GroupId, sender: ReplicaId): Replica | undefined {
    return this.tellIfOut(from, group, sender) ? undefined : this.running.touch(group)
  }

  /**
   * A replica that was away when the group removed it does not know. It would go on asking for votes, or wait for a
   * leader for ever, and the leader that could have told it may be gone.
   */
  private tellIfOut(host: HostId, group: GroupId, id: ReplicaId): boolean {
    const replica = this.running.byGroup.get(group)
    if (!replica?.state.isOut(id)) return false
    this.sender.send(host, 'control', 'removed', [group, id, wasEvicted(replica.machine.members, id)])
    return true
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
    const replica = this.running.touch(group)
    const refused = replica?.lead(drafts) ?? untaken(drafts, 'not-now')
    if (refused.length === 0) return
    const fields = refused.map(({ session, seq, isBusy, reason, isUnknown = false }) => [
      session,
      seq,
      isBusy,
      reason ?? null,
      isUnknown,
    ])
    this.sender.send(from, 'control', 'refuse', [group, round, fields])
  }

  private receiveRefusal(body: unknown): void {
    const [group, round, list] = asArray(body, 3)
    const refusals = asArray(list).map(value => {
      const [session, seq, isBusy, reason, isUnknown] = asArray(value, 5)
      return {
        session: asNatural(session),
        seq: asNatural(seq),
        isBusy: asBoolean(isBusy),
        reason: reason === null ? undefined : asText(reason),
        isUnknown: asBoolean(isUnknown),
      }
    })
    this.running.byGroup.get(asText(group))?.proposals.refused(asNatural(round), refusals)
  }

  private receiveRemoved(from: HostId, body: unknown): void {
    const [group, id, isEvicted] = asArray(body, 2)
    const replica = this.running.byGroup.get(asText(group))
    if (replica === undefined || replica.id !== asNatural(id)) return
    // Members are trusted, others are not: a stranger cannot take a replica out of service. One that was removed before
    // it got to the entry of its joining does not know who is a member since, and has nothing to lose.
    const { members, machine, id: own } = replica
    if (comesLater(machine.members, own) || members.some(member => member.hostId === from))
      this.toldRemoved(replica, isEvicted === true && !mayCount(replica))
  }
}
