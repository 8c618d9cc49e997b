import { crc32c } from '../../base/checksum.ts'
import { QuorateError } from '../../core/error.ts'
import { snapshotWindowChunks } from '../../core/limits.ts'
import type { MachineState } from '../../core/machine/state.ts'
import type { Message } from '../../core/raft/message.ts'
import type { HostId, Index, Term } from '../../core/types.ts'
import type { Deflate } from '../../storage/storage.ts'
import { MalformedError } from '../../wire/codec.ts'
import { SnapshotDecoder } from '../../wire/snapshot-codec.ts'
import { unpackChunk } from './snapshot-chunk.ts'

/**
 * A snapshot that comes in: each chunk is decoded into the state-to-be and handed on to storage, and then it is gone.
 * It outlives the connection, so that the same leader can go on where it was cut off.
 *
 * Invariant: all chunks are of one leader in one term, who has one snapshot at that index (mutant M77); the running
 * checksum says so once more.
 */
export class IncomingSnapshot {
  readonly from: HostId
  readonly message: Message
  /** Pieces that came, in order; the end is one. */
  next = 0
  /** Those of them that storage took. */
  stored = 0
  /** When a piece came last. */
  heardAt: number
  /** The state, once storage has taken the last chunk. */
  state: MachineState | undefined
  /** With what `chunks` rejects after `cancel`. */
  readonly cancellation = new QuorateError('CLOSED', 'another snapshot, or none, is wanted')
  private readonly decoder = new SnapshotDecoder()
  private readonly queue: Uint8Array[] = []
  private checksum = 0
  private isComplete = false
  private isCancelled = false
  private wake: () => void = () => {}
  private readonly deflate: Deflate | undefined

  constructor(from: HostId, message: Message, now: number, deflate?: Deflate) {
    this.deflate = deflate
    this.from = from
    this.message = message
    this.heardAt = now
  }

  isOf(from: HostId, term: Term, index: Index): boolean {
    return from === this.from && term === this.message.term && index === this.message.snapshot?.index
  }

  /** Takes the chunk, or the end (null), if it is the one that follows. Throws MalformedError on a wrong checksum. */
  take(seq: number, checksum: number, chunk: Uint8Array | null): void {
    // Twice as much as a sender may have under way: what is beyond was not asked for, and is asked for again.
    if (seq !== this.next || this.isComplete || this.queue.length >= 2 * snapshotWindowChunks) return
    const running = chunk === null ? this.checksum : crc32c(chunk, this.checksum)
    if (running !== checksum) throw new MalformedError('a piece of a snapshot does not belong to it')
    this.checksum = running
    this.next += 1
    if (chunk === null) this.isComplete = true
    else this.queue.push(chunk)
    this.wake()
  }

  /** Nothing more is wanted of it. */
  cancel(): void {
    this.isCancelled = true
    this.wake()
  }

  /** What storage is to take, at its own pace; `took` is told of each. Rejects where they make no state. */
  async *chunks(took: () => void): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.isCancelled) throw this.cancellation
      const chunk = this.queue.shift()
      if (chunk !== undefined) {
        this.decoder.push(await unpackChunk(chunk, this.deflate))
        yield chunk
        this.stored += 1
        took()
      } else if (this.isComplete) {
        this.state = this.decoder.end()
        return
      } else await new Promise<void>(resolve => (this.wake = resolve))
    }
  }
}
