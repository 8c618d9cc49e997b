import type { Index, ReplicaId } from './types.ts'

/**
 * The voters whose agreement decides. While a membership change is under way there are two sets, and a
 * decision needs a majority of each, never of their union (Raft thesis §4.3). A ConfState is a quorum by
 * itself.
 *
 * Votes, commits, the confirmation of reads and CheckQuorum all decide here and nowhere else. Both functions
 * count voters one by one, so weights would enter as the amount by which a voter is counted.
 */
export interface Quorum {
  readonly voters: readonly ReplicaId[]
  /** The voters of the configuration that is being left; empty when there is none. */
  readonly votersOutgoing: readonly ReplicaId[]
}

export type VoteResult = 'pending' | 'won' | 'lost'

/**
 * The highest index that a quorum has acknowledged. Without any voter there is nothing to wait for: infinity.
 */
export function committedIndex(quorum: Quorum, acked: (voter: ReplicaId) => Index): Index {
  return Math.min(majorityIndex(quorum.voters, acked), majorityIndex(quorum.votersOutgoing, acked))
}

/** What the votes given so far decide. A voter without a vote is undefined and may still vote either way. */
export function voteResult(quorum: Quorum, vote: (voter: ReplicaId) => boolean | undefined): VoteResult {
  const incoming = majorityVote(quorum.voters, vote)
  const outgoing = majorityVote(quorum.votersOutgoing, vote)
  if (incoming === outgoing) return incoming
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending'
}

/** The smallest number of voters that is more than half of them. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1
}

/** True when the replica decides alone. */
export function isOnlyVoter(quorum: Quorum, replica: ReplicaId): boolean {
  return quorum.voters.length === 1 && quorum.votersOutgoing.length === 0 && quorum.voters[0] === replica
}

export function isVoter(quorum: Quorum, replica: ReplicaId): boolean {
  return quorum.voters.includes(replica) || quorum.votersOutgoing.includes(replica)
}

// Compares every pair instead of sorting: voters are few, and the hot path of a commit allocates nothing this
// way.
function majorityIndex(voters: readonly ReplicaId[], acked: (voter: ReplicaId) => Index): Index {
  if (voters.length === 0) return Number.POSITIVE_INFINITY
  const needed = majority(voters.length)
  let highest = 0
  for (const candidate of voters) {
    const index = acked(candidate)
    if (index <= highest) continue
    let reached = 0
    for (const voter of voters) if (acked(voter) >= index) reached++
    if (reached >= needed) highest = index
  }
  return highest
}

function majorityVote(
  voters: readonly ReplicaId[],
  vote: (voter: ReplicaId) => boolean | undefined,
): VoteResult {
  if (voters.length === 0) return 'won'
  const needed = majority(voters.length)
  let granted = 0
  let missing = 0
  for (const voter of voters) {
    const given = vote(voter)
    if (given === undefined) missing++
    else if (given) granted++
  }
  if (granted >= needed) return 'won'
  return granted + missing >= needed ? 'pending' : 'lost'
}
