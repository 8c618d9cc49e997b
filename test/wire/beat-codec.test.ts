import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Beat, decodeBeats, encodeBeats } from '../../src/wire/beat-codec.ts'
import { MalformedError } from '../../src/wire/codec.ts'

const number = fc.oneof(fc.maxSafeNat(), fc.nat(300))
const beat = fc.record(
  {
    type: fc.constantFrom<Beat['type'][]>('heartbeat', 'response', 'drowsy', 'consent', 'sleep', 'wake'),
    group: fc.string({ unit: 'grapheme', maxLength: 64 }),
    from: number,
    to: number,
    term: number,
    commit: number,
    context: number,
  },
  { noNullPrototype: true },
)

function decoded(bytes: Uint8Array): Beat[] {
  const beats: Beat[] = []
  decodeBeats(bytes, one => beats.push(one))
  return beats
}

test('beats come back as they were, also with numbers near 2^53', () => {
  fc.assert(fc.property(fc.array(beat), beats => assert.deepEqual(decoded(encodeBeats(beats)), beats)))
})

test('whatever bytes are decoded, the worst is a MalformedError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      try {
        decoded(bytes)
      } catch (error) {
        assert(error instanceof MalformedError)
      }
    }),
  )
})

test('a heartbeat of one group takes some ten bytes beside its name', () => {
  const one: Beat = {
    type: 'heartbeat',
    group: 'main',
    from: 1,
    to: 2,
    term: 7,
    commit: 90_000,
    context: 300,
  }
  assert(encodeBeats([one]).length <= 'main'.length + 12)
})
