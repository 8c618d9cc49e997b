import { assert } from '../../base/assert.ts'
import type { Index, Term } from '../types.ts'
import { type EntryRun, endOf, entryOf, partOf, runBytesMax, startOf } from './entry-run.ts'
import { bytesWithin, countWithin } from './entry-size.ts'
import type { ConfChange, Entry } from './types.ts'

/** Entries after which the runs in which they came are looked at, and how many of them a run is to hold on average. */
const settledEntries = 256
const entriesPerRun = 16

/** Entries as they are handed on: nobody changes them any more. To iterate makes an object for each. */
export type Entries = Omit<EntryList, 'append' | 'dropBefore' | 'dropFrom' | 'runs'> &
  Iterable<Entry> & { readonly runs: readonly EntryRun[] }

/** Consecutive entries of a log, which may hold a million of them, as runs. */
export class EntryList implements Iterable<Entry> {
  /** Index of the first entry, or of the one that comes first. */
  first: Index
  runs: EntryRun[]
  /** So many runs stay as they are. */
  private settled = 0

  constructor(first: Index, runs: EntryRun[] = []) {
    this.first = first
    this.runs = runs
  }

  /** The index behind the last entry. */
  get end(): Index {
    const last = this.runs[this.runs.length - 1]
    return last === undefined ? this.first : endOf(last)
  }

  get length(): number {
    let length = 0
    for (const { count } of this.runs) length += count
    return length
  }

  /** Of the data of all, without that of membership changes. */
  get bytes(): number {
    let bytes = 0
    for (const run of this.runs) bytes += startOf(run, run.count) - startOf(run, 0)
    return bytes
  }

  /** Undefined outside of the list. */
  term(index: Index): Term | undefined {
    return index < this.first || index >= this.end ? undefined : this.runs[this.find(index)]?.term
  }

  /** Length of the data of an entry that is in the list. */
  dataBytes(index: Index): number {
    const run = this.runs[this.find(index)] as EntryRun
    return startOf(run, index - run.first + 1) - startOf(run, index - run.first)
  }

  /** The entries of [from, end), which lies in the list, up to `bytesMax`, but at least one. */
  slice(from: Index, end: Index, bytesMax = Number.POSITIVE_INFINITY): Entries {
    const runs: EntryRun[] = []
    let left = bytesMax
    for (let at = this.find(from), next = from; next < end; at++) {
      const run = this.runs[at] as EntryRun
      const wanted = partOf(run, next - run.first, Math.min(end - run.first, run.count))
      // An entry larger than the limit must still get through, or replication would stop at it for ever.
      const count = Math.max(countWithin(wanted, left), next === from ? 1 : 0)
      if (count > 0) runs.push(partOf(wanted, 0, count))
      if (count < wanted.count) break
      left -= bytesWithin(wanted, 0, count)
      next += count
    }
    return new EntryList(from, runs)
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (const run of this.runs) for (let at = 0; at < run.count; at++) yield entryOf(run, at)
  }

  append({ runs }: Entries): void {
    for (const run of runs) {
      assert(run.first === this.end, 'entries leave a gap in the log')
      this.runs.push(run)
    }
    this.settle()
  }

  /** Forgets the entries before `first`. */
  dropBefore(first: Index): void {
    const dropped = first < this.end ? this.find(first) : this.runs.length
    this.runs = this.runs.slice(dropped)
    const [run] = this.runs
    if (run !== undefined) this.runs[0] = partOf(run, first - run.first, run.count)
    this.settled = Math.max(0, this.settled - dropped)
    this.first = first
  }

  /** Forgets the entries from `end` on. */
  dropFrom(end: Index): void {
    while (end < this.end) {
      const run = this.runs.pop() as EntryRun
      if (end > run.first) this.runs.push(partOf(run, 0, end - run.first))
    }
    this.settled = Math.min(this.settled, this.runs.length)
  }

  /**
   * Joins small runs, once. Of single entries, as a quiet group has them, each would take more than its data does, and
   * the collector copies all of it twice before it lets it be. Large entries stay as they came.
   */
  private settle(): void {
    const first = this.runs[this.settled]?.first ?? this.end
    const length = this.end - first
    if (length < settledEntries) return
    const fresh = new EntryList(first, this.runs.slice(this.settled))
    if (fresh.runs.length * entriesPerRun > length && fresh.bytes <= runBytesMax)
      this.runs = [...this.runs.slice(0, this.settled), ...packed([...fresh]).runs]
    this.settled = this.runs.length
  }

  /** Which run holds the entry, which is in the list. */
  private find(index: Index): number {
    let low = 0
    let high = this.runs.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.runs[middle] as EntryRun).first <= index) low = middle
      else high = middle - 1
    }
    return low
  }
}

export const noEntries: Entries = new EntryList(0)

/**
 * The entries as runs, as few as may be; they need not be consecutive. Their data is copied, but for large ones.
 */
export function packed(entries: readonly Entry[]): Entries {
  const runs: EntryRun[] = []
  for (let start = 0; start < entries.length; ) {
    const run = runAt(entries, start)
    runs.push(run)
    start += run.count
  }
  return new EntryList(runs[0]?.first ?? 0, runs)
}

/** Both, the one behind the other. */
export function joined(earlier: Entries, later: Entries): Entries {
  return new EntryList(earlier.first, [...earlier.runs, ...later.runs])
}

/** What begins there and can be one run. */
function runAt(entries: readonly Entry[], start: number): EntryRun {
  const { type, term, index: first, data } = entries[start] as Entry
  const bounds = [0]
  const changes: ConfChange[] = []
  let length = 0
  let count = 0
  for (let at = start; at < entries.length; at++, count++) {
    const entry = entries[at] as Entry
    const isNext = entry.type === type && entry.term === term && entry.index === first + count
    if (count > 0 && (!isNext || length + entry.data.length > runBytesMax)) break
    length += entry.data.length
    bounds.push(length)
    if (entry.change !== null) changes.push(entry.change)
  }
  let bytes = data
  if (length <= runBytesMax) {
    bytes = new Uint8Array(length)
    for (let at = 0; at < count; at++) bytes.set((entries[start + at] as Entry).data, bounds[at])
  }
  return { type, term, first, count, bytes, bounds, from: 0, changes }
}
