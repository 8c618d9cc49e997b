import { membersMax, votersMax } from '../limits.ts'
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
  | { readonly type: 'change'; readonly steps: readonly ConfChangeStep[]; readonly delta: MembersDelta }
  /** It is so already. */
  | { readonly type: 'unchanged' }
  | { readonly type: 'refused'; readonly code: RefusalCode; readonly message: string }

export type RefusalCode = 'LAST_VOTER' | 'MEMBERSHIP_REFUSED' | 'NOT_MEMBER'

/** The first member of a new group, its only voter. */
export function planFounding(members: Members, host: HostId): MembersPlan {
  if (members.list.length > 0 || members.nextReplica > 1)
    return refused('MEMBERSHIP_REFUSED', 'the group is founded')
  const founder: Member = { replica: members.nextReplica, host, role: 'voter', wanted: 'voter' }
  return planned(members, [founder])
}

/** A new learner, with a replica id that nobody ever had. */
export function planJoin(members: Members, host: HostId): MembersPlan {
  if (members.list.length === 0) return refused('MEMBERSHIP_REFUSED', 'the group is not founded')
  if (memberOfHost(members, host) !== undefined) return { type: 'unchanged' }
  if (members.list.length >= membersMax) {
    return refused('MEMBERSHIP_REFUSED', `the group has ${membersMax} members already`)
  }
  const joined: Member = { replica: members.nextReplica, host, role: 'learner', wanted: 'learner' }
  return planned(members, [...members.list, joined])
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
  if (countWanted(list) === 0) return lastVoter(host)
  return planned(members, settleRoles(list, leader))
}

/** A member that leaves for good. Should its host come back, it joins anew. */
export function planRemove(members: Members, host: HostId, leader: ReplicaId): MembersPlan {
  const list = members.list.filter(member => member.host !== host)
  if (list.length === members.list.length) return notMember(host)
  if (countWanted(list) === 0) return lastVoter(host)
  return planned(members, settleRoles(list, leader))
}

/**
 * Lets the wanted voters vote, all but one when their number is even: a fourth voter adds an acknowledgement
 * to wait for and no failure that is survived, and with a second one the loss of either stops the group. The
 * one that waits is the last that does not vote yet (so that nobody's role changes without need), else the
 * last that does not lead.
 */
function settleRoles(list: readonly Member[], leader: ReplicaId): readonly Member[] {
  const wanted = list.filter(member => member.wanted === 'voter')
  let waiting: Member | undefined
  if (wanted.length % 2 === 0) {
    const idle = wanted.filter(member => member.role === 'learner')
    const followers = wanted.filter(member => member.replica !== leader)
    waiting = (idle.length > 0 ? idle : followers).at(-1)
  }
  return list.map(member => withRole(member, member === waiting ? 'learner' : member.wanted))
}

function planned(members: Members, list: readonly Member[]): MembersPlan {
  const steps: ConfChangeStep[] = []
  const set: Member[] = []
  const before = new Map(members.list.map(member => [member.replica, member]))
  for (const member of list) {
    const { replica, role } = member
    const present = before.get(replica)
    before.delete(replica)
    if (present?.role === role && present.wanted === member.wanted) continue
    set.push(member)
    if (present?.role === role) steps.push({ type: 'update', replica })
    else steps.push({ type: role === 'voter' ? 'add-voter' : 'add-learner', replica })
  }
  const removed = [...before.keys()]
  for (const replica of removed) steps.push({ type: 'remove', replica })
  if (steps.length === 0) return { type: 'unchanged' }
  return { type: 'change', steps, delta: { base: members.revision, set, removed } }
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

function refused(code: RefusalCode, message: string): MembersPlan {
  return { type: 'refused', code, message }
}

function notMember(host: HostId): MembersPlan {
  return refused('NOT_MEMBER', `host ${host} is no member of the group`)
}

function lastVoter(host: HostId): MembersPlan {
  return refused('LAST_VOTER', `host ${host} is the last member that shall vote`)
}
