import type { Proposal } from '../core/machine/command.ts'
import type { Machine } from '../core/machine/machine.ts'
import type { View } from '../core/machine/view.ts'
import type { HostId, Revision } from '../core/types.ts'
import type { Call } from './calls/call.ts'
import type { MemberRequest } from './membership/member-request.ts'
import type { Bounds } from './query/key-filter.ts'
import type { LogSlice } from './query/log-slice.ts'
import type { ReadAnswer, ReadQuery } from './query/read-query.ts'
import type { Answer } from './replica/proposals.ts'
import type { ChangeSink, Feed } from './replica/watchers.ts'
import type { Consistency, MemberList, StoreStatus } from './types.ts'

/** How fresh a read must be. */
export interface Freshness {
  readonly consistency: Consistency
  /** For 'session': the latest revision that the reader has seen. */
  readonly atLeast: Revision
}

/** What came of a read, and the revision of the state it was read from. */
export interface ReadResult extends ReadAnswer {
  readonly revision: Revision
}

/** A state as it was at one revision, here or on another host. */
export interface Reader {
  readonly revision: Revision
  /** The state itself, where it is here. Throws why it may not be looked at any more. */
  readonly state: View | undefined
  read(query: ReadQuery, call: Call): Promise<ReadAnswer>
  close(): void
}

/** A question to the leader's application. */
export interface LeaderRequest {
  readonly name: string
  /** An encoded value, as is the reply. */
  readonly body: Uint8Array
  /** The host in whose name it is asked. */
  readonly from: HostId
}

/**
 * What a Store works on: a replica of this host, or another host's through the network. Values are encoded bytes here.
 * Every promise settles by the call's deadline.
 */
export interface Backend {
  submit(proposal: Proposal, call: Call): Promise<Answer>
  /** Throws why nothing can be served any more. */
  check(): void
  /** The state of this host, where it is fresh enough already. Throws why nothing can be read. */
  present(freshness: Freshness): Machine | undefined
  read(query: ReadQuery, freshness: Freshness, call: Call): Promise<ReadResult>
  view(freshness: Freshness, call: Call): Promise<Reader>
  /** Begins at `from`; where that is undefined with what comes after the call, and after `seen`. */
  watch(bounds: Bounds, from: Revision | undefined, sink: ChangeSink, seen?: Revision): Feed
  /**
   * Waits for entries of the log from `from` on; may come back without any. Where `from` is undefined it comes back at
   * once, with the place behind what is applied now.
   */
  entries(from: Revision | undefined, call: Call): Promise<LogSlice>
  /** Runs the leader's handler once at most. */
  request(request: LeaderRequest, call: Call): Promise<Uint8Array>
  members(call: Call): Promise<MemberList>
  change(request: MemberRequest, call: Call): Promise<MemberList>
  status(): StoreStatus
}
