import type { Proposal } from '../core/machine/command.ts'
import type { Revision } from '../core/types.ts'
import type { Backend, Freshness, LeaderRequest, ReadResult, ScanQuery } from './backend.ts'
import type { Call } from './call.ts'
import { type Bounds, keyFilter } from './key-filter.ts'
import type { LeaderRequests } from './leader-requests.ts'
import type { LogSlice } from './log-slice.ts'
import type { MemberRequest } from './member-request.ts'
import { type Membership, memberListOf } from './membership.ts'
import type { Answer } from './proposals.ts'
import type { Replica } from './replica.ts'
import type { MemberList, StoreStatus } from './types.ts'
import type { ChangeSink } from './watchers.ts'

/** A Store over this host's own replica. */
export class ReplicaBackend implements Backend {
  /** Another one where that had to make room: each call works on the one that it began with. */
  replica: Replica
  private readonly membership: Membership
  private readonly leaderRequests: LeaderRequests
  private readonly wake: (replica: Replica) => void
  /** Throws why the replica can serve nothing any more. */
  private readonly check: (replica: Replica) => void

  constructor(
    replica: Replica,
    parts: {
      readonly membership: Membership
      readonly leaderRequests: LeaderRequests
      readonly wake: (replica: Replica) => void
      readonly check: (replica: Replica) => void
    },
  ) {
    this.replica = replica
    this.membership = parts.membership
    this.leaderRequests = parts.leaderRequests
    this.wake = parts.wake
    this.check = parts.check
  }

  submit(proposal: Proposal, call: Call): Promise<Answer> {
    try {
      return this.checked().proposals.submit(proposal, call)
    } catch (error) {
      return Promise.reject(error)
    } finally {
      this.wake(this.replica)
    }
  }

  async get(key: string, freshness: Freshness, call: Call): Promise<ReadResult> {
    const { machine } = await this.fresh(freshness, call)
    const item = machine.get(key)
    return { items: item === undefined ? [] : [item], revision: machine.appliedIndex }
  }

  async scan(query: ScanQuery, freshness: Freshness, call: Call): Promise<ReadResult> {
    const { machine } = await this.fresh(freshness, call)
    const { bounds, limit, reverse } = query
    const view = machine.view()
    return { items: [...view.scan({ ...bounds, limit, reverse })], revision: view.revision }
  }

  watch(bounds: Bounds, from: Revision | undefined, sink: ChangeSink): () => void {
    const { machine, watchers } = this.checked()
    return watchers.add(machine.history, keyFilter(bounds), from ?? machine.appliedIndex + 1, sink)
  }

  async entries(from: Revision | undefined, call: Call): Promise<LogSlice> {
    const replica = this.checked()
    if (from === undefined) return replica.entries(replica.machine.appliedIndex + 1)
    await replica.reads.reached(from, call)
    return replica.entries(from)
  }

  request(request: LeaderRequest, call: Call): Promise<Uint8Array> {
    return this.leaderRequests.ask(this.replica, request, call)
  }

  async members(call: Call): Promise<MemberList> {
    return memberListOf(await this.fresh({ consistency: 'linearizable', atLeast: 0 }, call))
  }

  async change(request: MemberRequest, call: Call): Promise<MemberList> {
    return this.membership.change(this.checked(), request, call)
  }

  status(): StoreStatus {
    return this.replica.status()
  }

  private checked(): Replica {
    this.check(this.replica)
    return this.replica
  }

  /** The replica, once it is as fresh as that. */
  private async fresh({ consistency, atLeast }: Freshness, call: Call): Promise<Replica> {
    const replica = this.checked()
    if (consistency === 'session') await replica.reads.reached(atLeast, call)
    if (consistency === 'linearizable') {
      const done = replica.reads.linearizable(call)
      this.wake(replica)
      await done
    }
    return replica
  }
}
