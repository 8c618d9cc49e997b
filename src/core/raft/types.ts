import type { QuorumSets } from '../quorum.ts'
import type { Index, ReplicaId, Term } from '../types.ts'

/** 'stripped': what a witness gets in place of a normal entry that has data: its position, and no data. */
export type EntryType = 'normal' | 'conf-change' | 'stripped'

/** One position of the replicated log. Immutable once made. */
export interface Entry {
  readonly term: Term
  readonly index: Index
  readonly type: EntryType
  /** Opaque to Raft. Empty for the no-op that a new leader appends and for membership changes. */
  readonly data: Uint8Array
  /** Present exactly when `type` is 'conf-change'. */
  readonly change: ConfChange | null
}

/**
 * One step of a membership change. 'update' changes nothing in the quorum; it carries the change's context
 * only.
 */
export interface ConfChangeStep {
  readonly type: 'add-voter' | 'add-learner' | 'remove' | 'update'
  readonly replica: ReplicaId
  /** The replica is new, and a witness for as long as it is a member: its log has gaps that nothing can fill. */
  readonly witness?: true
}

/**
 * A membership change (Raft thesis §4.3). 'auto' uses joint consensus only when more than one voter changes,
 * and leaves it by itself; the two joint transitions force it. No steps at all: leave the joint
 * configuration.
 */
export interface ConfChange {
  readonly transition: 'auto' | 'joint-implicit' | 'joint-explicit'
  readonly steps: readonly ConfChangeStep[]
  /**
   * What decides once the change is in force (see `Quorum`), in force behind a joint configuration only. Without it the
   * present rule stays as long as the voters stay, else majorities decide.
   */
  readonly quorums?: QuorumSets
  /** Opaque to Raft: what the state machine learns when the change is applied. */
  readonly context: Uint8Array
}

/** The configuration of a group. `votersOutgoing` is empty unless a joint change is under way. */
export interface ConfState {
  readonly voters: readonly ReplicaId[]
  readonly learners: readonly ReplicaId[]
  readonly votersOutgoing: readonly ReplicaId[]
  /** Voters of the outgoing configuration that become learners when it is left. */
  readonly learnersNext: readonly ReplicaId[]
  readonly autoLeave: boolean
  /**
   * Voters and learners that keep no values. A witness votes and acknowledges by the positions in its log alone; it
   * never leads. Absent: none.
   */
  readonly witnesses?: readonly ReplicaId[]
  /** Absent: majorities decide. See `Quorum`. */
  readonly quorums?: QuorumSets
  readonly quorumsOutgoing?: QuorumSets
}

/** What must be durable before a replica may answer (Raft paper, figure 2: "persistent state"). */
export interface HardState {
  readonly term: Term
  /** 0: no vote in this term. */
  readonly vote: ReplicaId
  readonly commit: Index
}

/** The state machine and the configuration at `index`. The data lies with the engine, not with Raft. */
export interface Snapshot {
  readonly index: Index
  readonly term: Term
  readonly conf: ConfState
}
