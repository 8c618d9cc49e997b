import type { Entry, Snapshot } from '../../src/core/raft/types.ts'
import type { Index, Term } from '../../src/core/types.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { asWrite, type PlainWrite } from '../../src/testing/storage-conformance-tools.ts'

// What the tests of storage write, in one line.

export function writeGroup(storage: Storage, write: PlainWrite, group = 'g'): Promise<void> {
  return storage.write({ groups: new Map([[group, asWrite(write)]]) })
}

export function entry(term: Term, index: Index, length = 20): Entry {
  const data = new Uint8Array(length).fill((term * 31 + index) % 255 || 1)
  return { term, index, type: 'normal', data, change: null }
}

export function entries(term: Term, first: Index, last: Index, length?: number): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(term, first + i, length))
}

export function snapshot(index: Index, term: Term): Snapshot {
  const conf = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
  return { index, term, conf }
}

export async function* chunks(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}
