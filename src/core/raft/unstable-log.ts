import { assert } from '../../base/assert.ts'
import type { Index, Term } from '../types.ts'
import { sliceWithin } from './entry-size.ts'
import type { Entry, Snapshot } from './types.ts'

/**
 * The tail of the log that is not yet known to be durable, and a snapshot that is being installed. What was
 * handed out to be written is "in progress" and stays here until the write is acknowledged.
 */
export class UnstableLog {
  /** The index of the first entry here, or the one that the next entry will get. */
  offset: Index
  /**
   * The first index that was not yet handed out. Invariant: offset <= offsetInProgress <= offset + length.
   */
  offsetInProgress: Index
  snapshot: Snapshot | null = null
  private snapshotInProgress = false
  private entries: Entry[] = []

  constructor(offset: Index) {
    this.offset = offset
    this.offsetInProgress = offset
  }

  get length(): number {
    return this.entries.length
  }

  /** Undefined when neither an entry nor a snapshot here tells. */
  lastIndex(): Index | undefined {
    if (this.entries.length > 0) return this.offset + this.entries.length - 1
    return this.snapshot?.index
  }

  term(index: Index): Term | undefined {
    if (index >= this.offset) return this.entries[index - this.offset]?.term
    return this.snapshot !== null && this.snapshot.index === index ? this.snapshot.term : undefined
  }

  hasNext(): boolean {
    return this.offset + this.entries.length > this.offsetInProgress
  }

  /** The entries that nobody was asked to write yet. */
  next(): readonly Entry[] {
    return this.entries.slice(this.offsetInProgress - this.offset)
  }

  /** The snapshot that nobody was asked to store yet. */
  nextSnapshot(): Snapshot | null {
    return this.snapshotInProgress ? null : this.snapshot
  }

  acceptInProgress(): void {
    this.offsetInProgress = this.offset + this.entries.length
    if (this.snapshot !== null) this.snapshotInProgress = true
  }

  /**
   * Forgets what became durable up to (index, term). The term tells which write was acknowledged: an entry of
   * a newer leader may have taken the index meanwhile, and that one is not durable yet (the ABA race of
   * asynchronous writes; see the test "an acknowledged write of an overwritten entry makes nothing durable").
   */
  stableTo(index: Index, term: Term): void {
    if (index < this.offset || this.term(index) !== term) return
    const count = index + 1 - this.offset
    this.entries = count === this.entries.length ? [] : this.entries.slice(count)
    this.offset = index + 1
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset)
  }

  stableSnapshotTo(index: Index): void {
    if (this.snapshot?.index !== index) return
    this.snapshot = null
    this.snapshotInProgress = false
  }

  /** Starts over behind a snapshot: what was here contradicts it. */
  restore(snapshot: Snapshot): void {
    this.offset = snapshot.index + 1
    this.offsetInProgress = this.offset
    this.entries = []
    this.snapshot = snapshot
    this.snapshotInProgress = false
  }

  /** Appends; what was here from the first new entry's index on is replaced, and has to be written again. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const from = (entries[0] as Entry).index
    if (from < this.offset) {
      this.entries = []
      this.offset = from
      this.offsetInProgress = from
    } else if (from < this.offset + this.entries.length) {
      this.entries.length = from - this.offset
      this.offsetInProgress = Math.min(this.offsetInProgress, from)
    }
    for (const entry of entries) this.entries.push(entry)
  }

  slice(from: Index, end: Index, bytesMax: number): readonly Entry[] {
    assert(from >= this.offset && end <= this.offset + this.entries.length, 'unstable slice out of bounds')
    return sliceWithin(this.entries, from - this.offset, end - this.offset, bytesMax)
  }
}
