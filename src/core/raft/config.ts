import { assert } from '../../base/assert.ts'
import type { Random } from '../../base/random.ts'
import type { Index, ReplicaId } from '../types.ts'
import type { LogStorage } from './log-storage.ts'

/**
 * How a leader answers reads. 'safe': after a round of heartbeats. 'lease': at once, while a quorum has
 * answered a heartbeat that left less than half an election timeout ago; right only where no voter's clock
 * runs a third faster than the leader's, and the leader's does not stand still (Raft thesis §6.4.1). Without
 * a lease it is as 'safe'. 'asked': so for the reads that ask for it, and 'safe' for the others.
 */
export type ReadOnlyMode = 'safe' | 'lease' | 'asked'

export interface RaftConfig {
  /** The number of this replica; positive. */
  readonly id: ReplicaId
  /** The durable log, with the hard state and configuration to start from. */
  readonly log: LogStorage
  /** The index that the state machine already holds, at least that of the snapshot it was restored from. */
  readonly applied: Index
  /** A follower campaigns after electionTicks to 2 * electionTicks - 1 ticks without a leader. */
  readonly electionTicks: number
  /** A leader sends heartbeats every heartbeatTicks; less than electionTicks. */
  readonly heartbeatTicks: number
  /** Draws the election timeouts. */
  readonly random: Random
  /** Storage and state machine are told by messages and answer by messages; `advance` is not used. */
  readonly asyncStorageWrites: boolean
  /**
   * With asynchronous storage writes: hands out entries to apply as soon as they are committed, also while the local
   * disk is still writing them. Safe, because a quorum has them; right where the state machine lives in memory and
   * starts from a snapshot, wrong where it keeps an applied index of its own that could get ahead of the log.
   */
  readonly applyUnstable?: boolean
  /**
   * With asynchronous storage writes: asks for votes while the own term and vote are still being written, as etcd does.
   * For its transcripts alone: a crash at that moment can make two leaders of one term.
   */
  readonly earlyVoteRequests?: boolean
  /**
   * Asks before it campaigns whether it could win, so that a cut-off replica disturbs nobody (Raft thesis
   * §9.6).
   */
  readonly preVote: boolean
  /**
   * A leader that hears no quorum steps down, and followers that hear a leader refuse to vote (Raft thesis
   * §6.2).
   */
  readonly checkQuorum: boolean
  /** All but 'safe' need checkQuorum, and bind voters to their promises: alike on all replicas. */
  readonly readOnly: ReadOnlyMode
  /** Entries of one MsgApp. One entry always passes. */
  readonly appendBytesMax: number
  /** MsgApp on their way to one follower, by count and by bytes. */
  readonly inflightMessagesMax: number
  readonly inflightBytesMax: number
  /** Payload that may wait for its commit on a leader. One proposal always passes. */
  readonly uncommittedBytesMax: number
  /** Entries handed out to be applied and not yet applied. One entry always passes. */
  readonly committedBytesMax: number
  /** A follower refuses proposals instead of sending them to the leader. */
  readonly disableProposalForwarding: boolean
  /** A leader that its own group removed or demoted stops leading at once. */
  readonly stepDownOnRemoval: boolean
  /** Lets the log take membership changes that cannot be made now. For tests of what follows from that. */
  readonly disableConfChangeValidation?: boolean
}

export function assertConfig(config: RaftConfig): void {
  assert(config.id > 0, 'a replica id is positive')
  assert(config.heartbeatTicks > 0, 'heartbeatTicks must be positive')
  assert(config.electionTicks > config.heartbeatTicks, 'electionTicks must be above heartbeatTicks')
  assert(config.inflightMessagesMax > 0, 'the inflight window must hold a message')
  assert(config.inflightBytesMax >= config.appendBytesMax, 'the inflight window must hold a whole message')
  assert(config.readOnly === 'safe' || config.checkQuorum, 'lease reads need checkQuorum')
}
