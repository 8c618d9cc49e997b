import { membersMax, quorumSetsMax, votersMax, voterWeightMax } from '../limits.ts'
import { doMeet, majority, type QuorumSets, quorumsOf } from '../quorum.ts'
import type { ConfChangeStep } from '../raft/types.ts'
import type { HostId, ReplicaId } from '../types.ts'
import { type Member, type Members, type MembersDelta, memberOfHost, type Role } from './members.ts'

/**
 * What the leader does about a request to change the membership, decided before anything is logged. It must
 * be planned against the applied table, and by a leader that has no membership change under way (Raft thesis
 * §4.1).
 */
export type MembersPlan =
  /** Log a change with these steps and the encoded delta as its context; never without a step. */
  | {
      readonly type: 'change'
      readonly steps: readonly ConfChangeStep[]
      readonly delta: MembersDelta
      readonly quorums: QuorumSets | undefined
    }
  /** It is so already. */
  | { readonly type: 'unchanged' }
  | {
      readonly type: 'refused'
      readonly code: RefusalCode
      readonly message: string
      /** It may be possible later, without any other change. */
      readonly retryable: boolean
    }

export type RefusalCode = 'LAST_VOTER' | 'MEMBERSHIP_REFUSED' | 'NOT_MEMBER'

/** The first member of a new group, its only voter. */
export function planFounding(members: Members, host: HostId): MembersPlan {
  if (members.list.length > 0 || members.nextReplica > 1)
    return refused('MEMBERSHIP_REFUSED', 'the group is founded')
  const founder = { ...newMember(members, host, false), role: 'voter', wanted: 'voter' } as const
  return planned(members, [founder])
}

/** A new learner, with a replica id that nobody ever had. A witness is one from here on, for life. */
export function planJoin(members: Members, host: HostId, witness = false, most = membersMax): MembersPlan {
  if (members.list.length === 0) return refused('MEMBERSHIP_REFUSED', 'the group is not founded')
  if (memberOfHost(members, host) !== undefined) return { type: 'unchanged' }
  if (members.list.length >= most) {
    return refused(
      'MEMBERSHIP_REFUSED',
      `the group has ${most} members already; remove one, or come as a client`,
      true,
    )
  }
  return planned(members, [...members.list, newMember(members, host, witness)])
}

/** Members that shall vote: at once where the number of voters stays odd, else together with the next. */
export function planPromote(members: Members, hosts: readonly HostId[], leader: ReplicaId): MembersPlan {
  const stranger = hosts.find(host => memberOfHost(members, host) === undefined)
  if (stranger !== undefined) return notMember(stranger)
  const list = members.list.map(member => (hosts.includes(member.host) ? want(member, 'voter') : member))
  if (countWanted(list) > votersMax) {
    return refused('MEMBERSHIP_REFUSED', `the group would have more than ${votersMax} voters`)
  }
  return planned(members, settleRoles(list, leader))
}

/** A voter that shall only follow. */
export function planDemote(members: Members, host: HostId, leader: ReplicaId): MembersPlan {
  const demoted = memberOfHost(members, host)
  if (demoted === undefined) return notMember(host)
  if (demoted.wanted === 'learner') return { type: 'unchanged' }
  const list = members.list.map(member => (member === demoted ? want(member, 'learner') : member))
  if (!list.some(member => member.wanted === 'voter' && !member.witness)) return lastVoter(host)
  return planned(members, settleRoles(list, leader))
}

/** A member that leaves for good. Should its host come back, it joins anew. */
export function planRemove(members: Members, host: HostId, leader: ReplicaId): MembersPlan {
  const list = members.list.filter(member => member.host !== host)
  if (list.length === members.list.length) return notMember(host)
  if (!list.some(member => member.wanted === 'voter' && !member.witness)) return lastVoter(host)
  return planned(members, settleRoles(list, leader))
}

/** A learner that leaves to make room. Its host comes back by itself. */
export function planEvict(members: Members, host: HostId, leader: ReplicaId): MembersPlan {
  const plan = planRemove(members, host, leader)
  return plan.type === 'change' ? { ...plan, delta: { ...plan.delta, isEviction: true } } : plan
}

/** How much members count as voters. */
export function planWeigh(members: Members, weights: ReadonlyMap<HostId, number>): MembersPlan {
  for (const [host, weight] of weights) {
    if (memberOfHost(members, host) === undefined) return notMember(host)
    if (weight === 0 || weight > voterWeightMax)
      return refused('MEMBERSHIP_REFUSED', `a weight is from 1 to ${voterWeightMax}`)
  }
  const list = members.list.map(member => ({ ...member, weight: weights.get(member.host) ?? member.weight }))
  return planned(members, list)
}

/**
 * Which sets of the voters decide, for as long as these are the voters. Each two of them must share a voter; without
 * any set the weights count again.
 */
