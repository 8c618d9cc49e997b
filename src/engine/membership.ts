import type { Clock } from '../clock/clock.ts'
import { isQuorateError, QuorateError } from '../core/error.ts'
import { memberOfHost } from '../core/machine/members.ts'
import { planJoin } from '../core/machine/members-plan.ts'
import type { HostId, ReplicaId } from '../core/types.ts'
import { asBoolean, asNatural } from '../wire/guards.ts'
import type { Call } from './call.ts'
import { lead, MemberChanges, notLeader } from './member-changes.ts'
import { asMembers, asRequest, type MemberRequest, membersBody, requestBody } from './member-request.ts'
import type { Replica } from './replica.ts'
import { attemptMs, type Requests } from './requests.ts'
import { retrying } from './retry.ts'
import type { MemberList } from './types.ts'

/**
 * Changes of a group's members. The leader plans each one on its applied table and logs it; whoever else is asked
 * hands the question on to the leader. Asking twice is harmless: a change that stands already is no change.
 */
export class Membership {
  private readonly requests: Requests
  private readonly clock: Clock
  private readonly hostId: HostId

  constructor(parts: { readonly requests: Requests; readonly clock: Clock; readonly hostId: HostId }) {
    this.requests = parts.requests
    this.clock = parts.clock
    this.hostId = parts.hostId
  }

  /** Resolves with the members when the change is applied on the leader. */
  change(replica: Replica, request: MemberRequest, call: Call): Promise<MemberList> {
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

  /** Serves `change` for another host. */
  serveChange(replica: Replica, body: readonly unknown[], call: Call): Promise<unknown> {
    if (replica.leads) return this.serveLead(replica, body, call)
    return this.askLeader(replica, asRequest(body), call).then(membersBody)
  }

  /** `serveChange` for a host that asked another member: one step and no further. */
  async serveLead(replica: Replica, body: readonly unknown[], call: Call): Promise<unknown> {
    const asked = asRequest(body)
    if (!replica.leads) throw notLeader(replica)
    return membersBody(await this.lead(replica, asked, call))
  }

  /** Makes a host a learner, for a request of its own; answers its replica id. A witness is one for life. */
  async serveJoin(replica: Replica, host: HostId, witness: unknown, call: Call): Promise<ReplicaId> {
    if (!replica.leads) {
      // One step and no further: two hosts that each take the other for the leader must not play ball.
      const body = [replica.group, host, witness]
      return asNatural(await this.requests.ask(leaderOf(replica), 'admit', body, call))
    }
    return this.admit(replica, host, witness, call)
  }

  /** `serveJoin` for a host that asked another member. */
  async admit(replica: Replica, host: HostId, witness: unknown, call: Call): Promise<ReplicaId> {
    if (!replica.leads) throw notLeader(replica)
    const isWitness = asBoolean(witness ?? false)
    const changes = new MemberChanges(this.clock, replica, call)
    await changes.carryOut(() => planJoin(replica.machine.members, host, isWitness))
    const member = memberOfHost(replica.machine.members, host)
    if (member === undefined) throw notLeader(replica)
    return member.replica
  }

  /** Whether a host may still ask in the name of another one: only members may admit. */
  isMember(replica: Replica, host: HostId): boolean {
    return host === this.hostId || memberOfHost(replica.machine.members, host) !== undefined
  }

  private async lead(
    replica: Replica,
    asked: { readonly request: MemberRequest; readonly isRetry: boolean },
    call: Call,
  ): Promise<MemberList> {
    await lead(this.clock, replica, asked, call)
    return memberListOf(replica)
  }

  private async askLeader(
    replica: Replica,
    { request, isRetry }: { readonly request: MemberRequest; readonly isRetry: boolean },
    call: Call,
  ): Promise<MemberList> {
    replica.check('none')
    const body = requestBody(replica.group, request, isRetry)
    const deadline = Math.min(call.deadline, this.clock.now() + attemptMs)
    const answer = this.requests.ask(leaderOf(replica), 'lead', body, { ...call, deadline }, 'repeatable')
    return asMembers(await answer)
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
