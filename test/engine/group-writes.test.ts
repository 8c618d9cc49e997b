import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { packed } from '../../src/core/raft/entry-list.ts'
import { blankMessage, localAppendThread, type Message } from '../../src/core/raft/message.ts'
import { GroupWrites } from '../../src/engine/replica/group-writes.ts'

function append(fields: Partial<Message>): Message {
  return { ...blankMessage, type: 'MsgStorageAppend', from: 1, to: localAppendThread, ...fields }
}

describe('what of an append is written', () => {
  test('is a vote, also in a term that is stored already', () => {
    const writes = new GroupWrites({ term: 4, vote: 0, commit: 7 })
    assert.deepEqual(writes.of(append({ term: 4, vote: 2, commit: 7 })), {
      hardState: { term: 4, vote: 2, commit: 7 },
    })
  })

  test('is not a commit alone, which goes with the next write', () => {
    const writes = new GroupWrites({ term: 4, vote: 2, commit: 7 })
    assert.deepEqual(writes.of(append({ term: 4, vote: 2, commit: 8 })), {})
    const entries = packed([{ index: 9, term: 4, type: 'normal', data: new Uint8Array(), change: null }])
    assert.deepEqual(writes.of(append({ entries })), {
      entries,
      hardState: { term: 4, vote: 2, commit: 8 },
    })
  })
})
