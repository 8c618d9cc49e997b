import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { packed } from '../../src/core/raft/entry-list.ts'
import type { Entry, Snapshot } from '../../src/core/raft/types.ts'
import { ByteReader } from '../../src/wire/byte-reader.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import { MalformedError } from '../../src/wire/codec.ts'
import {
  readEntry,
  readHardState,
  readSnapshot,
  writeEntry,
  writeHardState,
  writeSnapshot,
} from '../../src/wire/entry-codec.ts'
import { readEntries, writeEntries } from '../../src/wire/run-codec.ts'

const plain = { noNullPrototype: true }
const number = fc.oneof(fc.maxSafeNat(), fc.nat(300))
const bytes = fc.uint8Array({ maxLength: 300 })
const replicas = fc.array(number, { maxLength: 4 })
const quorums = fc.array(replicas, { maxLength: 3 })
const change = fc.record(
  {
    transition: fc.constantFrom('auto' as const, 'joint-implicit' as const, 'joint-explicit' as const),
    steps: fc.array(
      fc.record(
        {
          type: fc.constantFrom('add-voter', 'add-learner', 'remove', 'update'),
          replica: number,
          witness: fc.constant(true as const),
        },
        { ...plain, requiredKeys: ['type', 'replica'] },
      ),
      { maxLength: 3 },
    ),
    context: bytes,
    quorums,
  },
  { ...plain, requiredKeys: ['transition', 'steps', 'context'] },
)
const index = number.map(value => Math.max(1, value))
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record(
    {
      term: number,
      index,
      type: fc.constantFrom('normal', 'stripped'),
      data: bytes,
      change: fc.constant(null),
    },
    plain,
  ),
  fc.record({ term: number, index, type: fc.constant('conf-change'), data: bytes, change }, plain),
)
const snapshot: fc.Arbitrary<Snapshot> = fc.record(
  {
    index: number,
    term: number,
    conf: fc.record(
      {
        voters: replicas,
        learners: replicas,
        votersOutgoing: replicas,
        learnersNext: replicas,
        autoLeave: fc.boolean(),
        witnesses: replicas,
        quorums,
        quorumsOutgoing: quorums,
      },
      {
        ...plain,
        requiredKeys: ['voters', 'learners', 'votersOutgoing', 'learnersNext', 'autoLeave'],
      },
    ),
  },
  plain,
)

function written<Value>(write: (writer: ByteWriter, value: Value) => void, value: Value): Uint8Array {
  const writer = new ByteWriter(16)
  write(writer, value)
  return writer.written()
}

function readWhole<Value>(read: (reader: ByteReader) => Value, bytes: Uint8Array): Value {
  const reader = new ByteReader(bytes)
  const value = read(reader)
  reader.finish()
  return value
}

test('entries, hard states and snapshots come back equal', () => {
  const hardState = fc.record({ term: number, vote: number, commit: number }, plain)
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), hardState, snapshot, (entries, state, own) => {
      for (const one of entries) assert.deepEqual(readWhole(readEntry, written(writeEntry, one)), one)
      assert.deepEqual([...readWhole(readEntries, written(writeEntries, packed(entries)))], entries)
      assert.deepEqual(readWhole(readHardState, written(writeHardState, state)), state)
      assert.deepEqual(readWhole(readSnapshot, written(writeSnapshot, own)), own)
    }),
  )
})

test('the last entry that a log can have comes back', () => {
  const last: Entry = {
    term: 1,
    index: Number.MAX_SAFE_INTEGER,
    type: 'normal',
    data: new Uint8Array(),
    change: null,
  }
  assert.deepEqual(
    [...readWhole(readEntries, written(writeEntries, packed([{ ...last, index: last.index - 1 }, last])))],
    [{ ...last, index: last.index - 1 }, last],
  )
})

test('bytes that are cut short, go on or were changed are malformed or something else, never a crash', () => {
  const mutation = fc.tuple(
    fc.array(entry, { maxLength: 3 }),
    fc.nat(),
    fc.integer({ min: 0, max: 255 }),
    fc.nat(2),
  )
  fc.assert(
    fc.property(mutation, ([entries, at, byte, kind]) => {
      const whole = written(writeEntries, packed(entries))
      const position = at % whole.length
      if (kind === 0)
        return assert.throws(() => readWhole(readEntries, whole.subarray(0, position)), MalformedError)
      if (kind === 1)
        return assert.throws(() => readWhole(readEntries, Uint8Array.of(...whole, byte)), MalformedError)
      whole[position] = byte
      try {
        readWhole(readEntries, whole)
      } catch (error) {
        assert.ok(error instanceof MalformedError, `${error}`)
      }
    }),
    { numRuns: 2000 },
  )
})

test('what is read is a copy that is no Buffer, though the source is one', () => {
  const source = Buffer.from(
    written(writeEntry, { term: 1, index: 1, type: 'normal', data: Uint8Array.of(7), change: null }),
  )
  const { data } = readWhole(readEntry, source)
  source.fill(0)
  assert.deepEqual(data, Uint8Array.of(7))
})

test('a count that cannot be true claims no memory', () => {
  const writer = new ByteWriter()
  writer.number(Number.MAX_SAFE_INTEGER)
  assert.throws(() => readWhole(readEntries, writer.written()), MalformedError)
  assert.throws(() => new ByteReader(writer.written()).bytes(), MalformedError)
})

test('a number above 2^53 is malformed', () => {
  assert.throws(() => new ByteReader(new Uint8Array(9).fill(255)).number(), MalformedError)
})

test('lengths that do not add up to what is there are malformed, however large their sum', () => {
  for (const lengths of [[1, 2], [4], [2 ** 32, 0], [2 ** 32 - 1, 2], [Number.MAX_SAFE_INTEGER, 1, 0]]) {
    const writer = new ByteWriter()
    for (const value of [lengths.length, 0, 1, 1, lengths.length, ...lengths]) writer.number(value)
    writer.raw(new Uint8Array(2))
    assert.throws(() => readWhole(readEntries, writer.written()), MalformedError, `${lengths}`)
  }
})

test('a part of a run is written and read like the whole', () => {
  const all = Array.from({ length: 9 }, (_, i): Entry => {
    const data = new Uint8Array(i % 4).fill(i)
    return { term: 2, index: i + 5, type: 'normal', data, change: null }
  })
  const part = packed(all).slice(8, 14, Number.POSITIVE_INFINITY)
  assert.deepEqual([...readWhole(readEntries, written(writeEntries, part))], all.slice(3))
})
