import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { appendBytesMax, appendEntriesMax } from '../../src/core/limits.ts'
import { EntryList, packed } from '../../src/core/raft/entry-list.ts'
import { blankMessage, type Message } from '../../src/core/raft/message.ts'
import type { Entry } from '../../src/core/raft/types.ts'
import { MalformedError } from '../../src/wire/codec.ts'
import { asMessage, decodeRaftBody, encodeRaftBody, messageFields } from '../../src/wire/message-codec.ts'
import { mutated } from './mutated.ts'

const plain = { noNullPrototype: true }
const number = fc.oneof(fc.maxSafeNat(), fc.nat(300))
const entry = fc.record({ term: fc.constantFrom(1, 2), data: fc.uint8Array({ maxLength: 50 }) })
const conf = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
const message: fc.Arbitrary<Message> = fc
  .record(
    {
      type: fc.constantFrom('MsgApp', 'MsgAppResp', 'MsgVote', 'MsgSnap', 'MsgHeartbeat', 'MsgReadIndexResp'),
      from: number,
      to: number,
      term: number,
      logTerm: number,
      index: fc
        .oneof(fc.maxSafeNat(), fc.nat(300))
        .map(index => Math.min(index, Number.MAX_SAFE_INTEGER - 5)),
      commit: number,
      reject: fc.boolean(),
      rejectHint: number,
      context: number,
      force: fc.boolean(),
      list: fc.array(entry, { maxLength: 5 }),
      snapshot: fc.option(fc.record({ index: number, term: number, conf: fc.constant(conf) }, plain)),
    },
    plain,
  )
  .map(({ list, ...fields }) => {
    const entries = list.map<Entry>(({ term, data }, i) => ({
      term,
      index: fields.index + i + 1,
      type: 'normal',
      data,
      change: null,
    }))
    return { ...blankMessage, ...fields, entries: packed(entries) } as Message
  })
const bundle = fc.array(fc.tuple(fc.string({ maxLength: 30 }), fc.array(message, { maxLength: 3 })), {
  maxLength: 3,
})

test('messages of any number of groups come back equal, in order', () => {
  fc.assert(
    fc.property(bundle, groups => {
      const given = new Map(groups)
      const received: unknown[] = []
      decodeRaftBody(encodeRaftBody(given), (group, message) => received.push([group, message]))
      assert.deepEqual(
        received,
        [...given].flatMap(([group, messages]) => messages.map(message => [group, message])),
      )
    }),
  )
  fc.assert(fc.property(message, one => assert.deepEqual(asMessage(messageFields(one)), one)))
})

test('what was changed on the way is malformed or another message, never a crash', () => {
  const body = bundle.map(groups => encodeRaftBody(new Map(groups)).slice())
  fc.assert(
    fc.property(mutated(body), bytes => {
      try {
        decodeRaftBody(bytes, () => {})
      } catch (error) {
        assert(error instanceof MalformedError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

test('what passes between a replica and its own storage is not sent, and not taken from a peer', () => {
  const own = { ...blankMessage, type: 'MsgStorageAppend' } as const
  assert.throws(() => encodeRaftBody(new Map([['main', [own]]])), MalformedError)
  const body = encodeRaftBody(new Map([['', [blankMessage]]]))
  for (let type = 13; type < 256; type++) {
    body[2] = type
    assert.throws(() => decodeRaftBody(body, () => assert.fail('it was taken')), MalformedError)
  }
})

test('a message holds no more entries than a leader sends, though each may be a single byte', () => {
  const empty: Omit<Entry, 'index'> = { term: 1, type: 'normal', data: new Uint8Array(), change: null }
  const tooMany = Array.from({ length: appendEntriesMax + 1 }, (_, at) => ({ ...empty, index: at + 1 }))
  const list = new EntryList(1)
  list.append(packed(tooMany))
  const most = list.slice(1, list.end, appendBytesMax)
  assert.equal(most.length, appendEntriesMax)
  assert.deepEqual([...asMessage(messageFields({ ...blankMessage, entries: most })).entries], [...most])
  const body = messageFields({ ...blankMessage, entries: packed(tooMany) })
  assert.throws(() => asMessage(body), MalformedError)
})

test('entries that leave a gap, or do not follow the position that they are to follow, are malformed', () => {
  const at = (index: number): Entry => ({
    term: 1,
    index,
    type: 'normal',
    data: new Uint8Array(1),
    change: null,
  })
  const given = (...indexes: number[]) => ({ ...blankMessage, index: 3, entries: packed(indexes.map(at)) })
  assert.equal(asMessage(messageFields(given(4, 5))).entries.end, 6)
  for (const indexes of [[5], [3, 4], [4, 6], [4, 4]])
    assert.throws(() => asMessage(messageFields(given(...indexes))), MalformedError)
})
