import { assert, violated } from '../../base/assert.ts'
import type { Index, Term } from '../types.ts'
import { type Entries, EntryList, packed } from './entry-list.ts'
import type { LogStorage } from './log-storage.ts'
import type { ConfState, Entry, HardState, Snapshot } from './types.ts'

/** A group without any member: what a replica knows before it hears of its first configuration. */
export const emptyConfState: ConfState = {
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
}

/**
 * The durable log, mirrored in memory. The engine repeats here what storage has made durable; nothing in here
 * is durable by itself.
 */
export class MemoryLog implements LogStorage {
  private hardState: HardState
  private recent: Snapshot
  /** The position that the log stands on: compacted, or (0, 0). Invariant: list.first === compacted + 1. */
  private compacted: Index
  private compactedTerm: Term
  private list: EntryList

  constructor(
    initial: {
      readonly hardState?: HardState
      readonly snapshot?: Snapshot | undefined
      readonly entries?: readonly Entry[]
    } = {},
  ) {
    this.hardState = initial.hardState ?? { term: 0, vote: 0, commit: 0 }
    this.recent = initial.snapshot ?? { index: 0, term: 0, conf: emptyConfState }
    const first = initial.entries?.[0]
    // Entries from before the snapshot may have been kept for slow followers; the term in front of them was
    // not.
    const overlaps = first !== undefined && first.index <= this.recent.index
    this.compacted = overlaps ? first.index : this.recent.index
    this.compactedTerm = overlaps ? first.term : this.recent.term
    this.list = new EntryList(this.compacted + 1)
    this.append(packed(initial.entries ?? []))
  }

  initialState(): { readonly hardState: HardState; readonly conf: ConfState } {
    return { hardState: this.hardState, conf: this.recent.conf }
  }

  firstIndex(): Index {
    return this.compacted + 1
  }

  lastIndex(): Index {
    return this.list.end - 1
  }

  term(index: Index): Term | 'compacted' | 'unavailable' {
    if (index < this.compacted) return 'compacted'
    if (index === this.compacted) return this.compactedTerm
    return this.list.term(index) ?? 'unavailable'
  }

  entries(from: Index, end: Index, bytesMax: number): Entries | 'compacted' | 'unavailable' {
    if (from <= this.compacted) return 'compacted'
    if (end > this.lastIndex() + 1) return 'unavailable'
    return this.list.slice(from, end, bytesMax)
  }

  /** Length of the data of an entry that is at hand. */
  dataBytes(index: Index): number {
    return this.list.dataBytes(index)
  }

  snapshot(): Snapshot | 'unavailable' {
    return this.recent
  }

  setHardState(hardState: HardState): void {
    this.hardState = hardState
  }

  /** Appends; entries from the first one's index on are overwritten. What is compacted already is skipped. */
  append(entries: Entries): void {
    const { end } = entries
    const from = Math.max(this.firstIndex(), entries.first)
    if (from >= end) return
    this.list.dropFrom(from)
    this.list.append(entries.slice(from, end))
  }

  /**
   * A leader's snapshot was installed. The log is kept where it holds the snapshot's position (Raft paper
   * §7).
   */
  applySnapshot(snapshot: Snapshot): void {
    if (snapshot.index <= this.recent.index) return
    const holds = this.term(snapshot.index) === snapshot.term
    this.recent = snapshot
    if (holds) return
    this.list = new EntryList(snapshot.index + 1)
    this.compacted = snapshot.index
    this.compactedTerm = snapshot.term
  }

  /** The replica's own snapshot, at an index it has applied. The log stays until it is compacted. */
  setSnapshot(snapshot: Snapshot): void {
    assert(this.term(snapshot.index) === snapshot.term, 'an own snapshot must stand on the own log')
    this.recent = snapshot
  }

  /** Forgets entries up to and including `index`. */
  compact(index: Index): void {
    if (index <= this.compacted) return
    const term = this.term(index)
    if (typeof term !== 'number') violated(`cannot compact to ${index}, beyond the log's end`)
    this.list.dropBefore(index + 1)
    this.compacted = index
    this.compactedTerm = term
  }
}
