import { evictedMax } from '../limits.ts'
import type { QuorumSets } from '../quorum.ts'
import type { HostId, ReplicaId, Revision } from '../types.ts'

/** What a replica is in the group's quorum: it counts, or it only follows. */
export type Role = 'voter' | 'learner'

/** One replica of the group. */
export interface Member {
  readonly replica: ReplicaId
  readonly host: HostId
  /** What it is. */
  readonly role: Role
  /** What it shall be. A wanted voter rests as a learner while the number of wanted voters is even. */
  readonly wanted: Role
  /** It keeps no values: it votes and acknowledges, and neither leads nor answers reads. So from the beginning. */
  readonly witness: boolean
  /** How much it counts as a voter, from 1 to `voterWeightMax`: more than half of all weight decides. */
  readonly weight: number
}

/**
 * The group's member table. Immutable.
 *
 * Invariants: in the order of the replica ids; a host has one replica; the number of voters is odd, or zero
 * in a table without members; every voter is wanted as one.
 */
export interface Members {
  /** The index of the entry that made this table; 0: none did. */
  readonly revision: Revision
  /** The id of the next replica. Ids are never used again: one below that is not in the table is banned. */
  readonly nextReplica: ReplicaId
  readonly list: readonly Member[]
  /** What decides in place of weights, for as long as the voters are the same. */
  readonly quorums?: QuorumSets
  /** Replicas that had to make room, the latest `evictedMax` of them: their hosts may join anew by themselves. */
  readonly evicted: readonly ReplicaId[]
}

/** A change of the member table as it travels in the log, in the context of a Raft configuration change. */
export interface MembersDelta {
  /** The `revision` of the table it was planned against. By any other table it is refused as a whole. */
  readonly base: Revision
  /** Members as they will be, new ones included, in the order of their ids. */
  readonly set: readonly Member[]
  /** Replicas that leave, in the order of their ids. */
  readonly removed: readonly ReplicaId[]
  /** `quorums` of the table as it will be. */
  readonly quorums?: QuorumSets
  /** Nobody's will: those that leave make room for a newcomer. Only for learners, which no quorum stands on. */
  readonly isEviction?: boolean
}

/** The table of a group that nobody has founded yet. */
export const noMembers: Members = { revision: 0, nextReplica: 1, list: [], evicted: [] }

export function memberOfHost(members: Members, host: HostId): Member | undefined {
  return members.list.find(member => member.host === host)
}

export function memberOfReplica(members: Members, replica: ReplicaId): Member | undefined {
  return members.list.find(member => member.replica === replica)
}

/** True for a replica that comes later than this table: whom its members let in since, it cannot tell. */
export function comesLater(members: Members, replica: ReplicaId): boolean {
  return replica >= members.nextReplica
}

/** True for a replica that was a member once. Its id is banned for ever, even when its host comes back. */
export function wasRemoved(members: Members, replica: ReplicaId): boolean {
  return replica > 0 && replica < members.nextReplica && memberOfReplica(members, replica) === undefined
}

/** True for a replica that had to make room, and false for one that somebody removed, or that is not remembered. */
export function wasEvicted({ evicted }: Members, replica: ReplicaId): boolean {
  return evicted.includes(replica)
}

/**
 * The table after the delta, or 'refused', decided from the two alone and so alike on every replica. A
 * committed delta is refused when another one came between its planning and its commit (two leaders planned,
 * say).
 */
export function applyDelta(members: Members, delta: MembersDelta, revision: Revision): Members | 'refused' {
  if (delta.base !== members.revision) return 'refused'
  const table = new Map(members.list.map(member => [member.replica, member]))
  for (const replica of delta.removed) {
    const member = table.get(replica)
    if (member === undefined || (delta.isEviction && !mayMakeRoom(member))) return 'refused'
    table.delete(replica)
  }
  let nextReplica = members.nextReplica
  for (const member of delta.set) {
    const present = table.get(member.replica)
    if (present === undefined && member.replica !== nextReplica++) return 'refused'
    if (present !== undefined && (present.host !== member.host || present.witness !== member.witness))
      return 'refused'
    table.set(member.replica, member)
  }
  const list = [...table.values()].sort((left, right) => left.replica - right.replica)
  const rule = delta.quorums === undefined ? {} : { quorums: delta.quorums }
  const evicted = [...members.evicted, ...(delta.isEviction ? delta.removed : [])].slice(-evictedMax)
  return isSound(list) ? { revision, nextReplica, list, evicted, ...rule } : 'refused'
}

/** Somebody wants the others to vote: witnesses are set up for nothing else. */
export function mayMakeRoom({ role, wanted, witness }: Pick<Member, 'role' | 'wanted' | 'witness'>): boolean {
  return role === 'learner' && wanted === 'learner' && !witness
}

/** Whether the members could be a group's: the invariants that hold within one table. */
export function isSound(list: readonly Member[]): boolean {
  const hosts = new Set(list.map(member => member.host))
  const voters = list.filter(member => member.role === 'voter')
  return (
    hosts.size === list.length &&
    voters.length % 2 === 1 &&
    voters.every(voter => voter.wanted === 'voter') &&
    list.every((member, position) => position === 0 || member.replica > (list[position - 1]?.replica ?? 0))
  )
}
