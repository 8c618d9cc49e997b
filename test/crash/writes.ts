import assert from 'node:assert/strict'
import { packed } from '../../src/core/raft/entry-list.ts'
import type { Entry, Snapshot } from '../../src/core/raft/types.ts'
import type { Storage, StoredHost, WriteBatch } from '../../src/storage/storage.ts'

// What the process that is killed writes, and what must be there afterwards, both as a function of the
// write's number. Write N appends one entry to group `a` and two to group `b`, and says N in three other
// places.

export const snapshotEvery = 20
const trailing = 5

export function batch(number: number): WriteBatch {
  const hardState = { term: number, vote: number % 3, commit: number }
  return {
    groups: new Map([
      ['a', { entries: packed([entry(number, number)]), hardState }],
      ['b', { entries: packed([entry(number, 2 * number - 1), entry(number, 2 * number)]), hardState }],
    ]),
    values: new Map([['number', text(`${number}`)]]),
  }
}

/**
 * Group `a` is compacted behind each snapshot, group `b` never is, so both keep the log from being deleted.
 */
export async function keepSnapshot(storage: Storage, number: number): Promise<void> {
  const snapshot = snapshotOf(number)
  await storage.saveSnapshot('a', snapshot, chunksOf(number))
  await storage.write({ groups: new Map([['a', { snapshot, compactTo: number - trailing }]]) })
}

/**
 * The number of the last write that is there. Asserts that it and all before it are there whole, and nothing
 * else.
 */
export async function verify(storage: Storage, host: StoredHost): Promise<number> {
  const number = Number(new TextDecoder().decode(host.values.get('number') ?? text('0')))
  if (number === 0) {
    assert.equal(host.groups.size, 0)
    return 0
  }
  const [a, b] = [host.groups.get('a'), host.groups.get('b')]
  assert.ok(a !== undefined && b !== undefined)
  const hardState = { term: number, vote: number % 3, commit: number }
  assert.deepEqual(a.hardState, hardState)
  assert.deepEqual(b.hardState, hardState)
  const first = a.snapshot === undefined ? 1 : a.snapshot.index - trailing + 1
  assert.deepEqual(
    a.entries,
    range(first, number).map(index => entry(index, index)),
  )
  assert.deepEqual(
    b.entries,
    range(1, 2 * number).map(index => entry(Math.ceil(index / 2), index)),
  )
  if (a.snapshot !== undefined) {
    assert.deepEqual(a.snapshot, snapshotOf(a.snapshot.index))
    const read: Uint8Array[] = []
    for await (const chunk of storage.readSnapshot('a', a.snapshot)) read.push(chunk)
    const expected: Uint8Array[] = []
    for await (const chunk of chunksOf(a.snapshot.index)) expected.push(chunk)
    assert.deepEqual(read, expected)
  }
  return number
}

function entry(term: number, index: number): Entry {
  return { term, index, type: 'normal', data: text(`${index} `.repeat(20 + (index % 40))), change: null }
}

function snapshotOf(index: number): Snapshot {
  const conf = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
  return { index, term: index, conf }
}

async function* chunksOf(number: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 4; i++) yield text(`${number}/${i} `.repeat(1000))
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function text(value: string): Uint8Array {
  return new Uint8Array(new TextEncoder().encode(value))
}
