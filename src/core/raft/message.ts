import type { Index, ReplicaId, Term } from '../types.ts'
import { type Entries, noEntries } from './entry-list.ts'
import type { Snapshot } from './types.ts'

/**
 * The names of etcd-io/raft, so that its transcripts read alike. What a replica tells only itself (to
 * campaign, to send heartbeats, to check its quorum) is a method here, not a message: no peer can send it.
 */
export type MessageType =
  | 'MsgProp'
  | 'MsgApp'
  | 'MsgAppResp'
  | 'MsgVote'
  | 'MsgVoteResp'
  | 'MsgPreVote'
  | 'MsgPreVoteResp'
  | 'MsgSnap'
  | 'MsgHeartbeat'
  | 'MsgHeartbeatResp'
  | 'MsgTransferLeader'
  | 'MsgTimeoutNow'
  | 'MsgReadIndex'
  | 'MsgReadIndexResp'
  | 'MsgStorageAppend'
  | 'MsgStorageAppendResp'
  | 'MsgStorageApply'
  | 'MsgStorageApplyResp'

/** Everything that goes into a replica and comes out of it. One shape, all fields always present. */
export interface Message {
  readonly type: MessageType
  readonly from: ReplicaId
  readonly to: ReplicaId
  /**
   * The sender's term. 0 in what has no term: requests that any leader may serve, and orders to the apply
   * thread.
   */
  readonly term: Term
  /** The term of the log position `index`. */
  readonly logTerm: Term
  readonly index: Index
  readonly commit: Index
  /** Only in MsgStorageAppend: the vote of the hard state to store. */
  readonly vote: ReplicaId
  readonly entries: Entries
  readonly snapshot: Snapshot | null
  readonly reject: boolean
  /** In a rejected MsgAppResp: the highest index at which the follower's log may match the leader's. */
  readonly rejectHint: Index
  /**
   * In a read and its answer: the number that the asking replica gave it. In a heartbeat and its answer: the
   * number of the leader's round of heartbeats, by which reads are confirmed. 0: none.
   */
  readonly context: number
  /**
   * In a vote request: the leader itself asked for this election, so its lease is no reason to refuse. In a read: the
   * leader's lease is proof enough that it leads.
   */
  readonly force: boolean
  /** Only in MsgStorageAppend and MsgStorageApply: what to deliver when the order has been carried out. */
  readonly responses: readonly Message[]
}

/** The pseudo replica that carries out MsgStorageAppend: makes entries, hard state and snapshot durable. */
export const localAppendThread: ReplicaId = -1

/** The pseudo replica that carries out MsgStorageApply: applies committed entries to the state machine. */
export const localApplyThread: ReplicaId = -2

export function isLocalThread(replica: ReplicaId): boolean {
  return replica === localAppendThread || replica === localApplyThread
}

/**
 * A message that says nothing yet. Copying it gives every message one hidden class, so access stays
 * monomorphic.
 */
export const blankMessage: Message = {
  type: 'MsgApp',
  from: 0,
  to: 0,
  term: 0,
  logTerm: 0,
  index: 0,
  commit: 0,
  vote: 0,
  entries: noEntries,
  snapshot: null,
  reject: false,
  rejectHint: 0,
  context: 0,
  force: false,
  responses: [],
}

/**
 * True for what passes between a replica and its own storage; such a message is never accepted from a peer.
 */
export function isLocalMessage(type: MessageType): boolean {
  switch (type) {
    case 'MsgStorageAppend':
    case 'MsgStorageAppendResp':
    case 'MsgStorageApply':
    case 'MsgStorageApplyResp':
      return true
    default:
      return false
  }
}

/** True for answers: a leader takes them only from replicas of its configuration. */
export function isResponseMessage(type: MessageType): boolean {
  switch (type) {
    case 'MsgAppResp':
    case 'MsgVoteResp':
    case 'MsgPreVoteResp':
    case 'MsgHeartbeatResp':
    case 'MsgReadIndexResp':
    case 'MsgStorageAppendResp':
    case 'MsgStorageApplyResp':
      return true
    default:
      return false
  }
}
