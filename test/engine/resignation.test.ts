import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RaftNode } from '../../src/core/raft/raft-node.ts'
import { successorOf } from '../../src/engine/resignation.ts'

test('the successor of a leader is the voter that knows most of the log, of those that are there', () => {
  const progress = [
    { id: 1, match: 9, mayLead: true },
    { id: 2, match: 5, mayLead: true },
    { id: 3, match: 7, mayLead: true },
    { id: 4, match: 8, mayLead: false },
  ]
  const node = { status: () => ({ id: 1, progress }) } as unknown as RaftNode
  const among = (...here: number[]) => successorOf(node, id => here.includes(id))
  assert.equal(among(1, 2, 3, 4), 3)
  assert.equal(among(1, 2, 4), 2)
  assert.equal(among(1, 4), undefined)
})
