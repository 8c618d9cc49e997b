import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { uncommittedBytesMax } from '../../src/core/limits.ts'
import type { Proposal } from '../../src/core/machine/command.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import type { RaftNode } from '../../src/core/raft/raft-node.ts'
import { Leading } from '../../src/engine/replica/leading.ts'
import type { Draft } from '../../src/engine/replica/proposals.ts'
import type { Writer } from '../../src/engine/replica/writer.ts'

/** The log of a leader of which so much is uncommitted. */
function leading() {
  const logged: Uint8Array[] = []
  const node = {
    uncommittedBytes: 0,
    propose: (data: readonly Uint8Array[]) => {
      logged.push(...data)
      return { type: 'proposed', index: logged.length - data.length + 1, term: 1 }
    },
  }
  const writer = { admits: () => true }
  const leader = new Leading({
    node: node as unknown as RaftNode,
    machine: () => new Machine(),
    hooks: () => ({}),
    writer: writer as unknown as Writer,
    times: { group: () => 0, wall: () => 0 },
  })
  return { node, writer, leader, logged }
}

function draft(seq: number, bytes = 10): Draft {
  const proposal: Proposal = { session: 5, seq, acked: 0, command: { type: 'barrier' } }
  return { proposal, bytes: new Uint8Array(bytes) }
}

describe('a leader', () => {
  test('takes nothing above its bound, and nothing until a third of it is free again', () => {
    const { node, leader } = leading()
    assert.equal(leader.take([draft(1, 1000)]).answer, 'handed')
    node.uncommittedBytes = uncommittedBytesMax - 500
    assert.equal(leader.take([draft(2, 1000)]).answer, 'busy')
    node.uncommittedBytes = 0.8 * uncommittedBytesMax
    assert.equal(leader.take([draft(3, 1000)]).answer, 'busy')
    node.uncommittedBytes = 0.7 * uncommittedBytesMax
    assert.equal(leader.take([draft(4, 1000)]).answer, 'handed')
  })

  test('takes nothing that the own disk has no room for', () => {
    const { writer, leader } = leading()
    writer.admits = () => false
    assert.equal(leader.take([draft(1)]).answer, 'busy')
  })

  test('logs a retry only when the first attempt is applied, or was logged in another term', () => {
    const { leader, logged } = leading()
    const first = draft(1)
    leader.take([first])
    assert.deepEqual(leader.take([draft(1)]), { answer: 'handed', refused: [] })
    assert.deepEqual(leader.take([draft(1), draft(2)]), { answer: 'handed', refused: [] })
    assert.equal(logged.length, 2)
    assert.equal(leader.claim({ index: 1, term: 1 }), first.proposal)
    leader.take([draft(1), draft(2)])
    assert.equal(logged.length, 3)
    leader.clear()
    leader.take([draft(1), draft(2)])
    assert.equal(logged.length, 5)
  })

  test('has read what it logged itself, at that place and in that term', () => {
    const { leader } = leading()
    const drafts = [draft(1), draft(2), draft(3)]
    leader.take(drafts.slice(0, 2))
    leader.take(drafts.slice(2))
    assert.equal(leader.claim({ index: 0, term: 1 }), undefined)
    assert.equal(leader.claim({ index: 1, term: 2 }), undefined)
    assert.equal(leader.claim({ index: 2, term: 1 }), drafts[1]?.proposal)
    assert.equal(leader.claim({ index: 3, term: 1 }), drafts[2]?.proposal)
    assert.equal(leader.claim({ index: 4, term: 1 }), undefined)
  })
})
