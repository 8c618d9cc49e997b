import type { Proposal } from '../../core/machine/command.ts'
import { type EntryRun, startOf } from '../../core/raft/entry-run.ts'
import { decodeOrNothing } from '../../wire/guards.ts'
import { decodeProposal } from '../../wire/proposal-codec.ts'

/**
 * The proposal in the entry at a position of a run. Undefined where there is none, or none that can be read: it is of a
 * newer version then.
 */
export function readProposal(run: EntryRun, at: number): Proposal | undefined {
  return decodeOrNothing(() => decodeProposal(run.bytes, startOf(run, at), startOf(run, at + 1)))
}
