import { isQuorateError, QuorateError } from '../core/error.ts'
import { peerSilenceMs, snapshotBytesMax } from '../core/limits.ts'
import type { Message } from '../core/raft/message.ts'
import type { Snapshot } from '../core/raft/types.ts'
import type { GroupId, HostId } from '../core/types.ts'
import { MalformedError } from '../wire/codec.ts'
import { asArray, asBytes, asNatural, asText } from '../wire/guards.ts'
import { asMessage, messageFields } from '../wire/message-codec.ts'
import { encodeSnapshot, SnapshotDecoder } from '../wire/snapshot-codec.ts'
import type { Outbox } from './outbox.ts'
import type { HostParts } from './parts.ts'
import type { Replica } from './replica.ts'

/** Chunks under way to one peer before it acknowledges the first: enough to fill a link, little enough to hold. */
const windowChunks = 8

interface Sending {
  readonly transfer: number
  acked: number
  /** Called at each acknowledgement and when the transfer is over for another reason. */
  wake: () => void
  failure: string | undefined
}

interface Receiving {
  readonly transfer: number
  readonly message: Message
  readonly snapshot: Snapshot
  readonly decoder: SnapshotDecoder
  readonly chunks: Uint8Array[]
  bytes: number
}

/**
 * Snapshots of all replicas of a host: taken while writes go on, stored, sent to followers that are too far behind for
 * the log, and received. A snapshot stands in for the log only after it is durable (mutant M63).
 */
export class Snapshots {
  private readonly parts: HostParts
  private readonly outbox: Outbox
  private readonly trailingEntries: number
  private readonly failed: (error: unknown) => void
  private readonly taking = new Set<GroupId>()
  private readonly sending = new Map<string, Sending>()
  private readonly receiving = new Map<string, Receiving>()
  private lastTransfer = 0

  constructor(options: {
    readonly parts: HostParts
    readonly outbox: Outbox
    readonly trailingEntries: number
    /** Storage failed: the host cannot go on. */
    readonly failed: (error: unknown) => void
  }) {
    this.parts = options.parts
    this.outbox = options.outbox
    this.trailingEntries = options.trailingEntries
    this.failed = options.failed
    // Transfers of an earlier life of this host must not be taken for ours.
    this.lastTransfer = Math.floor(options.parts.random() * 2 ** 40)
  }

  /** Takes a snapshot of the state as it is now and lets go of the log behind it, once it is durable. */
  take(replica: Replica): void {
    if (this.taking.has(replica.group)) return
    this.taking.add(replica.group)
    const state = replica.machine.snapshot()
    const snapshot = { index: state.index, term: replica.appliedTerm, conf: replica.conf }
    replica.applier.bytesApplied = 0
    this.parts.storage
      .saveSnapshot(replica.group, snapshot, this.unhurried(encodeSnapshot(state)))
      .then(() => replica.adoptSnapshot(snapshot, this.trailingEntries))
      .catch(this.failed)
      .finally(() => this.taking.delete(replica.group))
  }

  /** Raft wants the peer to have the snapshot that the message names. One transfer to a peer and group at a time. */
  send(replica: Replica, to: HostId, message: Message): void {
    const key = pairOf(replica.group, to)
    if (this.sending.has(key)) return
    const sending: Sending = { transfer: ++this.lastTransfer, acked: 0, wake: () => {}, failure: undefined }
    this.sending.set(key, sending)
    this.transmit(replica, to, message, sending)
      .then(
        () => true,
        error => {
          // A peer that went, or a newer snapshot: Raft tries again. Anything else is this host's own storage.
          if (!isQuorateError(error, 'UNREACHABLE') && !isQuorateError(error, 'COMPACTED')) this.failed(error)
          return false
        },
      )
      .then(isDone => {
        this.sending.delete(key)
        replica.reportSnapshot(message.to, isDone)
      })
  }

