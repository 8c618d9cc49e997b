import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { appendBytesMax, appendEntriesMax } from '../../src/core/limits.ts'
import { sliceWithin } from '../../src/core/raft/entry-size.ts'
import { blankMessage, type Message } from '../../src/core/raft/message.ts'
import type { Entry } from '../../src/core/raft/types.ts'
import { MalformedError } from '../../src/wire/codec.ts'
import { asMessage, decodeRaftBody, encodeRaftBody, messageFields } from '../../src/wire/message-codec.ts'
import { mutated } from './mutated.ts'

const plain = { noNullPrototype: true }
const number = fc.oneof(fc.maxSafeNat(), fc.nat(300))
const entries = fc
  .tuple(fc.nat(100), fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 }))
  .map(([from, list]) =>
    list.map<Entry>((data, i) => ({ term: 1, index: from + i + 1, type: 'normal', data, change: null })),
  )
const conf = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
const message: fc.Arbitrary<Message> = fc
  .record(
    {
      type: fc.constantFrom('MsgApp', 'MsgAppResp', 'MsgVote', 'MsgSnap', 'MsgHeartbeat', 'MsgReadIndexResp'),
      from: number,
      to: number,
      term: number,
      logTerm: number,
      index: number,
      commit: number,
      reject: fc.boolean(),
      rejectHint: number,
      context: number,
      force: fc.boolean(),
      entries,
      snapshot: fc.option(fc.record({ index: number, term: number, conf: fc.constant(conf) }, plain)),
    },
    plain,
  )
  .map(fields => ({ ...blankMessage, ...fields }) as Message)
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
  const most = sliceWithin(tooMany, 0, tooMany.length, appendBytesMax)
  assert.equal(most.length, appendEntriesMax)
  assert.deepEqual(asMessage(messageFields({ ...blankMessage, entries: most })).entries, most)
  const body = messageFields({ ...blankMessage, entries: tooMany })
  assert.throws(() => asMessage(body), MalformedError)
})
