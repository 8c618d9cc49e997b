import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Machine } from '../../src/core/machine/machine.ts'
import type { Member, MembersDelta } from '../../src/core/machine/members.ts'
import type { ConfChangeStep, Entry } from '../../src/core/raft/types.ts'
import { applyChange } from '../../src/engine/membership/apply-change.ts'
import { encodeMembersDelta } from '../../src/wire/proposal-codec.ts'

const own = 1
const founder: Member = { replica: 1, host: 'a', role: 'voter', wanted: 'voter', witness: false, weight: 1 }
const newcomer: Member = { ...founder, replica: 2, host: 'b', role: 'learner', wanted: 'learner' }
const step: ConfChangeStep = { type: 'add-learner', replica: 2 }

function changeOf(context: Uint8Array, steps: readonly ConfChangeStep[]): Entry {
  const change = { transition: 'auto', steps, context } as const
  return { term: 1, index: 2, type: 'conf-change', data: new Uint8Array(0), change }
}

/** A group of one member, at index 1. */
function founded(): Machine {
  const machine = new Machine()
  machine.applyMembers(1, { base: 0, set: [founder], removed: [] })
  return machine
}

describe('a change of members that is applied', () => {
  test('reaches the table and the quorum', () => {
    const machine = founded()
    const entry = changeOf(encodeMembersDelta({ base: 1, set: [newcomer], removed: [] }), [step])
    assert.deepEqual(applyChange(machine, entry, own), { result: 'changed', change: entry.change })
    assert.deepEqual(machine.members.list, [founder, newcomer])
  })

  test('reaches neither where the table refuses it, or its delta cannot be read', () => {
    const stale: MembersDelta = { base: 0, set: [newcomer], removed: [] }
    for (const context of [encodeMembersDelta(stale), new Uint8Array([1, 2, 3])]) {
      const machine = founded()
      const { result, change } = applyChange(machine, changeOf(context, [step]), own)
      assert.equal(result, 'refused')
      assert.deepEqual(change.steps, [{ type: 'update', replica: own }], 'the quorum stays as it is')
      assert.deepEqual(machine.members.list, [founder])
      assert.equal(machine.appliedIndex, 2)
    }
  })

  test('leaves a joint configuration without a word to the table', () => {
    const machine = founded()
    const entry = changeOf(new Uint8Array(0), [])
    assert.deepEqual(applyChange(machine, entry, own), { result: 'untouched', change: entry.change })
    assert.deepEqual(machine.members.list, [founder])
  })
})
