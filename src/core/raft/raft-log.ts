import { assert, violated } from '../../base/assert.ts'
import { QuorateError } from '../error.ts'
import type { Index, Term } from '../types.ts'
import { type Entries, joined, noEntries } from './entry-list.ts'
import { entriesBytes } from './entry-size.ts'
import type { LogStorage } from './log-storage.ts'
import type { Snapshot } from './types.ts'
import { UnstableLog } from './unstable-log.ts'

/**
 * The replicated log of one replica (Raft paper §5.3): the durable part in storage, the rest in memory, and
 * how far it is committed and applied.
 *
 * Invariant: applied <= applying <= committed <= lastIndex().
 */
export class RaftLog {
  readonly unstable: UnstableLog
  /** The highest index known to be committed. */
  committed: Index
  /** The highest index handed out to be applied. */
  applying: Index
  /** The highest index known to be applied. */
  applied: Index
  private readonly storage: LogStorage
  /** Bounds what is handed out and not yet applied, so that a slow state machine is not buried. */
  private readonly applyingBytesMax: number
  private applyingBytes = 0
  private applyingPaused = false

  constructor(storage: LogStorage, applyingBytesMax: number) {
    this.storage = storage
    this.applyingBytesMax = applyingBytesMax
    this.unstable = new UnstableLog(storage.lastIndex() + 1)
    // A compacted entry was applied, so it was committed.
    const compacted = storage.firstIndex() - 1
    this.committed = compacted
    this.applying = compacted
    this.applied = compacted
  }

  firstIndex(): Index {
    const snapshot = this.unstable.snapshot
    return snapshot === null ? this.storage.firstIndex() : snapshot.index + 1
  }

  lastIndex(): Index {
    return this.unstable.lastIndex() ?? this.storage.lastIndex()
  }

  lastTerm(): Term {
    const term = this.term(this.lastIndex())
    assert(typeof term === 'number', 'the term of the last entry is unknown')
    return term
  }

  term(index: Index): Term | 'compacted' | 'unavailable' {
    const term = this.unstable.term(index)
    if (term !== undefined) return term
    if (index + 1 < this.firstIndex()) return 'compacted'
    if (index > this.lastIndex()) return 'unavailable'
    return this.storage.term(index)
  }

  matchTerm(index: Index, term: Term): boolean {
    return this.term(index) === term
  }

