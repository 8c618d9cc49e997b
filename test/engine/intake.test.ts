import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unappliedBytesMax } from '../../src/core/limits.ts'
import { noEntries, packed } from '../../src/core/raft/entry-list.ts'
import { blankMessage, type Message } from '../../src/core/raft/message.ts'
import type { Applier } from '../../src/engine/replica/applier.ts'
import { hasRoom } from '../../src/engine/replica/intake.ts'
import type { Writer } from '../../src/engine/replica/writer.ts'

const entry = { index: 8, term: 1, type: 'normal', data: new Uint8Array(10), change: null } as const
const entries = packed([entry])
const append: Message = { ...blankMessage, type: 'MsgApp', from: 1, to: 2, term: 1, entries }

function room(bytesWaiting: number, commit: number, hasDisk = true, message = append): boolean {
  const applier = { bytesWaiting, machine: { appliedIndex: 5 } } as unknown as Applier
  return hasRoom(applier, { admits: () => hasDisk } as unknown as Writer, message, commit)
}

test('entries wait outside while too many are to be applied, and some of them can be', () => {
  assert.equal(room(unappliedBytesMax, 6), true)
  assert.equal(room(unappliedBytesMax + 1, 6), false)
})

test('entries are taken where nothing can be applied without them, however many wait', () => {
  assert.equal(room(unappliedBytesMax + 1, 5), true)
})

test('entries wait outside while the disk has no room, and what has no payload never does', () => {
  assert.equal(room(0, 5, false), false)
  assert.equal(room(unappliedBytesMax + 1, 6, false, { ...append, entries: noEntries }), true)
})