export function planDecide(members: Members, sets: readonly (readonly HostId[])[]): MembersPlan {
  // They are compared pair by pair, and anybody may ask.
  const areMany = sets.length > quorumSetsMax || sets.some(set => set.length > votersMax)
  const quorums: ReplicaId[][] = []
  for (const set of sets) {
    const voters = set.map(host => memberOfHost(members, host))
    const other = voters.findIndex(member => member?.role !== 'voter')
    if (other >= 0) return refused('MEMBERSHIP_REFUSED', `host ${set[other]} is no voter`)
    quorums.push(voters.map(member => member?.replica ?? 0))
  }
  if (areMany || !doMeet(quorums))
    return refused('MEMBERSHIP_REFUSED', 'two of the quorums share no voter, or there are too many')
  return planned(members, members.list, quorums)
}

/**
 * Lets the wanted voters vote, all but one when their number is even: a fourth voter adds an acknowledgement
 * to wait for and no failure that is survived, and with a second one the loss of either stops the group. The
 * one that waits is the last that does not vote yet (so that nobody's role changes without need), else the
 * last that does not lead; a witness rather than one that keeps values.
 */
function settleRoles(list: readonly Member[], leader: ReplicaId): readonly Member[] {
  const wanted = list.filter(member => member.wanted === 'voter')
  let waiting: Member | undefined
  if (wanted.length % 2 === 0) {
    const idle = wanted.filter(member => member.role === 'learner')
    const followers = wanted.filter(member => member.replica !== leader)
    const candidates = idle.length > 0 ? idle : followers
    waiting = candidates.filter(member => member.witness).at(-1) ?? candidates.at(-1)
  }
  return list.map(member => withRole(member, member === waiting ? 'learner' : member.wanted))
}

/** The steps from the table to the list. Quorums that were given by sets stay as long as the voters do. */
function planned(members: Members, list: readonly Member[], given?: QuorumSets): MembersPlan {
  const steps: ConfChangeStep[] = []
  const set: Member[] = []
  const before = new Map(members.list.map(member => [member.replica, member]))
  for (const member of list) {
    const { replica, role, witness } = member
    const present = before.get(replica)
    before.delete(replica)
    const isSame = present?.wanted === member.wanted && present.weight === member.weight
    if (present?.role === role && isSame) continue
    set.push(member)
    if (present?.role === role) steps.push({ type: 'update', replica })
    else {
      const type = role === 'voter' ? 'add-voter' : 'add-learner'
      steps.push({ type, replica, ...(witness ? { witness } : {}) })
    }
  }
  const removed = [...before.keys()]
  for (const replica of removed) steps.push({ type: 'remove', replica })

  const voters = votersOf(list)
  const isStill = String(voters.map(idOf)) === String(votersOf(members.list).map(idOf))
  const custom = given ?? (isStill ? members.quorums : undefined)
  const kept = custom === undefined || custom.length === 0 ? {} : { quorums: custom }
  const rule = kept.quorums ?? quorumsByWeight(voters)
  const ruleBefore = members.quorums ?? quorumsByWeight(votersOf(members.list))
  const isNewRule = !isStill || JSON.stringify(rule) !== JSON.stringify(ruleBefore)
  const [someone] = voters
  if (steps.length === 0 && isNewRule && someone) steps.push({ type: 'update', replica: someone.replica })
  if (steps.length === 0) return { type: 'unchanged' }
  // Without a rule Raft goes back to majorities when the voters change, and keeps what it has when they do not.
  const majorities = () => quorumsOf(voters.map(idOf), ids => ids.length >= majority(voters.length))
  const quorums = isNewRule ? (rule ?? (isStill ? majorities() : undefined)) : undefined
  return { type: 'change', steps, delta: { base: members.revision, set, removed, ...kept }, quorums }
}

/** The sets of voters with more than half of all weight; undefined where all weigh the same. */
function quorumsByWeight(voters: readonly Member[]): QuorumSets | undefined {
  const weights = new Map(voters.map(({ replica, weight }) => [replica, weight]))
  if (new Set(weights.values()).size < 2) return undefined
  const weightOf = (ids: readonly ReplicaId[]) => ids.reduce((sum, id) => sum + (weights.get(id) ?? 0), 0)
  const all = weightOf([...weights.keys()])
  return quorumsOf([...weights.keys()], ids => 2 * weightOf(ids) > all)
}

function newMember(members: Members, host: HostId, witness: boolean): Member {
  return { replica: members.nextReplica, host, role: 'learner', wanted: 'learner', witness, weight: 1 }
}

function votersOf(list: readonly Member[]): readonly Member[] {
  return list.filter(member => member.role === 'voter')
}

function idOf({ replica }: Member): ReplicaId {
  return replica
}

function want(member: Member, wanted: Role): Member {
  return { ...member, wanted }
}

function withRole(member: Member, role: Role): Member {
  return member.role === role ? member : { ...member, role }
}

function countWanted(list: readonly Member[]): number {
  return list.filter(member => member.wanted === 'voter').length
}

function refused(code: RefusalCode, message: string, retryable = false): MembersPlan {
  return { type: 'refused', code, message, retryable }
}

function notMember(host: HostId): MembersPlan {
  return refused('NOT_MEMBER', `host ${host} is no member of the group`)
}

function lastVoter(host: HostId): MembersPlan {
  return refused('LAST_VOTER', `host ${host} is the last member that votes and keeps values`)
}
