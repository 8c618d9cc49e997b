import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RaftNode } from '../../src/core/raft/raft-node.ts'
import { successorOf } from '../../src/engine/membership/resignation.ts'

const heard = { mayLead: true, state: 'replicate', recentActive: true }

function amongOf(progress: readonly object[]) {
  const status = { id: 1, commit: 5000, progress: progress.map(one => ({ ...heard, ...one })) }
  const node = { status: () => status } as unknown as RaftNode
  return (...here: number[]) => successorOf(node, id => here.includes(id))
}

test('the successor of a leader is the voter that knows most of the log, of those that are there', () => {
  const among = amongOf([
    { id: 1, match: 5009 },
    { id: 2, match: 5005 },
    { id: 3, match: 5007 },
    { id: 4, match: 5008, mayLead: false },
  ])
  assert.equal(among(1, 2, 3, 4), 3)
  assert.equal(among(1, 2, 4), 2)
  assert.equal(among(1, 4), undefined)
})

test('nobody succeeds a leader who would first have to be given much of the log, or all of it', () => {
  const among = amongOf([
    { id: 2, match: 4000 },
    { id: 3, match: 4999, state: 'snapshot' },
    { id: 4, match: 4999, state: 'probe' },
    { id: 5, match: 4001 },
  ])
  assert.equal(among(2, 3, 4, 5), 5)
  assert.equal(among(2, 3, 4), undefined)
})

test('who was not heard for a while succeeds a leader only where everybody was not', () => {
  const among = amongOf([
    { id: 2, match: 5009, recentActive: false },
    { id: 3, match: 5005, recentActive: false },
    { id: 4, match: 5005 },
  ])
  assert.equal(among(2, 3, 4), 4)
  assert.equal(among(2, 3), 2)
})
