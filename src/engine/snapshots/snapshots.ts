import { isQuorateError, QuorateError } from '../../core/error.ts'
import { snapshotPatienceMs } from '../../core/limits.ts'
import type { Message } from '../../core/raft/message.ts'
import type { Snapshot } from '../../core/raft/types.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import { MalformedError } from '../../wire/codec.ts'
import { asArray, asBoolean, asBytes, asNatural, asText } from '../../wire/guards.ts'
import { asMessage } from '../../wire/message-codec.ts'
import { encodeSnapshot, withoutValues } from '../../wire/snapshot-codec.ts'
import type { HostParts } from '../parts.ts'
import type { Sender } from '../peers/sender.ts'
import type { Replica } from '../replica/replica.ts'
import { IncomingSnapshot } from './incoming-snapshot.ts'
import { OutgoingSnapshot, type SnapshotAnswer } from './outgoing-snapshot.ts'
import { packChunk, unpackChunk } from './snapshot-chunk.ts'

// A transfer is named by its group, the leader's term and the snapshot's index; within one term a leader has one
// snapshot at an index. Its frames:
//
//   snapshot       [group, term, index, seq, checksum, piece]    piece: the MsgSnap (an offer), a chunk, null (the end)
//   snapshot-ack   [group, term, index, stored, next, isGap, isPlain]     see `SnapshotAnswer`

/**
 * Snapshots of all replicas of a host: taken while writes go on, stored, sent to followers that are too far behind for
 * the log, and received. A snapshot stands in for the log only after it is durable (mutant M63).
 */
export class Snapshots {
  private readonly parts: HostParts
  private readonly sender: Sender
  private readonly heldLogBytesMax: number
  private readonly replicaOf: (group: GroupId) => Replica | undefined
  private readonly failed: (error: unknown) => void
  private readonly taking = new Set<GroupId>()
  private isClosed = false
  private readonly outgoing = new Map<GroupId, Map<HostId, OutgoingSnapshot>>()
  /** One for each group: a replica follows one leader. */
  private readonly incoming = new Map<GroupId, IncomingSnapshot>()

  constructor(options: {
    readonly parts: HostParts
    readonly sender: Sender
    readonly heldLogBytesMax: number
    readonly replicaOf: (group: GroupId) => Replica | undefined
    /** Storage failed: the host cannot go on. */
    readonly failed: (error: unknown) => void
  }) {
    this.parts = options.parts
    this.sender = options.sender
    this.heldLogBytesMax = options.heldLogBytesMax
    this.replicaOf = options.replicaOf
    this.failed = options.failed
  }

  /**
   * Takes a snapshot of the state as it is now and lets go of the log behind it, once it is durable. Not while the one
   * before is under way to a follower: that one would have to begin anew, and again, for as long as there are writes
   * (mutant M81).
   */
  take(replica: Replica): void {
    const {
      group,
      state: { applier },
    } = replica
    if (this.taking.has(group)) return
    if (this.outgoing.has(group) && applier.bytesApplied < this.heldLogBytesMax) return
    this.taking.add(group)
    const state = replica.machine.snapshot()
    const snapshot = { index: state.index, term: replica.state.term, conf: replica.conf }
    applier.bytesApplied = 0
    this.parts.storage
      .saveSnapshot(group, snapshot, this.unhurried(encodeSnapshot(state)))
      .then(() => replica.adoptSnapshot(snapshot))
      .catch(this.failed)
      .finally(() => this.taking.delete(group))
  }

  /** Raft wants the peer to have the snapshot that the message names. It takes the place of an earlier one. */
  send(replica: Replica, to: HostId, message: Message): void {
    const { snapshot } = message
    if (snapshot === null) return
    const { group } = replica
    const ofGroup = this.outgoing.get(group) ?? new Map<HostId, OutgoingSnapshot>()
    this.outgoing.set(group, ofGroup)
    ofGroup.get(to)?.cancel()
    const isWitness = replica.node.status().conf.witnesses?.includes(message.to) === true
    const outgoing = new OutgoingSnapshot({
      clock: this.parts.clock,
      message,
      read: isPlain => {
        const chunks = this.parts.storage.readSnapshot(group, snapshot)
        if (isWitness) return withoutValues(chunks)
        return isPlain ? unpacked(chunks, this.parts.deflate) : chunks
      },
      post: (seq, checksum, piece) =>
        this.sender.send(to, 'bulk', 'snapshot', [group, message.term, snapshot.index, seq, checksum, piece]),
      isWanted: () => isWanted(replica, message, snapshot),
    })
    ofGroup.set(to, outgoing)
    outgoing
      .run()
      .catch(error => {
        // It was replaced by a later one, which Raft sends next. Anything else is this host's own storage.
        if (!isQuorateError(error, 'COMPACTED')) this.failed(error)
        return 'failed'
      })
      .then(end => {
        if (ofGroup.get(to) === outgoing) ofGroup.delete(to)
        if (ofGroup.size === 0 && this.outgoing.get(group) === ofGroup) this.outgoing.delete(group)
        if (end !== 'over') replica.reportSnapshot(message.to, end === 'delivered')
      })
  }

