import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import type { Member } from '../../src/core/machine/members.ts'
import { MemberChanges } from '../../src/engine/membership/member-changes.ts'
import type { Replica } from '../../src/engine/replica/replica.ts'

function member(replica: number, host: string, role: Member['role']): Member {
  return { replica, host, role, wanted: role, witness: false, weight: 1 }
}

/** A leader that makes the first change at once, and cannot log a second one: it may be handing leadership over. */
function leaderOfOneChange(): Replica {
  const [a, b, c] = [member(1, 'a', 'voter'), member(2, 'b', 'voter'), member(3, 'c', 'voter')]
  const machine = { members: { revision: 3, nextReplica: 4, list: [a, b, c] } }
  const after = {
    revision: 4,
    nextReplica: 4,
    list: [a, member(2, 'b', 'learner'), member(3, 'c', 'learner')],
  }
  const proposeConfChange = () => {
    if (machine.members === after) return { type: 'refused', reason: 'transferring' }
    machine.members = after
    return { type: 'proposed', index: 4, term: 1 }
  }
  const node = { proposeConfChange, status: () => ({ progress: [] }) }
  const rest = { id: 1, leads: true, conf: { votersOutgoing: [] }, log: { lastIndex: () => 4 } }
  const quiet = { check: () => {}, requestTurn: () => {}, membersChange: { wait: async () => {} } }
  return { machine, node, ...rest, ...quiet } as unknown as Replica
}

test('a removal that got no further than the demotion does not say that nothing was changed', async () => {
  let now = 0
  const clock = { now: () => now++ } as unknown as ConstructorParameters<typeof MemberChanges>[0]
  const changes = new MemberChanges(clock, leaderOfOneChange(), { deadline: 5, signal: undefined })
  const removed = changes.remove('c', { expected: 3, isRetry: false })
  await assert.rejects(
    removed,
    error => isQuorateError(error, 'OUTCOME_UNKNOWN') && error.outcome === 'unknown',
  )
})
