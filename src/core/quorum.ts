import type { Index, ReplicaId } from './types.ts'

/** Sets of voters, each of which decides. */
export type QuorumSets = readonly (readonly ReplicaId[])[]

/**
 * The voters whose agreement decides: a majority of them, or one of `quorums` where there are such sets. While a
 * membership change is under way there are two sides, and a decision needs a quorum of each, never one of their
 * union (Raft thesis §4.3). A ConfState is a quorum by itself.
 *
 * Votes, commits, the confirmation of reads and CheckQuorum all decide here and nowhere else.
 *
 * Invariant: any two of `quorums` share a voter, which is proved pair by pair before they come into force
 * (`doMeet`); majorities do by counting.
 */
export interface Quorum {
  readonly voters: readonly ReplicaId[]
  /** The voters of the configuration that is being left; empty when there is none. */
  readonly votersOutgoing: readonly ReplicaId[]
  /** What decides in place of majorities of `voters`. Weights, or any other rule, come as the sets they allow. */
  readonly quorums?: QuorumSets
  readonly quorumsOutgoing?: QuorumSets
}

export type VoteResult = 'pending' | 'won' | 'lost'

/**
 * The highest index that a quorum has acknowledged. Without any voter there is nothing to wait for: infinity.
 */
export function committedIndex(quorum: Quorum, acked: (voter: ReplicaId) => Index): Index {
  const { voters, votersOutgoing, quorums, quorumsOutgoing } = quorum
  return Math.min(indexOf(voters, quorums, acked), indexOf(votersOutgoing, quorumsOutgoing, acked))
}

/** What the votes given so far decide. A voter without a vote is undefined and may still vote either way. */
export function voteResult(quorum: Quorum, vote: (voter: ReplicaId) => boolean | undefined): VoteResult {
  const incoming = resultOf(quorum.voters, quorum.quorums, vote)
  const outgoing = resultOf(quorum.votersOutgoing, quorum.quorumsOutgoing, vote)
  if (incoming === outgoing) return incoming
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending'
}

/** The smallest number of voters that is more than half of them. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1
}

/** True when the replica decides without the others, on both sides; every quorum then has it in it. */
export function decidesAlone(quorum: Quorum, replica: ReplicaId): boolean {
  return voteResult(quorum, id => id === replica) === 'won'
}

export function isVoter(quorum: Quorum, replica: ReplicaId): boolean {
  return quorum.voters.includes(replica) || quorum.votersOutgoing.includes(replica)
}

/**
 * The smallest sets of voters that a rule lets decide. The rule is asked about every set of them, so they must be few
 * (`votersMax`); what contains a set that decides is taken to decide, too.
 */
export function quorumsOf(
  voters: readonly ReplicaId[],
  decides: (set: readonly ReplicaId[]) => boolean,
): QuorumSets {
  const without = (set: readonly ReplicaId[], one: ReplicaId) => set.filter(voter => voter !== one)
  const sets: ReplicaId[][] = []
  for (let mask = 1; mask < 2 ** voters.length; mask++) {
    const set = voters.filter((_, position) => (mask & (1 << position)) !== 0)
    if (decides(set) && !set.some(voter => decides(without(set, voter)))) sets.push(set)
  }
  return sets
}

/** Whether no two decisions can be made apart from each other: every set shares a voter with every other one. */
export function doMeet(sets: QuorumSets): boolean {
  return sets.every(one => sets.every(other => one.some(voter => other.includes(voter))))
}

function indexOf(
  voters: readonly ReplicaId[],
  quorums: QuorumSets | undefined,
  acked: (voter: ReplicaId) => Index,
): Index {
  if (quorums === undefined) return majorityIndex(voters, acked)
  return Math.max(...quorums.map(set => Math.min(...set.map(acked))))
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

function resultOf(
  voters: readonly ReplicaId[],
  quorums: QuorumSets | undefined,
  vote: (voter: ReplicaId) => boolean | undefined,
): VoteResult {
  if (voters.length === 0) return 'won'
  if (quorums !== undefined) {
    if (quorums.some(set => set.every(voter => vote(voter) === true))) return 'won'
    return quorums.some(set => set.every(voter => vote(voter) !== false)) ? 'pending' : 'lost'
  }
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
