import { emptyBytes } from '../../base/bytes.ts'
import type { Clock } from '../../clock/clock.ts'
import { isQuorateError, type Outcome, QuorateError } from '../../core/error.ts'
import { memberOfHost } from '../../core/machine/members.ts'
import {
  type MembersPlan,
  planDecide,
  planDemote,
  planPromote,
  planRemove,
  planWeigh,
} from '../../core/machine/members-plan.ts'
import type { ProposeRefusal } from '../../core/raft/index.ts'
import type { HostId, Revision } from '../../core/types.ts'
import { encodeMembersDelta } from '../../wire/proposal-codec.ts'
import type { Call } from '../calls/call.ts'
import type { Replica } from '../replica/replica.ts'
import { transferLeadership } from './hand-over.ts'
import type { MemberRequest } from './member-request.ts'
import { catchUpEntriesMax } from './resignation.ts'

/** What no later time makes possible. Of everything else a leader is free to try again. */
const finalRefusals: { readonly [Reason in ProposeRefusal]?: string } = {
  'quorums-apart': 'two of the quorums share no voter',
  'witnesses-decide': 'the witnesses alone would be a quorum, and nobody need keep what they acknowledge',
  'witness-for-life': 'a host that keeps values becomes no witness, and a witness nothing else',
}

export interface Asked {
  readonly request: MemberRequest
  /** An earlier attempt may have been carried out: that nothing is left to do is then no reason to refuse. */
  readonly isRetry: boolean
}

/** Carries a request about members out, where this host leads. Resolves when the change is in force. */
export async function lead(clock: Clock, replica: Replica, asked: Asked, call: Call): Promise<void> {
  const { type, hosts } = asked.request
  const [host] = hosts
  if (host === undefined && type !== 'decide')
    throw new QuorateError('MEMBERSHIP_REFUSED', 'a change names at least one host')
  if (type === 'transfer') return transfer(clock, replica, host ?? '', call)
  const changes = new MemberChanges(clock, replica, call)
  await make(changes, replica, { ...asked, type })
  await changes.settle()
}

async function make(
  changes: MemberChanges,
  replica: Replica,
  { type, request, isRetry }: Asked & { readonly type: Exclude<MemberRequest['type'], 'transfer'> },
): Promise<void> {
  const { hosts, numbers, expected } = request
  const [host] = hosts
  const members = () => replica.machine.members
  switch (type) {
    case 'promote':
      return changes.carryOut(() => planPromote(members(), hosts, replica.id), { expected })
    case 'demote':
      return changes.carryOut(() => planDemote(members(), host ?? '', replica.id), { expected })
    case 'remove':
      return changes.remove(host ?? '', { expected: isRetry ? undefined : expected, isRetry })
    case 'weigh': {
      const weights = new Map(hosts.map((one, position) => [one, numbers[position] ?? 0]))
      return changes.carryOut(() => planWeigh(members(), weights), { expected })
    }
    case 'decide': {
      const sets = numbers.map(mask => hosts.filter((_, position) => (mask & (1 << position)) !== 0))
      return changes.carryOut(() => planDecide(members(), sets), { expected })
    }
  }
}

/** Changes that one call asks for, one behind the other. */
export class MemberChanges {
  private readonly clock: Clock
  private readonly replica: Replica
  private readonly call: Call

  constructor(clock: Clock, replica: Replica, call: Call) {
    this.clock = clock
    this.replica = replica
    this.call = call
  }

  /**
   * Plans and logs until the plan says that nothing is left to do. Between two looks others may have changed the
   * table, so nothing that was read before a wait is used behind it. `hasBegun`: something of what was asked for is
   * logged already, so no error says that nothing was changed.
   */
  async carryOut(
    plan: () => MembersPlan,
    {
      expected,
      hasBegun = false,
      isDone = () => false,
    }: { expected?: Revision | undefined; hasBegun?: boolean; isDone?: () => boolean } = {},
  ): Promise<void> {
    const { replica, clock, call } = this
    for (let hasLogged = hasBegun, hasOffered = false; ; ) {
      if (hasLogged && isDone()) return
      const outcome = hasLogged ? 'unknown' : 'none'
      replica.check(outcome)
      if (!replica.leads) throw notLeader(replica, outcome)
      const next = plan()
      if (next.type === 'refused') {
        const { code, message, retryable } = next
        throw new QuorateError(code, message, { retryable })
      }
      if (next.type === 'unchanged' && replica.conf.votersOutgoing.length === 0) return
      if (next.type === 'change' && this.isCaughtUp(next)) {
        const { revision } = replica.machine.members
        if (!hasLogged && expected !== undefined && revision !== expected) throw conflict(expected, revision)
        if (!hasLogged && !hasOffered) {
          hasOffered = true
          if (await this.offersLeadership(next)) continue
        }
        hasLogged = this.propose(next) || hasLogged
      }
      if (clock.now() >= call.deadline) throw hasLogged ? changePending() : notCaughtUp()
      await replica.membersChange.wait(clock, 100, call.signal)
    }
  }

