import type { Index, ReplicaId } from '../types.ts'

interface Candidate {
  readonly id: ReplicaId
  readonly match: Index
  readonly recentActive: boolean
}

/**
 * Of the replicas that could lead next, the one that was told to already (`asked`), if any, so that no two split the
 * votes; then one that was heard lately, because another one may stand still; then the one that knows most of the log.
 */
export function bestOf(candidates: readonly Candidate[], asked?: ReplicaId): ReplicaId | undefined {
  const rank = ({ id, recentActive }: Candidate) => (id === asked ? 2 : Number(recentActive))
  return [...candidates].sort((left, right) => rank(right) - rank(left) || right.match - left.match)[0]?.id
}
