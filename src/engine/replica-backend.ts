import type { Proposal } from '../core/machine/command.ts'
import type { Revision } from '../core/types.ts'
import type { Backend, Freshness, LeaderRequest, ReadResult, ScanQuery } from './backend.ts'
import type { Call } from './call.ts'
import { unknownCommand } from './closed.ts'
import { type Bounds, keyFilter } from './key-filter.ts'
import type { LeaderRequests } from './leader-requests.ts'
import type { LogSlice } from './log-slice.ts'
import type { MemberRequest } from './member-request.ts'
import { type Membership, memberListOf } from './membership.ts'
import type { Answer } from './proposals.ts'
import type { Replica } from './replica.ts'
import { replicaStatus } from './replica-status.ts'
import type { MemberList, StoreStatus } from './types.ts'
import type { ChangeSink } from './watchers.ts'

/** A Store over this host's own replica. */
export class ReplicaBackend implements Backend {
  private readonly replica: Replica
  private readonly membership: Membership
  private readonly leaderRequests: LeaderRequests
  private readonly wake: () => void
  /** Throws why the replica can serve nothing any more. */
  private readonly check: () => void

  constructor(
    replica: Replica,
    parts: {
      readonly membership: Membership
      readonly leaderRequests: LeaderRequests
      readonly wake: () => void
      readonly check: () => void
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
      this.checkApplying()
      return this.replica.proposals.submit(proposal, call)
    } catch (error) {
      return Promise.reject(error)
    } finally {
      this.wake()
    }
  }

  async get(key: string, freshness: Freshness, call: Call): Promise<ReadResult> {
    await this.fresh(freshness, call)
    const { machine } = this.replica
    const item = machine.get(key)
    return { items: item === undefined ? [] : [item], revision: machine.appliedIndex }
  }

  async scan(query: ScanQuery, freshness: Freshness, call: Call): Promise<ReadResult> {
    await this.fresh(freshness, call)
    const { bounds, limit, reverse } = query
    const view = this.replica.machine.view()
    return { items: [...view.scan({ ...bounds, limit, reverse })], revision: view.revision }
  }

  watch(bounds: Bounds, from: Revision | undefined, sink: ChangeSink): () => void {
    this.check()
    const { machine, watchers } = this.replica
    return watchers.add(machine.history, keyFilter(bounds), from ?? machine.appliedIndex + 1, sink)
  }

  async entries(from: Revision | undefined, call: Call): Promise<LogSlice> {
    this.check()
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

  status(): StoreStatus {
    return replicaStatus(this.replica)
  }

  private async fresh({ consistency, atLeast }: Freshness, call: Call): Promise<void> {
    this.check()
    if (consistency === 'stale') return
    this.checkApplying()
    const { reads } = this.replica
    if (consistency === 'session') return reads.reached(atLeast, call)
    const done = reads.linearizable(call)
    this.wake()
    await done
  }

  /** Nothing that is applied from now on shows here, or can answer, while the replica waits for a command. */
  private checkApplying(): void {
    this.check()
    const { unknownCommand: name } = this.replica.state
    if (name !== undefined) throw unknownCommand(name)
  }
}