  /** An offer, a chunk or an end came in. Throws MalformedError where the peer is to blame. */
  receive(from: HostId, body: unknown): void {
    const [groupField, term, index, seq, checksum, piece] = asArray(body, 6)
    const group = asText(groupField)
    const replica = this.replicaOf(group)
    if (replica === undefined) return
    if (Array.isArray(piece)) return this.offered(from, replica, asMessage(piece))
    const incoming = this.incoming.get(group)
    if (incoming?.isOf(from, asNatural(term), asNatural(index)) !== true) return
    incoming.heardAt = this.parts.clock.now()
    try {
      incoming.take(asNatural(seq), asNatural(checksum), piece === null ? null : asBytes(piece))
      if (asNatural(seq) > incoming.next) this.answer(group, incoming, { next: incoming.next, isGap: true })
    } catch (error) {
      this.drop(group, incoming)
      throw error
    }
  }

  acknowledged(from: HostId, body: unknown): void {
    const [group, term, index, stored, next, isGap, isPlain = false] = asArray(body, 6)
    const outgoing = this.outgoing.get(asText(group))?.get(from)
    if (outgoing?.isOf(asNatural(term), asNatural(index)) !== true) return
    outgoing.acknowledged({
      stored: asNatural(stored),
      next: next === null ? null : asNatural(next),
      isGap: asBoolean(isGap),
      isPlain: asBoolean(isPlain),
    })
  }

  /** Drops what nobody goes on sending: it holds half a state. */
  tick(now: number): void {
    for (const [group, incoming] of this.incoming) {
      if (now - incoming.heardAt > snapshotPatienceMs) this.drop(group, incoming)
    }
  }

  /** Transfers end, and so do snapshots that are being taken: what they stand for is in the log. */
  close(): void {
    this.isClosed = true
    for (const ofGroup of this.outgoing.values()) for (const outgoing of ofGroup.values()) outgoing.cancel()
    for (const incoming of this.incoming.values()) incoming.cancel()
  }

  private offered(from: HostId, replica: Replica, message: Message): void {
    const { snapshot } = message
    if (message.type !== 'MsgSnap' || snapshot === null) throw new MalformedError('a snapshot was expected')
    const { group } = replica
    const present = this.incoming.get(group)
    // A deposed leader, or a stranger, does not end what another one sends.
    if (!replica.accepts(from, message) || message.term < Math.max(replica.term, present?.message.term ?? 0))
      return
    // Not for another replica id: this host may have been removed and have come back meanwhile.
    if (present?.isOf(from, message.term, snapshot.index) && present.message.to === message.to) {
      present.heardAt = this.parts.clock.now()
      return this.answer(group, present, { next: present.next })
    }
    if (snapshot.index <= replica.node.status().commit) {
      // It is here already, or the log is (mutant M72): Raft tells the leader so.
      replica.step(from, message)
      return replica.requestTurn()
    }
    if (present !== undefined) this.drop(group, present)
    const incoming = new IncomingSnapshot(from, message, this.parts.clock.now(), this.parts.deflate)
    this.incoming.set(group, incoming)
    this.store(group, snapshot, incoming)
    this.answer(group, incoming, { next: 0 })
  }

  /** The whole goes to storage while it comes; once it is durable, Raft hears of it. */
  private store(group: GroupId, snapshot: Snapshot, incoming: IncomingSnapshot): void {
    const { from, message } = incoming
    const chunks = incoming.chunks(() => this.answer(group, incoming))
    this.parts.storage
      .saveSnapshot(group, snapshot, chunks)
      .then(() => {
        const replica = this.replicaOf(group)
        if (replica === undefined || incoming.state === undefined) return
        replica.stepSnapshot(from, message, incoming.state)
        replica.requestTurn()
        incoming.stored = incoming.next
        this.answer(group, incoming)
      })
      .catch(error => {
        if (error instanceof MalformedError) this.parts.transport.misbehaved(from, 'malformed')
        else if (error !== incoming.cancellation) this.failed(error)
      })
      .finally(() => this.drop(group, incoming))
  }

  /** At once, so that what comes next finds no half-dead one. */
  private drop(group: GroupId, incoming: IncomingSnapshot): void {
    incoming.cancel()
    if (this.incoming.get(group) === incoming) this.incoming.delete(group)
  }

  /** Every answer says how much is stored: those before it may be lost, and the sender waits for what they said. */
  private answer(
    group: GroupId,
    { from, message, stored }: IncomingSnapshot,
    { next = null, isGap = false }: Partial<SnapshotAnswer> = {},
  ): void {
    const index = message.snapshot?.index ?? 0
    const isPlain = this.parts.deflate === undefined
    this.sender.send(from, 'bulk', 'snapshot-ack', [group, message.term, index, stored, next, isGap, isPlain])
  }

  /** Hands out one chunk a turn, so that encoding a large state never holds up the loop. */
  private async *unhurried(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    // The header stays as it is: it is what a witness gets.
    let isHeader = true
    for (const chunk of chunks) {
      const packed = isHeader ? chunk : await packChunk(chunk, this.parts.deflate)
      isHeader = false
      if (this.isClosed) throw new QuorateError('CLOSED', 'the host ends')
      yield packed
      await new Promise<void>(resolve => this.parts.clock.soon(resolve))
    }
  }
}

async function* unpacked(chunks: AsyncIterable<Uint8Array>, deflate: HostParts['deflate']) {
  for await (const chunk of chunks) yield await unpackChunk(chunk, deflate)
}

/** The leader that wanted it still leads, in the same term, and still waits for the follower to have it. */
function isWanted(replica: Replica, { to, term }: Message, { index }: Snapshot): boolean {
  if (!replica.leads || replica.term !== term) return false
  const progress = replica.node.status().progress.find(({ id }) => id === to)
  return progress?.state === 'snapshot' && progress.pendingSnapshot === index
}
