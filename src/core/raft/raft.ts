import { assert } from '../../base/assert.ts'
import type { Index, ReplicaId, Term } from '../types.ts'
import { assertConfig, type RaftConfig } from './config.ts'
import type { MembershipChange } from './membership.ts'
import type { Message } from './message.ts'
import { type Progress, progressAfter, type Window } from './progress.ts'
import { RaftLog } from './raft-log.ts'
import { ReadQueue } from './read-queue.ts'
import type { ConfState, HardState } from './types.ts'

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

/** A read that was asked of this replica may be served once `index` is applied. */
export interface ReadState {
  readonly index: Index
  readonly context: number
}

/**
 * What one replica holds in memory (Raft paper, figure 2), and the transitions that every role shares. The
 * rules by which it changes are functions in the files named after them: election, replication, proposal, and
 * so on.
 */
export class Raft {
  readonly config: RaftConfig
  readonly id: ReplicaId
  readonly log: RaftLog
  term: Term
  /** The candidate that got this replica's vote in `term`, or 0. */
  vote: ReplicaId
  role: Role = 'follower'
  /** The leader of `term` as far as it is known, or 0. */
  leader: ReplicaId = 0
  conf: ConfState
  /**
   * One for each replica of `conf`, ascending by id; what it says of match and next counts on a leader only.
   */
  progress: readonly Progress[] = []
  /** Votes that a candidate got. The first one of each voter counts. */
  readonly votes = new Map<ReplicaId, boolean>()
  /** The replica that leadership is being handed to, or 0. */
  leadTransferee: ReplicaId = 0
  /**
   * The index of the last membership change in the log, or higher. Only one may be in the log and not yet
   * applied: a second one could choose voters that have no majority in common with the first (Raft thesis
   * §4.1).
   */
  pendingConfIndex: Index = 0
  /**
   * On a leader: the index of its first entry. Not told by terms, which a founding snapshot may share with
   * it.
   */
  firstIndexOfTerm: Index = 0
  /** Payload that this leader appended and that is not yet applied. */
  uncommittedBytes = 0
  /**
   * This term's leader told another replica to campaign in spite of its lease, so reads by lease are over:
   * the order may still be on its way after the transfer was given up.
   */
  isLeaseVoid = false
  /** The leader of this term told this replica to campaign, and it has changes to apply before. */
  isCalled = false
  reads: ReadQueue
  /** Reads that came before this leader committed an entry of its own term (Raft thesis §6.4, step 1). */
  earlyReads: Message[] = []
  readStates: ReadState[] = []
  /** Messages that may leave at once. */
  outbox: Message[] = []
  /** Promises: they may leave only when everything this replica holds now is durable. */
  outboxAfterAppend: Message[] = []
  /** Ticks since this replica became leader. */
  leaderTicks = 0
  /**
   * Before its restart this replica may have answered a leader that counts on its lease, so until an election
   * timeout has passed it votes as if it had just heard one.
   */
  mayOweLease = false
  /** Ticks since the last sign of a leader; on a leader, since the last check of the quorum. */
  electionElapsed = 0
  heartbeatElapsed = 0
  /** Drawn anew for every term, so that split votes do not repeat (Raft paper §5.2). */
  electionTimeout = 0
  private readonly window: Window
  private readonly matchOf = (id: ReplicaId): Index => this.progressOf(id)?.match ?? 0

  constructor(config: RaftConfig) {
    assertConfig(config)
    this.config = config
    this.id = config.id
    this.window = { messagesMax: config.inflightMessagesMax, bytesMax: config.inflightBytesMax }
    this.reads = new ReadQueue(config.id)
    this.log = new RaftLog(config.log, config.committedBytesMax)
    const { hardState, conf } = config.log.initialState()
    this.term = hardState.term
    this.vote = hardState.vote
    // What was applied was committed, even when the stored commit index, which may lag behind, does not say
    // so.
    this.log.commitTo(Math.max(hardState.commit, config.applied))
    if (config.applied > this.log.applied) this.log.appliedTo(config.applied, 0)
    this.mayOweLease = config.readOnly !== 'safe' && hardState.term > 0
    this.conf = conf
    this.setConfiguration({ conf, renewed: [] })
    this.becomeFollower(this.term, 0)
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed }
  }

  progressOf(id: ReplicaId): Progress | undefined {
    // A handful of replicas: a scan is faster than a Map and allocates nothing.
    for (const progress of this.progress) if (progress.id === id) return progress
    return undefined
  }

  /** Reads how far a voter's log is known to match; handed to the quorum. */
  get matches(): (id: ReplicaId) => Index {
    return this.matchOf
  }

  /**
   * Heard a leader less than an election timeout ago, and does not help to depose it (Raft thesis §4.2.3).
   */
  isInLease(): boolean {
    const { checkQuorum, electionTicks } = this.config
    return checkQuorum && (this.leader !== 0 || this.mayOweLease) && this.electionElapsed < electionTicks
  }

  /** Before that, a leader may not know of everything that was committed in earlier terms. */
  hasCommittedInTerm(): boolean {
    return this.log.committed >= this.firstIndexOfTerm
  }

  /** May become leader: a voter of its own configuration that keeps values, and is not installing a snapshot. */
  isPromotable(): boolean {
    const own = this.progressOf(this.id)
    return own?.mayLead === true && this.log.unstable.snapshot === null
  }

  send(message: Message): void {
    assert(message.to !== this.id, 'a message to the own replica would wait for nothing durable')
    this.outbox.push(message)
  }

  /**
   * Sends, even to the own replica, once what it promises is durable (Raft paper §5.1: "before responding").
   */
  sendAfterAppend(message: Message): void {
    this.outboxAfterAppend.push(message)
  }

  becomeFollower(term: Term, leader: ReplicaId): void {
    this.reset(term)
    this.role = 'follower'
    this.leader = leader
  }

  /**
   * Forgets what belonged to the role. The vote is kept within a term: clearing it would allow a second one.
   */
  reset(term: Term): void {
    if (this.term !== term) {
      this.term = term
      this.vote = 0
    }
    this.leader = 0
    this.electionElapsed = 0
    this.heartbeatElapsed = 0
    const { electionTicks, random } = this.config
    this.electionTimeout = electionTicks + Math.floor(random() * electionTicks)
    this.leadTransferee = 0
    this.isCalled = false
    this.votes.clear()
    const last = this.log.lastIndex()
    this.progress = this.progress.map(each => each.restarted(each.id === this.id ? last : 0, last + 1))
    this.pendingConfIndex = 0
    this.uncommittedBytes = 0
    this.isLeaseVoid = false
    this.reads = new ReadQueue(this.id)
    this.leaderTicks = 0
    this.earlyReads = []
  }

  /** Makes the change's result the configuration to act by. */
  setConfiguration(change: MembershipChange): void {
    const next = Math.max(this.log.lastIndex(), 1)
    this.progress = progressAfter(this.progress, change, { next, window: this.window })
    this.conf = change.conf
  }
}
