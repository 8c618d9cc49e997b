import { assert } from '../../base/assert.ts'
import type { Machine } from '../../core/machine/machine.ts'
import type { ConfChange, Entry } from '../../core/raft/types.ts'
import type { ReplicaId } from '../../core/types.ts'
import { decodeOrNothing } from '../../wire/guards.ts'
import { decodeMembersDelta } from '../../wire/proposal-codec.ts'

/** What became of a membership change in the table of members. Leaving a joint configuration says nothing to it. */
export interface AppliedChange {
  readonly result: 'changed' | 'refused' | 'untouched'
  /** What Raft is to apply: the change, or one without effect where the table refused it. */
  readonly change: ConfChange
}

/** Applies a membership change to the table of members, on the replica `own`. */
export function applyChange(machine: Machine, entry: Entry, own: ReplicaId): AppliedChange {
  const { change, index } = entry
  assert(change !== null, 'an entry of a membership change holds it')
  const { context, steps } = change
  const delta = context.length === 0 ? undefined : decodeOrNothing(() => decodeMembersDelta(context))
  const applied = delta === undefined ? undefined : machine.applyMembers(index, delta)
  if (delta === undefined) machine.applyNoop(index)
  if (applied?.type === 'changed') return { result: 'changed', change }
  if (steps.length === 0) return { result: 'untouched', change }
  // Steps that the table refuses must not reach the quorum either.
  const harmless = { transition: 'auto', steps: [{ type: 'update', replica: own }], context } as const
  return { result: 'refused', change: harmless }
}
