import { QuorateError } from '../../core/error.ts'
import { pendingReadsMax } from '../../core/limits.ts'
import type { Index } from '../../core/types.ts'
import { type Call, Pending } from '../calls/call.ts'

interface Round {
  readonly byLease: boolean
  readonly reads: readonly Pending<void>[]
  readonly askedAt: number
}

interface Confirmed {
  readonly index: Index
  readonly reads: readonly Pending<void>[]
}

export interface ReadRoute {
  /**
   * Asks the leader to confirm itself, by its lease if it has one and may; the answer comes with the same context.
   * False: nobody to ask now.
   */
  ask(context: number, byLease: boolean): boolean
  applied(): Index
  isLeaderKnown(): boolean
}

/**
 * Linearizable reads without a log entry (Raft thesis §6.4). All reads of one turn share one round; a read never joins
 * a round that was asked before it came, because the leader may have been deposed in between (mutant M100).
 */
export class Reads {
  private readonly route: ReadRoute
  private readonly retryMs: number
  private readonly rounds = new Map<number, Round>()
  private waiting: Pending<void>[] = []
  /** The same, of those that the leader's lease is enough for. */
  private waitingForLease: Pending<void>[] = []
  private confirmed: Confirmed[] = []
  /** How many reads the three hold. */
  private count = 0
  /** Begins at random: an answer that was on its way to an earlier life of this host must not fit a round of ours. */
  private lastContext: number

  constructor(route: ReadRoute, options: { readonly retryMs: number; readonly firstContext: number }) {
    this.route = route
    this.retryMs = options.retryMs
    this.lastContext = options.firstContext
  }

  /** Whether the leader has something to answer. Waiting for an index is no work: what brings it wakes the group. */
  get isWaiting(): boolean {
    return this.waiting.length > 0 || this.waitingForLease.length > 0 || this.rounds.size > 0
  }

  /**
   * Resolves when this replica's state holds every write that was acknowledged anywhere before the call; by lease where
   * the clocks are as good as `ReadOnlyMode` says.
   */
  linearizable(call: Call, byLease = false): Promise<void> {
    if (this.count >= pendingReadsMax) return Promise.reject(busy())
    const pending = new Pending<void>(call)
    this.queue(byLease).push(pending)
    this.count += 1
    return pending.promise
  }

  /** Resolves when this replica has applied `index`. */
  reached(index: Index, call: Call): Promise<void> {
    if (this.route.applied() >= index) return Promise.resolve()
    if (this.count >= pendingReadsMax) return Promise.reject(busy())
    const pending = new Pending<void>(call)
    this.confirmed.push({ index, reads: [pending] })
    this.count += 1
    return pending.promise
  }

  pump(now: number): void {
    if (this.waiting.length > 0 && this.ask(now, this.waiting, false)) this.waiting = []
    if (this.waitingForLease.length > 0 && this.ask(now, this.waitingForLease, true))
      this.waitingForLease = []
  }

  /** The leader confirmed itself: the round's reads wait for this replica to apply what was committed by then. */
  confirm(context: number, index: Index): void {
    const round = this.rounds.get(context)
    if (round === undefined) return
    this.rounds.delete(context)
    this.confirmed.push({ index, reads: round.reads })
    this.advanced()
  }

  /** More was applied. */
  advanced(): void {
    if (this.confirmed.length === 0) return
    const applied = this.route.applied()
    const later: Confirmed[] = []
    for (const one of this.confirmed) {
      if (one.index > applied) later.push(one)
      else {
        for (const read of one.reads) read.resolve()
        this.count -= one.reads.length
      }
    }
    this.confirmed = later
  }

  tick(now: number): void {
    if (this.count === 0) return
    for (const [context, round] of this.rounds) {
      if (now - round.askedAt < this.retryMs) continue
      this.rounds.delete(context)
      this.queue(round.byLease).push(...round.reads)
    }
    this.expire(now)
  }

  /** Another leader, or none: rounds asked before may never be answered. */
  leaderChanged(): void {
    for (const { byLease, reads } of this.rounds.values()) this.queue(byLease).push(...reads)
    this.rounds.clear()
  }

  close(error: QuorateError): void {
    for (const read of this.all()) read.reject(error)
    this.waiting = []
    this.waitingForLease = []
    this.rounds.clear()
    this.confirmed = []
    this.count = 0
  }

  private ask(now: number, reads: readonly Pending<void>[], byLease: boolean): boolean {
    const context = this.lastContext + 1
    if (!this.route.ask(context, byLease)) return false
    this.lastContext = context
    this.rounds.set(context, { byLease, reads, askedAt: now })
    return true
  }

  private queue(byLease: boolean): Pending<void>[] {
    return byLease ? this.waitingForLease : this.waiting
  }

  private expire(now: number): void {
    for (const read of this.all()) if (read.isDue(now)) read.reject(this.timedOut())
    this.waiting = this.waiting.filter(isWaiting)
    this.waitingForLease = this.waitingForLease.filter(isWaiting)
    // Their index may never be reached.
    this.confirmed = this.confirmed.filter(({ reads }) => reads.some(isWaiting))
    this.count = this.all().length
  }

  private timedOut(): QuorateError {
    return this.route.isLeaderKnown()
      ? new QuorateError('TIMEOUT', 'the leader did not confirm itself before the deadline', {
          retryable: true,
        })
      : new QuorateError('NO_LEADER', 'no leader is known: no quorum of voters is connected', {
          retryable: true,
        })
  }

  private all(): Pending<void>[] {
    const rounds = [...this.rounds.values(), ...this.confirmed]
    return [...this.waiting, ...this.waitingForLease, ...rounds.flatMap(round => round.reads)]
  }
}

function isWaiting(read: Pending<void>): boolean {
  return !read.isSettled
}

function busy(): QuorateError {
  return new QuorateError('SYSTEM_BUSY', 'too many reads wait for the leader', { retryable: true })
}
