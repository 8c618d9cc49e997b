import type { Index, ReplicaId, Term } from '../types.ts'
import { applyConfChange, changeRefusal } from './conf-change.ts'
import type { RaftConfig } from './config.ts'
import { startElection } from './election.ts'
import { type Entries, packed } from './entry-list.ts'
import { transferLeadership } from './leader.ts'
import { blankMessage, type Message } from './message.ts'
import type { ProgressState } from './progress.ts'
import { draftChange, draftEntry, type ProposeResult, propose } from './proposal.ts'
import { Raft, type Role } from './raft.ts'
import { handleReadIndex } from './read-index.ts'
import { type Ready, ReadyQueue } from './ready.ts'
import { handleReachable, handleSnapshotStatus, handleUnreachable } from './replication.ts'
import { isAtRest, isAtRestBehind, leaderLost, resume } from './rest.ts'
import { type StepResult, stepPeer, storageAppended, storageApplied, tick } from './step.ts'
import type { ConfChange, ConfState } from './types.ts'

export type { Ready } from './ready.ts'

/** What a leader knows of one replica. */
export interface ReplicaProgress {
  readonly id: ReplicaId
  readonly match: Index
  readonly next: Index
  readonly state: ProgressState
  readonly isLearner: boolean
  /** False for learners and witnesses. */
  readonly mayLead: boolean
  readonly recentActive: boolean
  /** Only heartbeats go to it until it answers. */
  readonly isPaused: boolean
  /** The index of the snapshot it is being sent, or 0. */
  readonly pendingSnapshot: Index
  readonly inflightMessages: number
  readonly isInflightFull: boolean
}

export interface RaftStatus {
  readonly id: ReplicaId
  readonly term: Term
  readonly vote: ReplicaId
  readonly commit: Index
  readonly applied: Index
  readonly leader: ReplicaId
  readonly role: Role
  readonly conf: ConfState
  /** Ascending by id, the leader itself included; empty on any other role. */
  readonly progress: readonly ReplicaProgress[]
  readonly leadTransferee: ReplicaId
}

/**
 * One replica of one group: a state machine without clock, storage or network. Inputs are the calls below;
 * effects come out of `ready`. It behaves like etcd-io/raft's RawNode, whose transcripts it passes.
 *
 * After every input, while `hasReady()`: take `ready()` and carry it out; see `Ready` for the order.
 */
export class RaftNode {
  /** @internal What the simulator looks into. */
  readonly raft: Raft
  private readonly readyQueue: ReadyQueue

  constructor(config: RaftConfig) {
    this.raft = new Raft(config)
    this.readyQueue = new ReadyQueue(this.raft)
  }

  /** Time passes. */
  tick(): void {
    tick(this.raft)
  }

  /** So many ticks were not counted: the process was suspended, or the group slept. Never made up for by ticking. */
  resume(ticks: number): void {
    resume(this.raft, ticks)
  }

  /** The leader's host is known to be gone. */
  leaderLost(): void {
    leaderLost(this.raft)
  }

  /** Whether this replica leads, and neither it nor any replica that is there has anything left to do. */
  isAtRest(isHere: (id: ReplicaId) => boolean): boolean {
    return isAtRest(this.raft, isHere)
  }

  /** Whether this replica follows that leader and has applied everything up to `commit`, which is all there is. */
  isAtRestBehind(leader: { readonly from: ReplicaId; readonly term: Term; readonly commit: Index }): boolean {
    return isAtRestBehind(this.raft, leader)
  }

  /** A message of a peer, or a response of the local storage threads, arrives. */
  step(message: Message): StepResult {
    switch (message.type) {
      case 'MsgStorageAppendResp':
        storageAppended(this.raft, message)
        return 'ok'
      case 'MsgStorageApplyResp':
        storageApplied(this.raft, message)
        return 'ok'
      default:
        return stepPeer(this.raft, message)
    }
  }

  /**
   * Campaigns at once. False when it must not: it leads already, or is no voter, or has changes to apply
   * first.
   */
  campaign(): boolean {
    // A leader that reads by lease counts on this replica, which would vote for anybody once it campaigns
    // itself.
    if (this.raft.config.readOnly === 'lease' && this.raft.isInLease()) return false
    return startElection(this.raft, this.raft.config.preVote ? 'pre-election' : 'election')
  }

  /** Proposes entries that are to follow each other. */
  propose(data: readonly Uint8Array[]): ProposeResult {
    return propose(this.raft, packed(data.map(draftEntry)), this.raft.id)
  }

  /**
   * Proposes a membership change. One that the leader cannot make now is refused here, and appends nothing.
   * That includes every change before the leader's term has its first commit (Ongaro's fix of 2015 to thesis
   * §4.1; changes that take effect when they are applied do not need it, but then nobody has to rely on
   * that).
   */
  proposeConfChange(change: ConfChange): ProposeResult {
    const { raft } = this
    if (raft.role === 'leader') {
      const reason = raft.hasCommittedInTerm()
        ? changeRefusal(raft, change, raft.pendingConfIndex)
        : 'pending'
      if (reason !== null) return { type: 'refused', reason }
    }
    return propose(raft, packed([draftChange(change)]), raft.id)
  }

