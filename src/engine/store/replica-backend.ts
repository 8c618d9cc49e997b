import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import type { Proposal } from '../../core/machine/command.ts'
import type { Machine } from '../../core/machine/machine.ts'
import type { Revision } from '../../core/types.ts'
import type { Backend, Freshness, LeaderRequest, Reader, ReadResult } from '../backend.ts'
import type { Call } from '../calls/call.ts'
import type { LeaderRequests } from '../host/leader-requests.ts'
import type { MemberRequest } from '../membership/member-request.ts'
import { type Membership, memberListOf } from '../membership/membership.ts'
import type { Bounds } from '../query/key-filter.ts'
import type { LogSlice } from '../query/log-slice.ts'
import { answerTo, type ReadQuery } from '../query/read-query.ts'
import type { Answer } from '../replica/proposals.ts'
import type { Replica } from '../replica/replica.ts'
import type { ChangeSink, Feed } from '../replica/watchers.ts'
import { LocalReader } from '../transactions/local-reader.ts'
import type { MemberList, StoreStatus } from '../types.ts'

/** A Store over this host's own replica. */
export class ReplicaBackend implements Backend {
  replica: Replica
  /** A store's own, which works on another replica where the first one made room. */
  private readonly isLasting: boolean
  /** Watches whose replica made room: they go on behind what they told. */
  private readonly moving = new Set<() => void>()
  private readonly membership: Membership
  private readonly leaderRequests: LeaderRequests
  private readonly wake: (replica: Replica) => void
  /** Throws why the replica can serve nothing any more. */
  private readonly checkReplica: (replica: Replica) => void
  private readonly statusOf: (replica: Replica) => StoreStatus
  private readonly clock: Clock

  constructor(
    replica: Replica,
    parts: {
      readonly clock: Clock
      readonly membership: Membership
      readonly leaderRequests: LeaderRequests
      readonly isLasting: boolean
      readonly status: (replica: Replica) => StoreStatus
      readonly wake: (replica: Replica) => void
      readonly check: (replica: Replica) => void
    },
  ) {
    this.replica = replica
    this.isLasting = parts.isLasting
    this.clock = parts.clock
    this.membership = parts.membership
    this.leaderRequests = parts.leaderRequests
    this.wake = parts.wake
    this.checkReplica = parts.check
    this.statusOf = parts.status
  }

  /** Works on that replica from now on; each call goes on with the one that it began with. */
  serve(replica: Replica): void {
    this.replica = replica
    for (const goOn of [...this.moving]) goOn()
  }

  submit(proposal: Proposal, call: Call): Promise<Answer> {
    try {
      return this.applying().proposals.submit(proposal, call)
    } catch (error) {
      return Promise.reject(error)
    } finally {
      this.wake(this.replica)
    }
  }

  check(): void {
    this.checkReplica(this.replica)
  }

  present(freshness: Freshness): Machine | undefined {
    return this.presentIn(this.replica, freshness)
  }

  async read(query: ReadQuery, freshness: Freshness, call: Call): Promise<ReadResult> {
    const { replica } = this
    await this.fresh(replica, freshness, call)
    const { machine } = replica
    return { ...answerTo(query, machine), revision: machine.appliedIndex }
  }

  async view(freshness: Freshness, call: Call): Promise<Reader> {
    const { replica } = this
    await this.fresh(replica, freshness, call)
    return new LocalReader(replica.state, this.clock)
  }

  watch(bounds: Bounds, from: Revision | undefined, sink: ChangeSink): Feed {
    const ended = (error: QuorateError | undefined) => {
      if (this.isLasting && error?.code === 'NOT_MEMBER') this.moving.add(goOn)
      else sink.end(error)
    }
    const open = (first: Revision | undefined) =>
      this.feed(bounds, first, { changes: (...told) => sink.changes(...told), end: ended })
    const goOn = () => {
      this.moving.delete(goOn)
      try {
        feed = open(feed.revision + 1)
      } catch (error) {
        if (!(error instanceof QuorateError)) throw error
        ended(error)
      }
    }
    let feed = open(from)
    return {
      stop: () => {
        if (this.moving.delete(goOn)) sink.end(undefined)
        else feed.stop()
      },
      get revision() {
        return feed.revision
      },
      get isConnected() {
        return feed.isConnected
      },
    }
  }

  private feed(bounds: Bounds, from: Revision | undefined, sink: ChangeSink): Feed {
    const replica = this.checked()
    const { machine, watchers } = replica
    const first = from ?? machine.appliedIndex + 1
    return {
      stop: watchers.add(machine.history, bounds, first, sink),
      get revision() {
        return Math.max(first - 1, watchers.told)
      },
      get isConnected() {
        return replica.leader !== undefined && !replica.state.isBlocked
      },
    }
  }

  async entries(from: Revision | undefined, call: Call): Promise<LogSlice> {
    const replica = this.applying()
    if (from === undefined) return replica.entries(replica.machine.appliedIndex + 1)
    await replica.reads.reached(from, call)
    return replica.entries(from)
  }

  request(request: LeaderRequest, call: Call): Promise<Uint8Array> {
    return this.leaderRequests.ask(this.replica, request, call)
  }

  async members(call: Call): Promise<MemberList> {
    const { replica } = this
    await this.fresh(replica, { consistency: 'linearizable', atLeast: 0 }, call)
    return memberListOf(replica)
  }

  async change(request: MemberRequest, call: Call): Promise<MemberList> {
    return this.membership.change(this.checked(), request, call)
  }

  status(): StoreStatus {
    return this.statusOf(this.replica)
  }

  private presentIn(replica: Replica, { consistency, atLeast }: Freshness): Machine | undefined {
    this.checkReplica(replica)
    const { machine } = replica
    if (consistency === 'stale') return machine
    checkApplying(replica)
    return consistency === 'session' && machine.appliedIndex >= atLeast ? machine : undefined
  }

  /** No async function: whatever is to be read waits here, and what there is already waits for nothing. */
  private fresh(replica: Replica, freshness: Freshness, call: Call): Promise<void> | undefined {
    if (this.presentIn(replica, freshness) !== undefined) return undefined
    const { reads } = replica
    if (freshness.consistency === 'session') return reads.reached(freshness.atLeast, call)
    const done = reads.linearizable(call, freshness.consistency === 'lease')
    this.wake(replica)
    return done
  }

  private checked(): Replica {
    this.checkReplica(this.replica)
    return this.replica
  }

  private applying(): Replica {
    checkApplying(this.checked())
    return this.replica
  }
}

/** Nothing that is applied from now on shows here, or can answer, while the replica waits for a command. */
function checkApplying({ state }: Replica): void {
  const obstacle = state.obstacle()
  if (obstacle !== undefined) throw obstacle
}