  /** A chunk came in. Rejects with MalformedError where the peer is to blame, with another one where this host is. */
  async receive(
    from: HostId,
    body: unknown,
    replicaOf: (group: GroupId) => Replica | undefined,
  ): Promise<void> {
    const [groupField, transferField, seqField, head, chunk] = asArray(body, 5)
    const group = asText(groupField)
    const transfer = asNatural(transferField)
    const seq = asNatural(seqField)
    const key = pairOf(group, from)
    const replica = replicaOf(group)
    if (replica === undefined) return
    if (seq === 0) this.begin(key, transfer, asMessage(head))
    const receiving = this.receiving.get(key)
    if (receiving?.transfer !== transfer || receiving.chunks.length !== seq) return
    if (chunk !== null) {
      this.collect(key, receiving, asBytes(chunk))
      this.acknowledge(from, group, transfer, receiving.chunks.length)
      return
    }
    this.receiving.delete(key)
    const state = receiving.decoder.end()
    await this.parts.storage.saveSnapshot(group, receiving.snapshot, inTurn(receiving.chunks))
    this.acknowledge(from, group, transfer, seq + 1)
    replicaOf(group)?.stepSnapshot(from, receiving.message, state)
  }

  acknowledged(from: HostId, body: unknown): void {
    const [group, transfer, acked] = asArray(body, 3)
    const sending = this.sending.get(pairOf(asText(group), from))
    if (sending === undefined || sending.transfer !== transfer) return
    sending.acked = Math.max(sending.acked, asNatural(acked))
    sending.wake()
  }

  disconnected(peer: HostId): void {
    for (const [key, sending] of this.sending) {
      if (!key.endsWith(` ${peer}`)) continue
      sending.failure = 'the peer is gone'
      sending.wake()
    }
    for (const key of this.receiving.keys()) if (key.endsWith(` ${peer}`)) this.receiving.delete(key)
  }

  /** Transfers end; what of them is still under way finds no one who listens. */
  close(error: QuorateError): void {
    for (const sending of this.sending.values()) {
      sending.failure = error.message
      sending.wake()
    }
    this.receiving.clear()
  }

  private async transmit(replica: Replica, to: HostId, message: Message, sending: Sending): Promise<void> {
    const { snapshot } = message
    if (snapshot === null) throw new TypeError('MsgSnap names a snapshot')
    const { transfer } = sending
    let seq = 0
    const post = (head: unknown, chunk: Uint8Array | null) =>
      this.outbox.send(to, 'bulk', 'snapshot', [replica.group, transfer, seq++, head, chunk])
    for await (const chunk of this.parts.storage.readSnapshot(replica.group, snapshot)) {
      await this.acknowledgedUpTo(sending, seq - windowChunks)
      post(seq === 0 ? messageFields(message) : null, chunk)
    }
    await this.acknowledgedUpTo(sending, seq)
    post(null, null)
    await this.acknowledgedUpTo(sending, seq)
  }

  /** Waits until so many chunks are acknowledged; rejects after `peerSilenceMs` without any progress. */
  private async acknowledgedUpTo(sending: Sending, count: number): Promise<void> {
    while (sending.acked < count) {
      if (sending.failure !== undefined) throw new QuorateError('UNREACHABLE', sending.failure)
      const before = sending.acked
      await new Promise<void>(resolve => {
        const cancel = this.parts.clock.after(peerSilenceMs, () => {
          if (sending.acked === before) sending.failure = 'the peer does not acknowledge the snapshot'
          resolve()
        })
        sending.wake = () => {
          cancel()
          resolve()
        }
      })
    }
  }

  private begin(key: string, transfer: number, message: Message): void {
    const { snapshot } = message
    if (message.type !== 'MsgSnap' || snapshot === null) return
    this.receiving.set(key, {
      transfer,
      message,
      snapshot,
      decoder: new SnapshotDecoder(),
      chunks: [],
      bytes: 0,
    })
  }

  private collect(key: string, receiving: Receiving, chunk: Uint8Array): void {
    receiving.bytes += chunk.length
    if (receiving.bytes > snapshotBytesMax) {
      this.receiving.delete(key)
      throw new MalformedError(`a snapshot has at most ${snapshotBytesMax} bytes`)
    }
    receiving.decoder.push(chunk)
    receiving.chunks.push(chunk)
  }

  private acknowledge(to: HostId, group: GroupId, transfer: number, count: number): void {
    this.outbox.send(to, 'bulk', 'snapshot-ack', [group, transfer, count])
  }

  /** Hands out one chunk a turn, so that encoding a large state never holds up the loop. */
  private async *unhurried(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      yield chunk
      await new Promise<void>(resolve => this.parts.clock.soon(resolve))
    }
  }
}

async function* inTurn(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

function pairOf(group: GroupId, peer: HostId): string {
  return `${group} ${peer}`
}