  /** The up-to-date check of an election (Raft paper §5.4.1): the last term decides, then the length. */
  isUpToDate(lastIndex: Index, lastTerm: Term): boolean {
    const ours = this.lastTerm()
    return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex())
  }

  /** Entries of [from, end), cut at `bytesMax` but at least one. */
  slice(from: Index, end: Index, bytesMax: number): Entries | 'compacted' {
    if (from > end || end > this.lastIndex() + 1) violated(`slice [${from}, ${end}) is out of bounds`)
    if (from < this.firstIndex()) return 'compacted'
    if (from === end) return noEntries
    const offset = this.unstable.offset
    if (from >= offset) return this.unstable.slice(from, end, bytesMax)

    const cut = Math.min(end, offset)
    const stable = this.storage.entries(from, cut, bytesMax)
    if (stable === 'compacted') return stable
    if (stable === 'unavailable') violated(`entries [${from}, ${cut}) are not in storage`)
    if (end <= offset || stable.length < cut - from) return stable
    const bytes = entriesBytes(stable)
    const rest = this.unstable.slice(offset, end, bytesMax - bytes)
    // Only a whole message may hold an entry above the limit; a second one has to fit.
    if (rest.length === 1 && bytes + entriesBytes(rest) > bytesMax) return stable
    return joined(stable, rest)
  }

  /** Entries from an index to the end of the log, cut at `bytesMax` but at least one. */
  entriesFrom(from: Index, bytesMax: number): Entries | 'compacted' {
    const end = this.lastIndex() + 1
    return from >= end ? noEntries : this.slice(from, end, bytesMax)
  }

  append(entries: Entries): void {
    const { first } = entries
    if (first <= this.committed) violated(`entry ${first} would overwrite a committed one`)
    this.unstable.truncateAndAppend(entries)
  }

  /**
   * The receiver's side of AppendEntries (Raft paper §5.3): takes the entries that follow (prevIndex,
   * prevTerm) when the log holds that position. An entry that is there already is kept, a conflicting one is
   * overwritten together with all that follow it; nothing else is cut, because messages may arrive out of
   * order. Returns the last index that is now known to match the leader's log, or undefined.
   */
  tryAppend(prevIndex: Index, prevTerm: Term, entries: Entries): Index | undefined {
    if (!this.matchTerm(prevIndex, prevTerm)) return undefined
    const { first, end } = entries
    let from = first
    while (from < end && this.matchTerm(from, entries.term(from) as Term)) from++
    if (from < end) this.append(entries.slice(from, end))
    return prevIndex + (end - first)
  }

  /**
   * The last position at or below `index` whose term is not above `term`: entries in between cannot match a
   * log that has `term` at `index`, so a probe may skip them (the optimization sketched in the Raft paper at
   * the end of §5.3, used here from both sides). The term is 0 where it is not known.
   */
  findConflictByTerm(index: Index, term: Term): { readonly index: Index; readonly term: Term } {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at)
      if (typeof ours !== 'number') return { index: at, term: 0 }
      if (ours <= term) return { index: at, term: ours }
    }
    return { index: 0, term: 0 }
  }

  /** Never goes back: a delayed message may carry an older commit index. */
  commitTo(index: Index): void {
    if (index <= this.committed) return
    const last = this.lastIndex()
    if (index > last) {
      // A leader counts what was acknowledged as durable. To go on would be to acknowledge it, and to vote, once more.
      throw new QuorateError('STORAGE_CORRUPT', `this replica had entry ${index}; its log ends at ${last}`)
    }
    this.committed = index
  }

  /** Commits by counting, which only the own term allows (Raft paper §5.4.2, figure 8). */
  tryCommit(index: Index, term: Term): boolean {
    if (index <= this.committed || !this.matchTerm(index, term)) return false
    this.commitTo(index)
    return true
  }

  /** Replaces the whole log by a snapshot. */
  restore(snapshot: Snapshot): void {
    this.committed = snapshot.index
    this.unstable.restore(snapshot)
  }

  snapshot(): Snapshot | 'unavailable' {
    return this.unstable.snapshot ?? this.storage.snapshot()
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.applyingPaused || this.unstable.snapshot !== null) return false
    return this.applying < this.appliableIndex(allowUnstable)
  }

  /** Committed entries that nobody was asked to apply yet, as far as the bound on their size allows. */
  nextCommitted(allowUnstable: boolean): Entries {
    if (!this.hasNextCommitted(allowUnstable)) return noEntries
    const bytesMax = this.applyingBytesMax - this.applyingBytes
    const entries = this.slice(this.applying + 1, this.appliableIndex(allowUnstable) + 1, bytesMax)
    assert(entries !== 'compacted', 'unapplied entries were compacted')
    return entries
  }

  acceptApplying(entries: Entries, allowUnstable: boolean): void {
    if (entries.length === 0) return
    this.applying = entries.end - 1
    this.applyingBytes += entriesBytes(entries)
    // More is ready but did not fit: wait, or a single entry would be handed out at a time from here on.
    this.applyingPaused =
      this.applyingBytes >= this.applyingBytesMax || this.applying < this.appliableIndex(allowUnstable)
  }

  appliedTo(index: Index, bytes: number): void {
    if (index < this.applied || index > this.committed) violated(`applied ${index} is out of range`)
    this.applied = index
    this.applying = Math.max(this.applying, index)
    this.applyingBytes = Math.max(0, this.applyingBytes - bytes)
    this.applyingPaused = this.applyingBytes >= this.applyingBytesMax
  }

  // Entries that are not durable here may be applied where the caller writes before it applies, or says that it may.
  private appliableIndex(allowUnstable: boolean): Index {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1)
  }
}
