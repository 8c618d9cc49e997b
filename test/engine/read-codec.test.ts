import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeAnswer, encodeAnswer } from '../../src/engine/query/read-codec.ts'
import type { ReadAnswer, ReadQuery } from '../../src/engine/query/read-query.ts'
import { MalformedError } from '../../src/wire/codec.ts'

const item = {
  key: 'k/\u{1f600}',
  value: Uint8Array.of(1, 2, 3),
  createRevision: 5,
  modRevision: 2 ** 40,
  version: 300,
  lease: 7,
}
const get: ReadQuery = { type: 'get', keys: [item.key, 'none'] }
const scan: ReadQuery = {
  type: 'scan',
  bounds: {},
  limit: undefined,
  reverse: false,
  after: undefined,
  isPage: true,
}

function sent(query: ReadQuery, answer: ReadAnswer): ReadAnswer {
  return decodeAnswer(query, encodeAnswer(answer, query.type, 4))
}

describe('the answer to a query', () => {
  test('comes as it was: items of keys, of a range, and how many there are', () => {
    const ofGet = { items: [item, null], count: 2, isWhole: true }
    assert.deepEqual(sent(get, ofGet), ofGet)
    const ofScan = { items: [item], count: 1, isWhole: false }
    assert.deepEqual(sent(scan, ofScan), ofScan)
    const ofCount = { items: [], count: 1_000_000, isWhole: true }
    assert.deepEqual(sent({ type: 'count', bounds: {} }, ofCount), ofCount)
  })

  test('is none where it is of other keys than were asked for, cut short, or too long', () => {
    const one = encodeAnswer({ items: [item], count: 1, isWhole: true }, 'get', 4)
    const both = encodeAnswer({ items: [item, null], count: 2, isWhole: true }, 'get', 4)
    for (const bytes of [one, both.subarray(0, -1), Uint8Array.of(...both, 0), new Uint8Array(0)])
      assert.throws(() => decodeAnswer(get, bytes), MalformedError)
  })
})
