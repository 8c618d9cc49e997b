import type { Clock } from '../../clock/clock.ts'
import { isQuorateError, QuorateError } from '../../core/error.ts'
import type { Proposal } from '../../core/machine/command.ts'
import type { GroupId, HostId, Revision } from '../../core/types.ts'
import { asArray, asBytes, asNatural } from '../../wire/guards.ts'
import { asResult, encodeProposal } from '../../wire/proposal-codec.ts'
import type { Backend, Freshness, LeaderRequest, Reader, ReadResult } from '../backend.ts'
import type { Call } from '../calls/call.ts'
import type { Condition } from '../calls/condition.ts'
import { retrying } from '../calls/retry.ts'
import { viewExpired } from '../calls/view-expired.ts'
import { asMembers, type MemberRequest, requestBody } from '../membership/member-request.ts'
import { attemptMs, type Question, type Requests } from '../peers/requests.ts'
import type { Bounds } from '../query/key-filter.ts'
import { asLogSlice, type LogSlice } from '../query/log-slice.ts'
import { freshnessFields, queryFields, resultReader } from '../query/read-codec.ts'
import type { ReadQuery } from '../query/read-query.ts'
import type { Answer } from '../replica/proposals.ts'
import type { ChangeSink, Feed } from '../replica/watchers.ts'
import { asOpenedView, RemoteReader } from '../transactions/remote-reader.ts'
import type { MemberList, StoreStatus } from '../types.ts'
import { GatheredGets } from './gathered-gets.ts'
import type { RemoteWatches } from './remote-watches.ts'

/** A Store over other hosts' replicas: each call goes to one gateway, and to the next one when that cannot answer. */
export class ClientBackend implements Backend {
  private readonly group: GroupId
  private readonly gets: GatheredGets
  private readonly requests: Requests
  private readonly clock: Clock
  private readonly watches: RemoteWatches
  /** The connected hosts that serve the group; where none does, those that say why. */
  private readonly gateways: () => readonly HostId[]
  private readonly news: Condition
  /** That of a replica which serves nobody, not even its own host. */
  private readonly ownStatus: () => StoreStatus | undefined
  /** How many gateways did not answer so far: whose turn it is. */
  private failures = 0
  /**
   * What the gateways had applied that answered writes. A condition that failed has no revision of its own, and what it
   * told must not be undone by a session's read at another gateway.
   */
  private seen: Revision = 0
  readonly check: () => void

  constructor(parts: {
    readonly group: GroupId
    readonly requests: Requests
    readonly clock: Clock
    readonly watches: RemoteWatches
    readonly gateways: () => readonly HostId[]
    /** There may be others. */
    readonly news: Condition
    readonly status: () => StoreStatus | undefined
    readonly check: () => void
  }) {
    this.group = parts.group
    this.gets = new GatheredGets(parts.clock, (keys, ...rest) => this.askRead({ type: 'get', keys }, ...rest))
    this.requests = parts.requests
    this.clock = parts.clock
    this.watches = parts.watches
    this.gateways = parts.gateways
    this.news = parts.news
    this.ownStatus = parts.status
    this.check = parts.check
  }

  /** A proposal of a session may be handed in again and again: it takes effect once. */
  async submit(proposal: Proposal, call: Call): Promise<Answer> {
    const body = [this.group, encodeProposal(proposal)]
    let attempts = 0
    const beginning = this.watches.beginning()
    return this.retry(call, async () => {
      this.gatewayOrThrow()
      await beginning?.(call)
      const gateway = this.gatewayOrThrow()
      attempts += 1
      const question = { method: 'submit', body, read: asSubmitted }
      const { result, inner, applied } = await this.askGateway(gateway, question, call).catch(error => {
        throw asRetried(error)
      })
      this.seen = Math.max(this.seen, applied)
      return { result, attempts: attempts - 1 + inner }
    })
  }

  present(): undefined {
    this.check()
  }

  read(query: ReadQuery, freshness: Freshness, call: Call): Promise<ReadResult> {
    if (query.type === 'get') return this.gets.read(query.keys, freshness, call)
    return this.askRead(query, freshness, call)
  }

  private askRead(query: ReadQuery, freshness: Freshness, call: Call): Promise<ReadResult> {
    const body = [this.group, queryFields(query), ...this.freshnessFields(freshness)]
    return this.ask({ method: 'read', body, read: resultReader(query) }, call)
  }

  /** The answers to all of it come from the gateway that opened it. */
  view(freshness: Freshness, call: Call): Promise<Reader> {
    return this.retry(call, async () => {
      const gateway = this.gatewayOrThrow()
      const body = [this.group, ...this.freshnessFields(freshness)]
      const opened = await this.askGateway(gateway, { method: 'view', body, read: asOpenedView }, call)
      return new RemoteReader(opened, {
        ask: (question, call) => this.askAgain(gateway, question, call),
        closed: id => this.closeView(gateway, id),
      })
    })
  }

