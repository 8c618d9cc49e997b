import type { Clock } from '../clock/clock.ts'
import { QuorateError } from '../core/error.ts'
import { memberOfHost } from '../core/machine/members.ts'
import {
  type MembersPlan,
  planDemote,
  planJoin,
  planPromote,
  planRemove,
} from '../core/machine/members-plan.ts'
import type { GroupId, HostId, ReplicaId } from '../core/types.ts'
import { asArray, asNatural, asOneOf, asText } from '../wire/guards.ts'
import { encodeMembersDelta } from '../wire/proposal-codec.ts'
import type { MemberChange } from './backend.ts'
import type { Call } from './call.ts'
import type { Replica } from './replica.ts'
import type { Requests } from './requests.ts'
import { retrying } from './retry.ts'
import type { Member } from './types.ts'

/** A learner may vote once it lags by less than this: else the first commit after its promotion waits for it. */
const catchUpEntriesMax = 1000

const changes: readonly MemberChange[] = ['promote', 'demote', 'remove']

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

  /** Resolves with the members when the change is applied on this replica's leader. */
  change(
    replica: Replica,
    change: MemberChange,
    hosts: readonly HostId[],
    call: Call,
  ): Promise<readonly Member[]> {
    return retrying(this.clock, call, () => {
      if (replica.leads) return this.lead(replica, change, hosts, call)
      const body = [replica.group, changes.indexOf(change), hosts]
      return this.requests.ask(leaderOf(replica), 'change', body, call).then(asMembers)
    })
  }

  /** Serves `change` for another host. */
  serveChange(replica: Replica, body: readonly unknown[], call: Call): Promise<unknown> {
    return replica.leads
      ? this.serveLead(replica, body, call)
      : this.requests.ask(leaderOf(replica), 'lead', body, call)
  }

  /** `serveChange` for a host that asked another member: one step and no further. */
  async serveLead(replica: Replica, body: readonly unknown[], call: Call): Promise<unknown> {
    const change = asOneOf(body[1], changes)
    const hosts = asArray(body[2]).map(host => asText(host))
    if (!replica.leads) throw notLeader(replica)
    return membersBody(await this.lead(replica, change, hosts, call))
  }

  /** Makes a host a learner, for a request of its own; answers its replica id. */
  async serveJoin(replica: Replica, host: HostId, call: Call): Promise<ReplicaId> {
    if (!replica.leads) {
      // One step and no further: two hosts that each take the other for the leader must not play ball.
      return asNatural(await this.requests.ask(leaderOf(replica), 'admit', [replica.group, host], call))
    }
    return this.admit(replica, host, call)
  }

  /** `serveJoin` for a host that asked another member. */
  async admit(replica: Replica, host: HostId, call: Call): Promise<ReplicaId> {
    if (!replica.leads) throw notLeader(replica)
    await this.carryOut(replica, () => planJoin(replica.machine.members, host), call)
    const member = memberOfHost(replica.machine.members, host)
    if (member === undefined) throw notLeader(replica)
    return member.replica
  }

  private async lead(
    replica: Replica,
    change: MemberChange,
    hosts: readonly HostId[],
    call: Call,
  ): Promise<readonly Member[]> {
    const [host] = hosts
    if (host === undefined) throw new QuorateError('MEMBERSHIP_REFUSED', 'a change names at least one host')
    const demote = () => planDemote(replica.machine.members, host, replica.id)
    switch (change) {
      case 'promote':
        await this.carryOut(replica, () => planPromote(replica.machine.members, hosts, replica.id), call)
        break
      case 'demote':
        await this.carryOut(replica, demote, call)
        break
      case 'remove':
        await this.remove(replica, host, demote, call)
    }
    return replica.members
  }

  /**
   * A voter is demoted before it is removed. Removed in one change it would fall silent while the joint configuration
   * still needs it: where it is half of the quorum, nobody could ever leave that configuration. A leader that removes
   * itself stops leading on the way, and the one who asked goes to the next leader with the rest.
   */
  private async remove(replica: Replica, host: HostId, demote: () => MembersPlan, call: Call): Promise<void> {
    if (memberOfHost(replica.machine.members, host)?.role === 'voter')
      await this.carryOut(replica, demote, call)
    const isGone = () => memberOfHost(replica.machine.members, host) === undefined
    await this.carryOut(replica, () => planRemove(replica.machine.members, host, replica.id), call, isGone)
  }

  /**
   * Plans and logs until the plan says that nothing is left to do. Between two looks others may have changed the
   * table, so nothing that was read before a wait is used behind it.
   */
  private async carryOut(
    replica: Replica,
    plan: () => MembersPlan,
    call: Call,
    isDone: () => boolean = () => false,
  ): Promise<void> {
    for (let hasLogged = false; ; ) {
      if (hasLogged && isDone()) return
      const outcome = hasLogged ? 'unknown' : 'none'
      replica.check(outcome)
      if (!replica.leads) throw notLeader(replica, outcome)
      const next = plan()
      if (next.type === 'refused') throw new QuorateError(next.code, next.message)
      if (next.type === 'unchanged' && replica.conf.votersOutgoing.length === 0) return
      if (next.type === 'change' && this.isCaughtUp(replica, next)) {
        const context = encodeMembersDelta(next.delta)
        const answer = replica.node.proposeConfChange({ transition: 'auto', steps: next.steps, context })
        if (answer.type === 'proposed') hasLogged = true
        replica.requestTurn()
      }
      if (this.clock.now() >= call.deadline) throw hasLogged ? changePending() : notCaughtUp()
      await replica.membersChange.wait(this.clock, 100, call.signal)
    }
  }

  private isCaughtUp(replica: Replica, plan: MembersPlan & { type: 'change' }): boolean {
    const { progress } = replica.node.status()
    const last = replica.log.lastIndex()
    return plan.steps.every(step => {
      if (step.type !== 'add-voter' || step.replica === replica.id) return true
      const match = progress.find(one => one.id === step.replica)?.match ?? 0
      return match > 0 && last - match < catchUpEntriesMax
    })
  }

  /** Whether a host may still ask in the name of another one: only members may admit. */
  isMember(replica: Replica, host: HostId): boolean {
    return host === this.hostId || memberOfHost(replica.machine.members, host) !== undefined
  }
}

