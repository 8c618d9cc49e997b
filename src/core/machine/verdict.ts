import { type Quorum, voteResult } from '../quorum.ts'
import type { ReplicaId } from '../types.ts'

/** What the chains of some replicas at one index say of them. */
export interface Verdict {
  /** The chain that a quorum of the voters has; undefined where none is known to have one. */
  readonly right: number | undefined
  /** The replicas that have another one; where none is right and they differ, all of them. */
  readonly suspects: readonly ReplicaId[]
}

/**
 * Judges replicas by their chains at one index. The log decides by a quorum, and so do the states that come of it:
 * what a quorum of the voters agrees on is right, and whoever has something else is wrong. Where they differ and no
 * quorum is known to agree (a tie, or others are away), anybody's answer may be a lie: a replica with a wrong state is
 * a failed one, and together with those that are away more have failed than the group can do without. A learner has no
 * voice, a witness has no state.
 */
export function verdictOn(quorum: Quorum, chains: ReadonlyMap<ReplicaId, number>): Verdict {
  const different = [...new Set(chains.values())]
  const isRight = (chain: number) => voteResult(quorum, id => chains.get(id) === chain) === 'won'
  const right = different.find(isRight)
  const isSuspect = (chain: number) => (right === undefined ? different.length > 1 : chain !== right)
  return { right, suspects: [...chains].flatMap(([id, chain]) => (isSuspect(chain) ? [id] : [])) }
}