  watch(bounds: Bounds, from: Revision | undefined, sink: ChangeSink, seen = 0): Feed {
    this.check()
    return this.watches.add(bounds, from, sink, Math.max(seen, this.seen))
  }

  /** What one gateway has forgotten, another one may still have. */
  async entries(from: Revision | undefined, call: Call): Promise<LogSlice> {
    for (let asked = 1; ; asked++) {
      try {
        return await this.ask({ method: 'entries', body: [this.group, from ?? null], read: asLogSlice }, call)
      } catch (error) {
        if (!isQuorateError(error, 'COMPACTED') || asked >= this.gateways().length) throw error
      }
    }
  }

  request({ name, body }: LeaderRequest, call: Call): Promise<Uint8Array> {
    return this.retry(call, async () => {
      const question = {
        method: 'request',
        body: [this.group, name, body],
        read: asBytes,
        effect: 'once',
      } as const
      return this.requests.ask(this.gatewayOrThrow(), question, call).catch(error => this.failed(error))
    })
  }

  private freshnessFields({ consistency, atLeast }: Freshness): readonly unknown[] {
    return freshnessFields({ consistency, atLeast: Math.max(atLeast, this.seen) })
  }

  members(call: Call): Promise<MemberList> {
    return this.ask({ method: 'members', body: [this.group], read: asMembers }, call)
  }

  change(request: MemberRequest, call: Call): Promise<MemberList> {
    return this.retry(call, async isRetry => {
      const body = requestBody(this.group, request, isRetry)
      const question = { method: 'change', body, read: asMembers, effect: 'repeatable' } as const
      return this.askGateway(this.gatewayOrThrow(), question, call)
    })
  }

  status(): StoreStatus {
    const known = this.ownStatus()
    if (known !== undefined) return known
    return {
      group: this.group,
      role: 'client',
      leader: undefined,
      replica: 0,
      term: 0,
      commit: 0,
      applied: this.watches.revision,
      asleep: false,
      members: [],
      keys: 0,
    }
  }

  /** That host and no other: where the connection is lost, so is what it held. */
  private askAgain<Value>(gateway: HostId, question: Question<Value>, call: Call): Promise<Value> {
    return this.retry(call, async () => {
      this.check()
      return this.askGateway(gateway, question, call).catch(error => {
        throw isQuorateError(error, 'UNREACHABLE') ? viewExpired(error) : error
      })
    })
  }

  private closeView(gateway: HostId, id: number): void {
    const call = { deadline: this.clock.now() + attemptMs, signal: undefined }
    // A gateway that does not hear of it lets go of the view by itself.
    this.requests
      .ask(gateway, { method: 'view-close', body: id, read: () => undefined }, call)
      .catch(() => {})
  }

  private ask<Value>(question: Question<Value>, call: Call): Promise<Value> {
    return this.retry(call, async () => this.askGateway(this.gatewayOrThrow(), question, call))
  }

  /** After a pause, or as soon as there may be another gateway. */
  private retry<Value>(call: Call, attempt: (mayHaveWorked: boolean) => Promise<Value>): Promise<Value> {
    return retrying(this.clock, call, attempt, this.news)
  }

  private askGateway<Value>(gateway: HostId, question: Question<Value>, call: Call): Promise<Value> {
    const deadline = Math.min(call.deadline, this.clock.now() + attemptMs)
    const answer = this.requests.ask(gateway, question, { ...call, deadline })
    return answer.catch(error => this.failed(error))
  }

  /** Another gateway has the next turn. */
  private failed(error: unknown): never {
    this.failures += 1
    throw error
  }

  private gatewayOrThrow(): HostId {
    this.check()
    const gateways = this.gateways()
    const gateway = gateways[this.failures % gateways.length]
    if (gateway !== undefined) return gateway
    throw new QuorateError('UNREACHABLE', 'no host with a replica of the store is connected', {
      retryable: true,
    })
  }
}

function asSubmitted(answer: unknown) {
  const [result, inner, applied] = asArray(answer, 3)
  return { result: asResult(result), inner: asNatural(inner), applied: asNatural(applied) }
}

/**
 * The gateway may have handed the command on, even where nothing is heard of it. As the session makes it count once,
 * it can be asked for again for as long as the call lasts.
 */
function asRetried(error: unknown): unknown {
  if (!(error instanceof QuorateError)) return error
  const isLost = error.code === 'TIMEOUT' || error.code === 'UNREACHABLE'
  if (!isLost && error.outcome !== 'unknown') return error
  return new QuorateError(error.code, error.message, { retryable: true, outcome: 'unknown', cause: error })
}
