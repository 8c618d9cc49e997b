import { crc32c } from '../../base/checksum.ts'
import type { Clock } from '../../clock/clock.ts'
import { peerSilenceMs, snapshotPatienceMs, snapshotWindowChunks } from '../../core/limits.ts'
import type { Message } from '../../core/raft/message.ts'
import type { Index, Term } from '../../core/types.ts'
import { messageFields } from '../../wire/message-codec.ts'
import { Condition } from '../calls/condition.ts'

/** Between two offers that nobody answers. */
const offerMs = 1000

/** What a follower says of the pieces that came. */
export interface SnapshotAnswer {
  /** How many its storage took, the whole counted as one more. */
  readonly stored: number
  /** The piece that it waits for: in answer to an offer, or because a later one came. */
  readonly next: number | null
  readonly isGap: boolean
  /** It cannot inflate, and must get the chunks as they were. */
  readonly isPlain: boolean
}

export interface OutgoingParts {
  readonly clock: Clock
  /** The MsgSnap that Raft wants to be sent. */
  readonly message: Message
  /** The stored chunks, from the first on. */
  readonly read: (isPlain: boolean) => AsyncIterable<Uint8Array>
  /** Sends a frame; it may get lost. False where it was dropped at once. */
  readonly post: (seq: number, checksum: number, piece: unknown) => boolean
  /** False once the follower needs it no more, or this replica does not lead any more. */
  readonly isWanted: () => boolean
}

/**
 * A snapshot on its way to one follower. It is offered until the follower says which chunk it lacks first, and sent
 * from there, a window at a time. After a gap or a silence it is offered again: whatever was lost, or however long the
 * connection was away, only what the follower lacks is sent (go-back-N, with the follower's word for N).
 *
 * Every chunk carries the checksum of all bytes up to its end, so that each is checked, and the whole, and that
 * both halves of a resumed transfer are of one piece.
 */
export class OutgoingSnapshot {
  private readonly parts: OutgoingParts
  private readonly change = new Condition()
  /** Pieces that the follower's storage took, its acknowledgement of the whole included. */
  private stored = 0
  /** The piece that the follower waits for, as it answered to an offer. */
  private next: number | undefined
  /** The follower said that a piece is missing. Each place counts once: it says so for every piece behind it. */
  private hasGap = false
  private lastGap = -1
  private isPlain = false
  private isCancelled = false

  constructor(parts: OutgoingParts) {
    this.parts = parts
  }

  isOf(term: Term, index: Index): boolean {
    const { message } = this.parts
    return term === message.term && index === message.snapshot?.index
  }

  acknowledged({ stored, next, isGap, isPlain }: SnapshotAnswer): void {
    this.isPlain = isPlain
    // What answers an offer says it anew: a follower that was started again may have less than it had.
    const isAnew = this.next === undefined && next !== null && !isGap
    // And what it lacks then may lie before what it lacked.
    if (isAnew && (stored < this.stored || next < this.lastGap)) this.lastGap = -1
    this.stored = isAnew ? stored : Math.max(this.stored, stored)
    if (!isGap) this.next = next ?? this.next
    else if (next !== null && next > this.lastGap) {
      this.lastGap = next
      this.hasGap = true
    }
    this.change.notify()
  }

  /** Ends it: nothing is sent any more, and `run` resolves to 'over'. */
  cancel(): void {
    this.isCancelled = true
    this.change.notify()
  }

  /**
   * 'delivered': the follower has stored all of it. 'failed': it did not answer for `snapshotPatienceMs`. 'over':
   * nobody wants it any more. Rejects with the error of reading it.
   */
  async run(): Promise<'delivered' | 'failed' | 'over'> {
    for (;;) {
      const next = await this.agree()
      if (this.isOver()) return 'over'
      if (next === undefined) return 'failed'
      if (await this.stream(next)) return 'delivered'
    }
  }

  private isOver(): boolean {
    return this.isCancelled || !this.parts.isWanted()
  }

  /** The piece to go on with; undefined where no answer came. */
  private async agree(): Promise<number | undefined> {
    const { clock, post, message } = this.parts
    const end = clock.now() + snapshotPatienceMs
    this.next = undefined
    while (this.next === undefined && clock.now() < end && !this.isOver()) {
      post(0, 0, messageFields(message))
      await this.change.wait(clock, offerMs, undefined)
    }
    return this.next
  }

  /** Sends what follows; false where that came to a halt. */
  private async stream(from: number): Promise<boolean> {
    this.hasGap = false
    let [seq, checksum] = [0, 0]
    for await (const chunk of this.parts.read(this.isPlain)) {
      checksum = crc32c(chunk, checksum)
      if (seq >= from) {
        if (!(await this.storedUpTo(seq + 1 - snapshotWindowChunks))) return false
        if (!this.parts.post(seq, checksum, chunk)) return false
      }
      seq += 1
    }
    this.parts.post(seq, checksum, null)
    return this.storedUpTo(seq + 1)
  }

  /** Waits until so many pieces are stored; false after a silence, or when it is over. */
  private async storedUpTo(count: number): Promise<boolean> {
    const { clock } = this.parts
    let silentFrom = clock.now()
    while (this.stored < count) {
      const before = this.stored
      const waitMs = silentFrom + peerSilenceMs - clock.now()
      if (waitMs <= 0 || this.hasGap || this.isOver()) return false
      await this.change.wait(clock, waitMs, undefined)
      if (this.stored > before) silentFrom = clock.now()
    }
    return !this.hasGap && !this.isOver()
  }
}
