import type { Clock } from '../../clock/clock.ts'
import { isQuorateError, QuorateError } from '../../core/error.ts'
import { memberOfHost } from '../../core/machine/members.ts'
import { type MembersPlan, planEvict, planJoin } from '../../core/machine/members-plan.ts'
import type { GroupId, HostId, ReplicaId } from '../../core/types.ts'
import { asArray, asBoolean, asNatural, asText } from '../../wire/guards.ts'
import type { Call } from '../calls/call.ts'
import { retrying } from '../calls/retry.ts'
import { attemptMs, type Requests } from '../peers/requests.ts'
import type { Replica } from '../replica/replica.ts'
import type { Silence } from '../replica/silence.ts'
import type { MemberList } from '../types.ts'
import { type Asked, lead, MemberChanges, notLeader } from './member-changes.ts'
import { asMembers, asRequest, type MemberRequest, membersBody, requestBody } from './member-request.ts'

interface Newcomer {
  readonly host: HostId
  /** It keeps no values, for life. */
  readonly witness: unknown
}

/**
 * Changes of a group's members. The leader plans each one on its applied table and logs it; whoever else is asked
 * hands the question on to the leader. Asking twice is harmless: a change that stands already is no change.
 */
export class Membership {
  private readonly requests: Requests
  private readonly clock: Clock
  private readonly hostId: HostId
  private readonly silence: Silence
  private readonly membersMax: number

  constructor(parts: {
    readonly requests: Requests
    readonly clock: Clock
    readonly hostId: HostId
    readonly silence: Silence
    readonly membersMax: number
  }) {
    this.requests = parts.requests
    this.clock = parts.clock
    this.hostId = parts.hostId
    this.silence = parts.silence
    this.membersMax = parts.membersMax
  }

  /** Serves other hosts. `replicaOf` throws where this host has no replica of the group. */
  serve(replicaOf: (group: GroupId) => Replica): void {
    const { requests } = this
    requests.serve('join', (from, body, call) => {
      const [group, witness = false] = asArray(body, 1)
      return this.serveJoin(replicaOf(asText(group)), { host: from, witness }, call)
    })
    requests.serve('admit', async (from, body, call) => {
      const [group, host, witness = false] = asArray(body, 2)
      const replica = replicaOf(asText(group))
      const isMember = from === this.hostId || memberOfHost(replica.machine.members, from) !== undefined
      // One that was removed and does not know it was asked: the newcomer goes on to another.
      if (!isMember) throw new QuorateError('NOT_MEMBER', 'only members admit others', { retryable: true })
      return this.admit(replica, { host: asText(host), witness }, call)
    })
    requests.serve('change', async (_from, body, call) => {
      const fields = asArray(body, 3)
      return this.serveChange(replicaOf(asText(fields[0])), asRequest(fields), call)
    })
    requests.serve('lead', async (_from, body, call) => {
      const fields = asArray(body, 3)
      const replica = replicaOf(asText(fields[0]))
      if (!replica.leads) throw notLeader(replica)
      return membersBody(await this.lead(replica, asRequest(fields), call))
    })
  }

  /**
   * Resolves with the members when the change is in force, and this replica knows. Where it cannot (it was removed, or
   * is cut off until the deadline), that the change was made is true all the same.
   */
  async change(replica: Replica, request: MemberRequest, call: Call): Promise<MemberList> {
    const members = await this.made(replica, request, call)
    try {
      replica.check('none')
      const known = replica.leads ? undefined : replica.reads.linearizable(call)
      replica.requestTurn()
      await known
    } catch (error) {
      if (!isQuorateError(error)) throw error
    }
    return members
  }

  private made(replica: Replica, request: MemberRequest, call: Call): Promise<MemberList> {
    return retrying(this.clock, call, async isRetry => {
      try {
        if (replica.leads) return await this.lead(replica, { request, isRetry }, call)
        return await this.askLeader(replica, { request, isRetry }, call)
      } catch (error) {
        // That the group is done with this host was what it had asked for itself.
        const isOwnRemoval = request.type === 'remove' && request.hosts[0] === this.hostId
        if (!isOwnRemoval || !isQuorateError(error, 'REMOVED')) throw error
        const { revision, members } = memberListOf(replica)
        return { revision, members: members.filter(member => member.hostId !== this.hostId) }
      }
    })
  }

  /** One step and no further: two hosts that each take the other for the leader must not play ball. */
  private async serveChange(replica: Replica, asked: Asked, call: Call): Promise<unknown> {
    return membersBody(
      await (replica.leads ? this.lead(replica, asked, call) : this.askLeader(replica, asked, call)),
    )
  }

  /** Makes a host a learner, for a request of its own; answers its replica id. */
  private async serveJoin(replica: Replica, newcomer: Newcomer, call: Call): Promise<ReplicaId> {
    if (replica.leads) return this.admit(replica, newcomer, call)
    const body = [replica.group, newcomer.host, newcomer.witness]
    return this.requests.ask(leaderOf(replica), { method: 'admit', body, read: asNatural }, call)
  }

  private async admit(replica: Replica, { host, witness }: Newcomer, call: Call): Promise<ReplicaId> {
    if (!replica.leads) throw notLeader(replica)
    this.silence.heard(host)
    const isWitness = asBoolean(witness)
    const changes = new MemberChanges(this.clock, replica, call)
    await changes.carryOut(() => this.planAdmission(replica, host, isWitness))
    const member = memberOfHost(replica.machine.members, host)
    if (member === undefined) throw notLeader(replica)
    return member.replica
  }

  /** A full group lets its most silent learner go first: most never come back, private tabs of old, say. */
  private planAdmission(replica: Replica, host: HostId, isWitness: boolean): MembersPlan {
    const { members } = replica.machine
    const plan = planJoin(members, host, isWitness, this.membersMax)
    const silent = plan.type === 'refused' ? this.silence.longest(members.list) : undefined
    return silent === undefined ? plan : planEvict(members, silent, replica.id)
  }

  private async lead(replica: Replica, asked: Asked, call: Call): Promise<MemberList> {
    await lead(this.clock, replica, asked, call)
    return memberListOf(replica)
  }

  private async askLeader(replica: Replica, { request, isRetry }: Asked, call: Call): Promise<MemberList> {
    replica.check('none')
    const body = requestBody(replica.group, request, isRetry)
    const deadline = Math.min(call.deadline, this.clock.now() + attemptMs)
    const question = { method: 'lead', body, read: asMembers, effect: 'repeatable' } as const
    return this.requests.ask(leaderOf(replica), question, { ...call, deadline })
  }
}

/** The members as this replica knows them. */
export function memberListOf({ machine, members }: Replica): MemberList {
  return { revision: machine.members.revision, members }
}

export function leaderOf(replica: Replica): HostId {
  const { leader } = replica
  if (leader === undefined) throw new QuorateError('NO_LEADER', 'no leader is known', { retryable: true })
  return leader
}
