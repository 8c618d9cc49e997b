import type { Index, Term } from '../types.ts'
import type { Entries } from './entry-list.ts'
import type { ConfState, HardState, Snapshot } from './types.ts'

/**
 * The durable part of the log as Raft reads it. It answers at once, so the engine keeps it in memory and
 * changes it only after storage has made the change durable.
 */
export interface LogStorage {
  initialState(): { readonly hardState: HardState; readonly conf: ConfState }
  /** The first index whose entry is at hand; one more than the last compacted one. */
  firstIndex(): Index
  /** The last index, or the one that was compacted last when there is no entry. */
  lastIndex(): Index
  /** Also known for the index right before the first one, which the log stands on. */
  term(index: Index): Term | 'compacted' | 'unavailable'
  /** Entries of [from, end), cut where they would exceed `bytesMax`, but at least one. */
  entries(from: Index, end: Index, bytesMax: number): Entries | 'compacted' | 'unavailable'
  /** The most recent snapshot; 'unavailable' while one is being made, then Raft asks again later. */
  snapshot(): Snapshot | 'unavailable'
}
