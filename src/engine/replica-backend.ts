import type { Clock } from '../clock/clock.ts'
import type { Proposal } from '../core/machine/command.ts'
import type { Machine } from '../core/machine/machine.ts'
import type { Revision } from '../core/types.ts'
import type { Backend, Freshness, LeaderRequest, Reader, ReadResult } from './backend.ts'
import type { Call } from './call.ts'
import type { Bounds } from './key-filter.ts'
import type { LeaderRequests } from './leader-requests.ts'
import { LocalReader } from './local-reader.ts'
import type { LogSlice } from './log-slice.ts'
import type { MemberRequest } from './member-request.ts'
import { type Membership, memberListOf } from './membership.ts'
import type { Answer } from './proposals.ts'
import { answerTo, type ReadQuery } from './read-query.ts'
import type { Replica } from './replica.ts'
import type { MemberList, StoreStatus } from './types.ts'
import type { ChangeSink, Feed } from './watchers.ts'

/** A Store over this host's own replica. */
export class ReplicaBackend implements Backend {
  private readonly replica: Replica
  private readonly membership: Membership
  private readonly leaderRequests: LeaderRequests
  private readonly wake: () => void
  /** Throws why the replica can serve nothing any more. */
  readonly check: () => void
  readonly status: () => StoreStatus
  private readonly clock: Clock

  constructor(
    replica: Replica,
    parts: {
      readonly clock: Clock
      readonly membership: Membership
      readonly leaderRequests: LeaderRequests
      readonly status: () => StoreStatus
      readonly wake: () => void
      readonly check: () => void
    },
  ) {
    this.replica = replica
    this.clock = parts.clock
    this.membership = parts.membership
    this.leaderRequests = parts.leaderRequests
    this.wake = parts.wake
    this.check = parts.check
    this.status = parts.status
  }

  submit(proposal: Proposal, call: Call): Promise<Answer> {
    try {
      this.checkApplying()
      return this.replica.proposals.submit(proposal, call)
    } catch (error) {
      return Promise.reject(error)
    } finally {
      this.wake()
    }
  }

  present({ consistency, atLeast }: Freshness): Machine | undefined {
    this.check()
    const { machine } = this.replica
    if (consistency === 'stale') return machine
    this.checkApplying()
    return consistency === 'session' && machine.appliedIndex >= atLeast ? machine : undefined
  }

  async read(query: ReadQuery, freshness: Freshness, call: Call): Promise<ReadResult> {
    await this.fresh(freshness, call)
    const { machine } = this.replica
    return { ...answerTo(query, machine), revision: machine.appliedIndex }
  }

  async view(freshness: Freshness, call: Call): Promise<Reader> {
    await this.fresh(freshness, call)
    return new LocalReader(this.replica.state, this.clock)
  }

  watch(bounds: Bounds, from: Revision | undefined, sink: ChangeSink): Feed {
    this.check()
    const { replica } = this
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
    this.checkApplying()
    const { replica } = this
    if (from === undefined) return replica.entries(replica.machine.appliedIndex + 1)
    await replica.reads.reached(from, call)
    return replica.entries(from)
  }

  request(request: LeaderRequest, call: Call): Promise<Uint8Array> {
    return this.leaderRequests.ask(this.replica, request, call)
  }

  async members(call: Call): Promise<MemberList> {
    await this.fresh({ consistency: 'linearizable', atLeast: 0 }, call)
    return memberListOf(this.replica)
  }

  async change(request: MemberRequest, call: Call): Promise<MemberList> {
    this.check()
    return this.membership.change(this.replica, request, call)
  }

  /** No async function: whatever is to be read waits here, and what there is already waits for nothing. */
  private fresh(freshness: Freshness, call: Call): Promise<void> | undefined {
    if (this.present(freshness) !== undefined) return undefined
    const { reads } = this.replica
    if (freshness.consistency === 'session') return reads.reached(freshness.atLeast, call)
    const done = reads.linearizable(call, freshness.consistency === 'lease')
    this.wake()
    return done
  }

  /** Nothing that is applied from now on shows here, or can answer, while the replica waits for a command. */
  private checkApplying(): void {
    this.check()
    const obstacle = this.replica.state.obstacle()
    if (obstacle !== undefined) throw obstacle
  }
}