export function membersBody(members: readonly Member[]): unknown {
  return members.map(({ hostId, replica, role, wanted }) => [
    hostId,
    replica,
    roles.indexOf(role),
    roles.indexOf(wanted),
  ])
}

export function asMembers(body: unknown): readonly Member[] {
  return asArray(body).map(value => {
    const [hostId, replica, role, wanted] = asArray(value, 4)
    return {
      hostId: asText(hostId),
      replica: asNatural(replica),
      role: asOneOf(role, roles),
      wanted: asOneOf(wanted, roles),
    }
  })
}

const roles = ['voter', 'learner'] as const

/** The group of a request, which stands first in its body. */
export function groupOf(body: readonly unknown[]): GroupId {
  return asText(body[0])
}

/** Throws NO_LEADER where none is known. */
export function leaderOf(replica: Replica): HostId {
  const { leader } = replica
  if (leader === undefined) throw new QuorateError('NO_LEADER', 'no leader is known', { retryable: true })
  return leader
}

export function notLeader(replica: Replica, outcome: 'none' | 'unknown' = 'none'): QuorateError {
  return new QuorateError('NOT_LEADER', 'this host does not lead the group', {
    retryable: true,
    outcome,
    detail: { leader: replica.leader },
  })
}

function changePending(): QuorateError {
  return new QuorateError('OUTCOME_UNKNOWN', 'the change was logged and is not committed yet', {
    outcome: 'unknown',
    retryable: true,
  })
}

function notCaughtUp(): QuorateError {
  const message = 'another change is under way, or a host that shall vote has not caught up with the log'
  return new QuorateError('MEMBERSHIP_PENDING', message, { retryable: true })
}
