import { unreachable } from '../../base/assert.ts'
import type { Index, ReplicaId } from '../types.ts'
import { Inflights } from './inflights.ts'
import { type MembershipChange, replicasOf } from './membership.ts'

/**
 * How a leader sends to a follower. 'probe': where the logs match is unknown, so one message at a time.
 * 'replicate': it is known, so messages are pipelined. 'snapshot': the entries it needs are compacted, so
 * nothing is sent until the snapshot has arrived.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

/** The bounds of the inflight window. */
export interface Window {
  readonly messagesMax: number
  readonly bytesMax: number
}

/** What a leader knows of one replica's log (`matchIndex` and `nextIndex` of the Raft paper, figure 2). */
export class Progress {
  readonly id: ReplicaId
  /** The highest index that the replica is known to hold durably. Invariant: match < next. */
  match: Index
  /** The index of the next entry to send. */
  next: Index
  state: ProgressState = 'probe'
  /** In state 'snapshot': the index of the snapshot that was sent. */
  pendingSnapshot: Index = 0
  /** Anything was heard of the replica since the last check of the quorum. */
  recentActive: boolean
  /** Nothing but heartbeats is sent until an answer arrives. */
  paused = false
  isLearner: boolean
  /** It is sent no values. */
  readonly isWitness: boolean
  readonly inflights: Inflights
  /** The highest commit index that was sent, so that an idle follower still hears of the last commit. */
  private sentCommit: Index = 0
  private readonly window: Window

  constructor(options: {
    readonly id: ReplicaId
    readonly match: Index
    readonly next: Index
    readonly isLearner: boolean
    readonly isWitness: boolean
    readonly recentActive: boolean
    readonly window: Window
  }) {
    this.id = options.id
    this.match = options.match
    this.next = options.next
    this.isLearner = options.isLearner
    this.isWitness = options.isWitness
    this.recentActive = options.recentActive
    this.window = options.window
    this.inflights = new Inflights(options.window.messagesMax, options.window.bytesMax)
  }

  /** The same replica, as the leader of a new term sees it: nothing is known. */
  restarted(match: Index, next: Index): Progress {
    const { id, isLearner, isWitness, window } = this
    return new Progress({ id, match, next, isLearner, isWitness, recentActive: false, window })
  }

  /** Whether the replica may become leader: whoever leads must vote, and hold the values of its log. */
  get mayLead(): boolean {
    return !this.isLearner && !this.isWitness
  }

  becomeProbe(): void {
    // A snapshot that was delivered ends at its index, whether or not the follower has said so.
    const next = this.state === 'snapshot' ? Math.max(this.match, this.pendingSnapshot) + 1 : this.match + 1
    this.enter('probe')
    this.next = next
    this.lowerSentCommit()
  }

  becomeReplicate(): void {
    this.enter('replicate')
    this.next = this.match + 1
  }

  becomeSnapshot(index: Index): void {
    this.enter('snapshot')
    this.pendingSnapshot = index
    this.next = index + 1
    this.sentCommit = index
  }

  /** No MsgApp may be sent now. */
  isPaused(): boolean {
    switch (this.state) {
      case 'probe':
      case 'replicate':
        return this.paused
      case 'snapshot':
        return true
      default:
        return unreachable(this.state)
    }
  }

  /** A MsgApp with `count` entries was sent. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === 'replicate') {
      if (count > 0) {
        this.next += count
        this.inflights.add(this.next - 1, bytes)
      }
      // An empty message goes out when the window is full (a probe after lost messages); then it pauses
      // again.
      this.paused = this.inflights.isFull()
    } else if (count > 0) {
      this.paused = true
    }
  }

  sentCommitIndex(commit: Index): void {
    this.sentCommit = commit
  }

  /** The follower would learn of a higher commit index from one more message. */
  canRaiseCommit(commit: Index): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1
  }

  /**
   * The follower acknowledged `index`. False when that is no news: acknowledgements may arrive in any order.
   */
  tryAdvance(index: Index): boolean {
    if (index <= this.match) return false
    this.match = index
    this.next = Math.max(this.next, index + 1)
    this.paused = false
    return true
  }

  /**
   * The follower rejected a MsgApp that followed `rejected`, and may match at `hint`. False when the
   * rejection is stale: in 'replicate' what is below `match` was settled since, otherwise only the last probe
   * counts.
   */
  tryRetreat(rejected: Index, hint: Index): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false
      this.next = this.match + 1
    } else {
      if (this.next - 1 !== rejected) return false
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1)
      this.paused = false
    }
    this.lowerSentCommit()
    return true
  }

  private enter(state: ProgressState): void {
    this.state = state
    this.paused = false
    this.pendingSnapshot = 0
    this.inflights.clear()
  }

  private lowerSentCommit(): void {
    this.sentCommit = Math.min(this.sentCommit, this.next - 1)
  }
}

/**
 * The progress of every replica of a new configuration: what is known of those that stay is kept. A new one
 * counts as active, or CheckQuorum could end the leadership before it had a chance to answer.
 */
export function progressAfter(
  known: readonly Progress[],
  { conf, renewed }: MembershipChange,
  options: { readonly next: Index; readonly window: Window },
): Progress[] {
  return replicasOf(conf).map(id => {
    const isLearner = conf.learners.includes(id)
    const progress = renewed.includes(id) ? undefined : known.find(each => each.id === id)
    if (progress === undefined) {
      const isWitness = conf.witnesses?.includes(id) === true
      return new Progress({ id, match: 0, isLearner, isWitness, recentActive: true, ...options })
    }
    progress.isLearner = isLearner
    return progress
  })
}