  /** To be called for every committed change when it is applied, in its place among the entries. */
  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.raft, change)
  }

  /**
   * Asks for an index that is not below any write acknowledged before now. It comes in `Ready.readStates`
   * with the same context; a read is linearizable once that index is applied. The answer may be lost, so ask
   * again after a while, with a context that was never used before, not even before a restart: a delayed
   * answer would be believed.
   */
  readIndex(context: number): 'accepted' | 'no-leader' {
    const { raft } = this
    if (raft.leader === 0) return 'no-leader'
    const isLeader = raft.role === 'leader'
    const request: Message = {
      ...blankMessage,
      type: 'MsgReadIndex',
      from: raft.id,
      to: raft.leader,
      context,
    }
    if (isLeader) handleReadIndex(raft, request)
    else raft.send(request)
    return 'accepted'
  }

  /**
   * Asks the leader to hand over to another voter. Given up after an election timeout; `leader` tells the
   * outcome.
   */
  transferLeadership(to: ReplicaId): void {
    const { raft } = this
    if (raft.role === 'leader') transferLeadership(raft, to)
    else stepPeer(raft, { ...blankMessage, type: 'MsgTransferLeader', from: to, to: raft.id })
  }

  /** A leader or candidate becomes a follower that knows of no leader; the term stays. For one that cannot serve. */
  stepDown(): void {
    if (this.raft.role !== 'follower') this.raft.becomeFollower(this.raft.term, 0)
  }

  /**
   * A follower forgets its leader, so that it grants votes at once; used when the leader is known to be gone.
   * Nothing happens on other roles, and with lease reads, whose promise it would break.
   */
  forgetLeader(): void {
    if (this.raft.role === 'follower' && this.raft.config.readOnly !== 'lease') this.raft.leader = 0
  }

  /** The replica can be heard, after it could not. */
  reportReachable(id: ReplicaId): void {
    const progress = this.leadersProgress(id)
    if (progress !== undefined) handleReachable(this.raft, progress)
  }

  /** The last message to the replica could not be delivered. */
  reportUnreachable(id: ReplicaId): void {
    const progress = this.leadersProgress(id)
    if (progress !== undefined) handleUnreachable(progress)
  }

  /** The snapshot for the replica was delivered, or could not be. */
  reportSnapshot(id: ReplicaId, ok: boolean): void {
    const progress = this.leadersProgress(id)
    if (progress !== undefined) handleSnapshotStatus(progress, !ok)
  }

  /** No snapshot is on its way any more, and nobody knows which of them were delivered. */
  snapshotsEnded(): void {
    for (const progress of this.raft.progress) handleSnapshotStatus(progress, true)
  }

  /** Entries of [from, end), cut at `bytesMax` but at least one; durable here or not. */
  entries(from: Index, end: Index, bytesMax: number): Entries | 'compacted' {
    return this.raft.log.slice(from, end, bytesMax)
  }

  hasReady(): boolean {
    return this.readyQueue.hasReady()
  }

  /**
   * Takes what is to be done. Without asynchronous storage writes `advance` must follow before the next one.
   */
  ready(): Ready {
    return this.readyQueue.take()
  }

  /** The last Ready was carried out. Only without asynchronous storage writes. */
  advance(): void {
    this.readyQueue.advance()
  }

  /** Replaces the election timeout that was drawn for this term. A preferred leader gets a shorter one. */
  setElectionTimeout(ticks: number): void {
    this.raft.electionTimeout = ticks
  }

  status(): RaftStatus {
    const { raft } = this
    const isLeader = raft.role === 'leader'
    return {
      id: raft.id,
      term: raft.term,
      vote: raft.vote,
      commit: raft.log.committed,
      applied: raft.log.applied,
      leader: raft.leader,
      role: raft.role,
      conf: raft.conf,
      progress: isLeader ? raft.progress.map(describeProgress) : [],
      leadTransferee: raft.leadTransferee,
    }
  }

  /** Payload that this leader appended and that is not yet applied. */
  get uncommittedBytes(): number {
    return this.raft.uncommittedBytes
  }

  private leadersProgress(id: ReplicaId) {
    return this.raft.role === 'leader' ? this.raft.progressOf(id) : undefined
  }
}

export function describeProgress(progress: Raft['progress'][number]): ReplicaProgress {
  return {
    id: progress.id,
    match: progress.match,
    next: progress.next,
    state: progress.state,
    isLearner: progress.isLearner,
    mayLead: progress.mayLead,
    recentActive: progress.recentActive,
    isPaused: progress.isPaused(),
    pendingSnapshot: progress.pendingSnapshot,
    inflightMessages: progress.inflights.count,
    isInflightFull: progress.inflights.isFull(),
  }
}
