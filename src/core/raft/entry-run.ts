import type { Index, Term } from '../types.ts'
import type { ConfChange, Entry, EntryType } from './types.ts'

/**
 * Entries of one type and term that follow each other in the log, their data in one piece: so they travel, are stored,
 * kept and applied, without an object for each. A run, its bytes included, never changes: log, frames, writes and
 * whoever applies it share it, and parts of it.
 */
export interface EntryRun {
  readonly type: EntryType
  readonly term: Term
  /** The index of the first entry. */
  readonly first: Index
  readonly count: number
  readonly bytes: Uint8Array
  /** Where the data of each entry begins in `bytes`, and where that of the last one ends; the first is at `from`. */
  readonly bounds: readonly number[]
  readonly from: number
  /** Of membership changes, from `from` on; else empty. */
  readonly changes: readonly ConfChange[]
}

/** The largest run that is made by copying. Larger entries come one by one, as they are. */
export const runBytesMax = 256 * 1024

/** Where the data of the entry at a position of the run begins. That of the one before ends there. */
export function startOf({ bounds, from }: EntryRun, at: number): number {
  return bounds[from + at] as number
}

/** The index behind the last entry. */
export function endOf({ first, count }: EntryRun): Index {
  return first + count
}

/** For whoever looks at single entries: the data is a view. */
export function entryOf(run: EntryRun, at: number): Entry {
  const { type, term, first, bytes, changes, from } = run
  const data = bytes.subarray(startOf(run, at), startOf(run, at + 1))
  return { term, index: first + at, type, data, change: changes[from + at] ?? null }
}

/** The entries at the positions [start, end). */
export function partOf(run: EntryRun, start: number, end: number): EntryRun {
  if (end - start === run.count) return run
  return { ...run, first: run.first + start, count: end - start, from: run.from + start }
}
