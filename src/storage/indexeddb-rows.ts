import { crc32c } from '../base/checksum.ts'
import { QuorateError } from '../core/error.ts'
import { packed } from '../core/raft/entry-list.ts'
import type { Entry } from '../core/raft/types.ts'
import type { GroupId } from '../core/types.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { MalformedError } from '../wire/codec.ts'
import { readEntry, writeEntry } from '../wire/entry-codec.ts'
import { below, type IndexedDbStore, type RowChange } from './indexeddb-store.ts'
import { readOutline, writeOutline } from './operation-codec.ts'
import type { GroupOutline, LoggedWrite, Operation, Values } from './stored-state.ts'

// The rows, by their keys:
//   ['group', group]         the group without its entries
//   ['log', group, index]    an entry
//   ['value', name]          a value of the host
//   ['snapshot', id, n]      a chunk of a snapshot; the last row is the number of the chunks
//   ['keys']                 the key pair, as the objects that they are
// Every byte string has its checksum ahead.

/** The rows that a write to a group changes, which takes the group from `before` to `after`. */
export function groupChanges(
  group: GroupId,
  write: LoggedWrite,
  before: GroupOutline | undefined,
  after: GroupOutline,
): RowChange[] {
  const changes: RowChange[] = []
  const row = (index: number) => ['log', group, index]
  const drop = (from: number, to: number) => {
    if (from < to) changes.push({ type: 'delete', range: IDBKeyRange.bound(row(from), row(to), false, true) })
  }
  if (before !== undefined) {
    const [end, endAfter] = [before.first + before.count, after.first + after.count]
    if (write.snapshot?.keepsLog === false) drop(before.first, end)
    drop(before.first, Math.min(after.first, end))
    drop(Math.max(endAfter, before.first), end)
  }
  for (const entry of write.entries ?? []) {
    changes.push({ type: 'put', key: row(entry.index), value: seal(writer => writeEntry(writer, entry)) })
  }
  changes.push({ type: 'put', key: ['group', group], value: seal(writer => writeOutline(writer, after)) })
  return changes
}

export function valueChanges(values: Values): RowChange[] {
  return [...values].map(([name, value]) => {
    const key = ['value', name]
    if (value === undefined) return { type: 'delete', range: IDBKeyRange.only(key) }
    return { type: 'put', key, value: seal(writer => writer.raw(value)) }
  })
}

export function removalChanges(group: GroupId): RowChange[] {
  return [
    { type: 'delete', range: IDBKeyRange.only(['group', group]) },
    { type: 'delete', range: below('log', group) },
  ]
}

/** All of the rows, as operations on a state that has nothing. */
export async function loadRows(store: IndexedDbStore): Promise<Operation[]> {
  const groups = new Map<GroupId, GroupOutline>()
  const values = new Map<string, Uint8Array>()
  const [groupKeys, groupRows] = await store.rows(below('group'))
  groupKeys.forEach((key, i) => {
    groups.set(lastPart(key), unseal(groupRows[i], readOutline))
  })
  const [valueKeys, valueRows] = await store.rows(below('value'))
  valueKeys.forEach((key, i) => {
    values.set(
      lastPart(key),
      unseal(valueRows[i], reader => reader.raw(reader.left)),
    )
  })
  const operations: Operation[] = [{ type: 'checkpoint', groups, values }]
  for (const group of groups.keys()) {
    const rows = await store.values(below('log', group))
    const entries: Entry[] = rows.map(row => unseal(row, readEntry))
    operations.push({ type: 'carry', group, entries: packed(entries) })
  }
  return operations
}

/**
 * A byte string with its checksum ahead, in an ArrayBuffer of its own: what is stored is the whole buffer.
 */
export function seal(write: (writer: ByteWriter) => void): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(512)
  writer.skip(4)
  write(writer)
  writer.wordAt(0, crc32c(writer.written().subarray(4)))
  return writer.written().slice()
}

export function unseal<Result>(row: unknown, read: (reader: ByteReader) => Result): Result {
  if (!(row instanceof Uint8Array)) throw corrupt('a row is missing or of another kind')
  const reader = new ByteReader(row)
  try {
    if (reader.word() !== crc32c(row.subarray(4))) throw corrupt('a row has a wrong checksum')
    const result = read(reader)
    reader.finish()
    return result
  } catch (error) {
    throw error instanceof MalformedError ? corrupt(error.message, error) : error
  }
}

export function corrupt(reason: string, cause?: unknown): QuorateError {
  return new QuorateError('STORAGE_CORRUPT', `the browser's storage is damaged: ${reason}`, { cause })
}

function lastPart(key: IDBValidKey): string {
  const part = Array.isArray(key) ? key.at(-1) : undefined
  if (typeof part !== 'string') throw corrupt('a key of another kind')
  return part
}