  /**
   * A voter is demoted before it is removed. Removed in one change it would fall silent while the joint configuration
   * still needs it: where it is half of the quorum, nobody could ever leave that configuration. A leader that removes
   * itself hands over before that, or stops leading on the way, and the one who asked goes to the next leader.
   */
  async remove(
    host: HostId,
    { expected, isRetry }: { expected: Revision | undefined; isRetry: boolean },
  ): Promise<void> {
    const { replica } = this
    const member = () => memberOfHost(replica.machine.members, host)
    // Who was a member when it was first asked and is none now has been removed.
    if (isRetry && replica.leads && member() === undefined) return
    const isVoter = member()?.role === 'voter'
    const demote = () => planDemote(replica.machine.members, host, replica.id)
    if (isVoter) await this.carryOut(demote, { expected })
    const remove = () => planRemove(replica.machine.members, host, replica.id)
    const isDone = () => member() === undefined
    await this.carryOut(remove, { expected, hasBegun: isVoter, isDone })
  }

  /**
   * Has one more entry committed, behind the change. Whoever acknowledges it has heard, and noted, that the change is
   * committed, and that no joint configuration is left behind it. Without that the present voters could need those
   * who vote no more for the next election, when this leader falls before its followers heard; and whoever is told
   * that the change is made may switch those off.
   */
  async settle(): Promise<void> {
    const { replica, call } = this
    replica.check('unknown')
    const answer = replica.node.propose([emptyBytes])
    replica.requestTurn()
    if (answer.type !== 'proposed') throw notLeader(replica, 'unknown')
    await replica.reads.reached(answer.index, call).catch((error: unknown) => {
      replica.check('unknown')
      throw isQuorateError(error) ? changePending() : error
    })
    if (!replica.leads || replica.term !== answer.term) throw notLeader(replica, 'unknown')
  }

  /**
   * A leader that is to vote no more hands over first, and the one who asked goes to the next leader with the change:
   * else everybody waits for an election timeout behind it (Raft thesis §4.2.2). Where nobody takes it, so it must be.
   * Says whether time has passed.
   */
  private async offersLeadership({ steps }: MembersPlan & { type: 'change' }): Promise<boolean> {
    const { replica, clock, call } = this
    const isLeaving = steps.some(step => step.replica === replica.id && step.type !== 'update')
    const successor = isLeaving ? replica.resignation.successor() : undefined
    if (successor === undefined) return false
    // Nothing of the change is logged before that.
    await transferLeadership(clock, replica, successor, call, 'none')
    return true
  }

  /** True when the change is in the log. */
  private propose({ steps, delta, quorums }: MembersPlan & { type: 'change' }): boolean {
    const context = encodeMembersDelta(delta)
    const rule = quorums === undefined ? {} : { quorums }
    const answer = this.replica.node.proposeConfChange({ transition: 'auto', steps, context, ...rule })
    const why = answer.type === 'refused' ? finalRefusals[answer.reason] : undefined
    if (why !== undefined) throw new QuorateError('MEMBERSHIP_REFUSED', why)
    this.replica.requestTurn()
    return answer.type === 'proposed'
  }

  private isCaughtUp(plan: MembersPlan & { type: 'change' }): boolean {
    const { progress } = this.replica.node.status()
    const last = this.replica.log.lastIndex()
    return plan.steps.every(step => {
      if (step.type !== 'add-voter' || step.replica === this.replica.id) return true
      const match = progress.find(one => one.id === step.replica)?.match ?? 0
      return match > 0 && last - match < catchUpEntriesMax
    })
  }
}

/** Hands leadership over to a host. */
async function transfer(clock: Clock, replica: Replica, host: HostId, call: Call): Promise<void> {
  const member = memberOfHost(replica.machine.members, host)
  if (member === undefined) throw new QuorateError('NOT_MEMBER', `host ${host} is no member of the group`)
  if (member.role !== 'voter' || member.witness)
    throw new QuorateError('MEMBERSHIP_REFUSED', `host ${host} is no voter that keeps values: it cannot lead`)
  if (!replica.leads) throw notLeader(replica)
  if (await transferLeadership(clock, replica, member.replica, call)) return
  const why = `host ${host} did not take leadership over within an election timeout, or another one was named behind it`
  throw new QuorateError('TRANSFER_ABORTED', why, { retryable: true, detail: { leader: replica.leader } })
}

export function notLeader(replica: Replica, outcome: Outcome = 'none'): QuorateError {
  return new QuorateError('NOT_LEADER', 'this host does not lead the group', {
    retryable: true,
    outcome,
    detail: { leader: replica.leader },
  })
}

function conflict(expected: Revision, revision: Revision): QuorateError {
  const message = `the members changed: they are of revision ${revision}, and ${expected} was expected`
  return new QuorateError('MEMBERSHIP_CONFLICT', message, { detail: { revision } })
}

function changePending(): QuorateError {
  return new QuorateError('OUTCOME_UNKNOWN', 'the change is under way, and not yet in force', {
    outcome: 'unknown',
    retryable: true,
  })
}

function notCaughtUp(): QuorateError {
  const message = 'another change is under way, or a host that shall vote has not caught up with the log'
  return new QuorateError('MEMBERSHIP_PENDING', message, { retryable: true })
}
