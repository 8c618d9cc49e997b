import { appendEntriesMax } from '../core/limits.ts'
import { type Entries, EntryList } from '../core/raft/entry-list.ts'
import { type EntryRun, startOf } from '../core/raft/entry-run.ts'
import type { ConfChange } from '../core/raft/types.ts'
import type { Index } from '../core/types.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { entryTypes, readConfChange, writeConfChange } from './entry-codec.ts'
import { MalformedError } from './malformed-error.ts'

// Entries as they are sent to followers and logged. A run goes as it is: what its entries share, their lengths, then
// their data in one piece, in which it lies as long as the log has it.

export function writeEntries(writer: ByteWriter, { length, runs }: Entries): void {
  writer.number(length)
  for (const run of runs) writeRun(writer, run)
}

/**
 * Throws MalformedError: those of a message are to follow each other from `first` on, and are no more than are sent.
 */
export function readEntries(reader: ByteReader, first?: Index): Entries {
  const runs: EntryRun[] = []
  const count = reader.count()
  if (first !== undefined && count > appendEntriesMax) throw new MalformedError('too many entries')
  for (let left = count; left > 0; ) {
    const run = readRun(reader, left, first && first + count - left)
    runs.push(run)
    left -= run.count
  }
  return new EntryList(runs[0]?.first ?? 0, runs)
}

function writeRun(writer: ByteWriter, run: EntryRun): void {
  const { type, term, first, count, bytes, changes, from } = run
  writer.byte(entryTypes.indexOf(type))
  writer.number(term)
  writer.number(first)
  writer.number(count)
  for (let at = 0; at < count; at++) writer.number(startOf(run, at + 1) - startOf(run, at))
  writer.raw(bytes.subarray(startOf(run, 0), startOf(run, count)))
  if (type !== 'conf-change') return
  for (let at = 0; at < count; at++) writeConfChange(writer, changes[from + at] as ConfChange)
}

function readRun(reader: ByteReader, countMax: number, next: Index | undefined): EntryRun {
  const type = entryTypes[reader.byte()]
  if (type === undefined) throw new MalformedError('an unknown type of entry')
  const term = reader.number()
  const first = reader.number()
  const count = reader.count()
  const isPlaced = first > 0 && first === (next ?? first) && Number.isSafeInteger(first + count - 1)
  if (!isPlaced || count === 0 || count > countMax)
    throw new MalformedError('entries without a place in the log')
  const bounds = [0]
  let end = 0
  while (bounds.length <= count) {
    end += reader.number()
    bounds.push(end)
  }
  const bytes = reader.raw(end)
  const changes: ConfChange[] = []
  if (type === 'conf-change') for (let left = count; left > 0; left--) changes.push(readConfChange(reader))
  return { type, term, first, count, bytes, bounds, from: 0, changes }
}
