import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import { leaderRequestsMax } from '../../core/limits.ts'
import type { GroupId, Term } from '../../core/types.ts'
import { asArray, asBytes, asText } from '../../wire/guards.ts'
import { decodeValue, encodeValue } from '../../wire/value.ts'
import type { LeaderRequest } from '../backend.ts'
import { type Call, outcomeUnknown } from '../calls/call.ts'
import { messageOf } from '../calls/message-of.ts'
import { retrying } from '../calls/retry.ts'
import { notLeader } from '../membership/member-changes.ts'
import { leaderOf } from '../membership/membership.ts'
import type { Requests } from '../peers/requests.ts'
import type { Replica } from '../replica/replica.ts'
import type { RequestHandler, StoreHooks } from '../store-hooks.ts'

/**
 * Requests of the application to the leader of a group, which are not logged. A request runs once at most: it is asked
 * again only where it certainly did not run. Before it runs the leader confirms itself (Raft thesis §6.4), so that one
 * that was deposed and does not know it yet runs none, and the handler finds all in place that was acknowledged before.
 */
export class LeaderRequests {
  private readonly requests: Requests
  private readonly clock: Clock
  private readonly hooksOf: (group: GroupId) => StoreHooks
  private running = 0

  constructor(parts: {
    readonly requests: Requests
    readonly clock: Clock
    readonly hooksOf: (group: GroupId) => StoreHooks
    /** Throws NOT_MEMBER where this host has no replica of the group. */
    readonly replicaOf: (group: GroupId) => Replica
  }) {
    this.requests = parts.requests
    this.clock = parts.clock
    this.hooksOf = parts.hooksOf
    this.requests.serve('lead-request', (sender, body, call) => {
      const [group, name, value, asker] = asArray(body, 4)
      const replica = parts.replicaOf(asText(group))
      const from = asText(asker)
      // Members speak for their clients. Whoever was removed, and does not know it yet, sends them to another gateway:
      // to run what they ask in its own name would be wrong, too.
      const maySpeak = from === sender || replica.members.some(member => member.hostId === sender)
      if (!maySpeak)
        throw new QuorateError('NOT_MEMBER', `${sender} is no member, and cannot ask for ${from}`, {
          retryable: true,
        })
      return this.run(replica, { name: asText(name), body: asBytes(value), from }, call)
    })
  }

  /** Resolves with the encoded reply. */
  async ask(replica: Replica, request: LeaderRequest, call: Call): Promise<Uint8Array> {
    return retrying(this.clock, call, async () => {
      replica.check('none')
      if (replica.leads) return this.run(replica, request, call)
      const body = [replica.group, request.name, request.body, request.from]
      const question = { method: 'lead-request', body, read: asBytes, effect: 'once' } as const
      return this.requests.ask(leaderOf(replica), question, call)
    })
  }

  private async run(replica: Replica, { name, body, from }: LeaderRequest, call: Call): Promise<Uint8Array> {
    const confirmed = replica.reads.linearizable(call)
    replica.requestTurn()
    await confirmed
    if (!replica.leads) throw notLeader(replica)
    const handlers = this.hooksOf(replica.group).requests ?? {}
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined
    if (handler === undefined) {
      throw new QuorateError('REQUEST_UNKNOWN', `the leader has no handler for requests named ${name}`)
    }
    if (this.running >= leaderRequestsMax) {
      throw new QuorateError('SYSTEM_BUSY', 'too many requests run on the leader', { retryable: true })
    }
    const { term } = replica
    const ending = new AbortController()
    const abort = () => ending.abort(call.signal?.reason)
    call.signal?.addEventListener('abort', abort, { once: true })
    this.running += 1
    const work = reply(handler, body, { from, signal: ending.signal })
    try {
      return await Promise.race([
        work,
        this.interruption(replica, term, call.askerDeadline ?? call.deadline, ending.signal),
      ])
    } finally {
      call.signal?.removeEventListener('abort', abort)
      // A handler that heeds no signal may run on: it must not keep the place of those for which somebody waits.
      this.running -= 1
      ending.abort()
    }
  }

  private async interruption(
    replica: Replica,
    term: Term,
    deadline: number,
    signal: AbortSignal,
  ): Promise<never> {
    while (replica.leads && replica.term === term) {
      const leftMs = deadline - this.clock.now()
      if (leftMs <= 0) throw outcomeUnknown('the request did not end before the deadline')
      await replica.leaderChange.wait(this.clock, leftMs, signal)
    }
    throw outcomeUnknown('the leader was deposed while the request ran')
  }
}

async function reply(
  handler: RequestHandler,
  body: Uint8Array,
  context: Parameters<RequestHandler>[1],
): Promise<Uint8Array> {
  try {
    const answer = await handler(decodeValue(body), context)
    return encodeValue(answer === undefined ? null : answer)
  } catch (cause) {
    throw new QuorateError('REQUEST_FAILED', `the handler failed: ${messageOf(cause)}`, {
      outcome: 'unknown',
      cause,
    })
  }
}
