import { type EntryRun, startOf } from './entry-run.ts'

/** What term, index, type and lengths of an entry take on the wire, roughly: they are small numbers. */
const entryOverheadBytes = 8

interface Runs {
  readonly runs: readonly EntryRun[]
  readonly length: number
}

/** Bytes that the entries take on the wire and on disk, near enough to bound messages and batches. */
export function entriesBytes({ runs }: Runs): number {
  let bytes = 0
  for (const run of runs) bytes += bytesWithin(run, 0, run.count)
  return bytes
}

/** Bytes that the proposers put into the entries. Zero for a no-op and for leaving a joint configuration. */
export function payloadsBytes(entries: Runs): number {
  return entriesBytes(entries) - entryOverheadBytes * entries.length
}

/** How many entries of the run, from its first on, fit into `bytesMax`. */
export function countWithin(run: EntryRun, bytesMax: number): number {
  if (bytesWithin(run, 0, run.count) <= bytesMax) return run.count
  let cut = 0
  for (let left = bytesMax; ; cut++) {
    left -= bytesWithin(run, cut, cut + 1)
    if (left < 0) return cut
  }
}

/** Of the entries at the positions [start, end). */
export function bytesWithin(run: EntryRun, start: number, end: number): number {
  const { changes, from } = run
  let bytes = entryOverheadBytes * (end - start) + startOf(run, end) - startOf(run, start)
  if (changes.length === 0) return bytes
  for (let at = from + start; at < from + end; at++) bytes += changes[at]?.context.length ?? 0
  return bytes
}
