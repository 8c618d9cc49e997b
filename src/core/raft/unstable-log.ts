import type { Index, Term } from '../types.ts'
import { type Entries, EntryList } from './entry-list.ts'
import type { Snapshot } from './types.ts'

/**
 * The tail of the log that is not yet known to be durable, and a snapshot that is being installed. What was
 * handed out to be written is "in progress" and stays here until the write is acknowledged.
 */
export class UnstableLog {
  /**
   * The first index that was not yet handed out. Invariant: offset <= offsetInProgress <= offset + length.
   */
  offsetInProgress: Index
  snapshot: Snapshot | null = null
  private snapshotInProgress = false
  private list: EntryList

  constructor(offset: Index) {
    this.list = new EntryList(offset)
    this.offsetInProgress = offset
  }

  /** The index of the first entry here, or the one that the next entry will get. */
  get offset(): Index {
    return this.list.first
  }

  get length(): number {
    return this.list.end - this.list.first
  }

  /** Undefined when neither an entry nor a snapshot here tells. */
  lastIndex(): Index | undefined {
    if (this.length > 0) return this.list.end - 1
    return this.snapshot?.index
  }

  term(index: Index): Term | undefined {
    if (index >= this.offset) return this.list.term(index)
    return this.snapshot !== null && this.snapshot.index === index ? this.snapshot.term : undefined
  }

  hasNext(): boolean {
    return this.list.end > this.offsetInProgress
  }

  /** The entries that nobody was asked to write yet. */
  next(): Entries {
    return this.list.slice(this.offsetInProgress, this.list.end)
  }

  /** The snapshot that nobody was asked to store yet. */
  nextSnapshot(): Snapshot | null {
    return this.snapshotInProgress ? null : this.snapshot
  }

  acceptInProgress(): void {
    this.offsetInProgress = this.list.end
    if (this.snapshot !== null) this.snapshotInProgress = true
  }

  /**
   * Forgets what became durable up to (index, term). The term tells which write was acknowledged: an entry of
   * a newer leader may have taken the index meanwhile, and that one is not durable yet (the ABA race of
   * asynchronous writes; see the test "an acknowledged write of an overwritten entry makes nothing durable").
   */
  stableTo(index: Index, term: Term): void {
    if (index < this.offset || this.term(index) !== term) return
    this.list.dropBefore(index + 1)
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset)
  }

  stableSnapshotTo(index: Index): void {
    if (this.snapshot?.index !== index) return
    this.snapshot = null
    this.snapshotInProgress = false
  }

  /** Starts over behind a snapshot: what was here contradicts it. */
  restore(snapshot: Snapshot): void {
    this.list = new EntryList(snapshot.index + 1)
    this.offsetInProgress = this.offset
    this.snapshot = snapshot
    this.snapshotInProgress = false
  }

  /** Appends; what was here from the first new entry's index on is replaced, and has to be written again. */
  truncateAndAppend(entries: Entries): void {
    const from = entries.first
    if (from < this.offset) this.list = new EntryList(from)
    else this.list.dropFrom(from)
    this.offsetInProgress = Math.min(this.offsetInProgress, from)
    this.list.append(entries)
  }

  slice(from: Index, end: Index, bytesMax: number): Entries {
    return this.list.slice(from, end, bytesMax)
  }
}
