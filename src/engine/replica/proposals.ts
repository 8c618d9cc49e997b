import { Gate } from '../../base/gate.ts'
import { QuorateError } from '../../core/error.ts'
import { pendingProposalsBytesMax, pendingProposalsMax } from '../../core/limits.ts'
import type { Proposal, Result, SessionId } from '../../core/machine/command.ts'
import type { Session } from '../../core/machine/sessions.ts'
import type { Entries } from '../../core/raft/entry-list.ts'
import type { Term } from '../../core/types.ts'
import { encodeProposal } from '../../wire/proposal-codec.ts'
import { type Call, outcomeUnknown, Pending } from '../calls/call.ts'
import { SessionMap } from '../calls/session-map.ts'
import { readProposal } from './read-proposal.ts'

/** A proposal on its way into the log. */
export interface Draft {
  readonly proposal: Proposal
  readonly bytes: Uint8Array
}

/** A proposal that the leader did not take: by the rules of the store (a reason), for want of room, or not now. */
export interface Refusal {
  readonly session: number
  readonly seq: number
  readonly isBusy: boolean
  readonly reason: string | undefined
  /** The reason is that the leader has no such command. */
  readonly isUnknown?: boolean
}

/** Drafts that a host could not take: somebody else must, or later. */
export function untaken(drafts: readonly Draft[], why: 'busy' | 'not-now'): readonly Refusal[] {
  const isBusy = why === 'busy'
  return drafts.map(({ proposal: { session, seq } }) => ({ session, seq, isBusy, reason: undefined }))
}

/**
 * What became of proposals that were handed on: 'busy', there is no room for them; 'not-now', nobody took them and
 * somebody may soon; or handed, but for those that were refused.
 */
export interface Taken {
  readonly answer: 'handed' | 'busy' | 'not-now'
  readonly refused: readonly Refusal[]
}

export const notNow: Taken = { answer: 'not-now', refused: [] }
export const handedOn: Taken = { answer: 'handed', refused: [] }

interface Waiter extends Draft {
  readonly pending: Pending<Answer>
  /** How often it was handed to a leader. More than once: an earlier attempt may have been applied. */
  attempts: number
  /** In which round it was handed on last. */
  round: number
  /** Term of the leader that has it now; 0 while it waits to be handed on. */
  sentTerm: Term
  sentAt: number
}

export interface Answer {
  readonly result: Result
  /** How often the command was handed to a leader. */
  readonly attempts: number
}

/** How proposals leave this host. */
export interface ProposalRoute {
  /** The term in which a leader is known, 0 when none is. */
  leaderTerm(): Term
  /** Hands proposals to the leader, in order. Each call has a round of its own, which a refusal names. */
  hand(batch: readonly Draft[], round: number): Taken
}

/**
 * Commands of this host that wait to be applied here. A command is handed to whoever leads, again after each change of
 * leadership and after a silence, until this replica applies it or its deadline passes: the session makes the attempts
 * count once (Raft thesis §6.3).
 *
 * Invariant: a waiter is in `waiters` until it is settled; until then it is in `unsent` exactly while `sentTerm` is 0.
 */
export class Proposals {
  private readonly route: ProposalRoute
  private readonly resendMs: number
  private readonly waiters = new SessionMap<Waiter>()
  private readonly gate = new Gate(pendingProposalsBytesMax)
  private unsent: Waiter[] = []
  /** Waiters that want to hear when they are committed. */
  private listeners = 0
  private bytes = 0
  /** Begins at random: a refusal of what an earlier life of this host sent must not fit one of ours. */
  private round: number

  constructor(route: ProposalRoute, options: { readonly resendMs: number; readonly firstRound: number }) {
    this.route = route
    this.resendMs = options.resendMs
    this.round = options.firstRound
  }

  get isWaiting(): boolean {
    return this.waiters.size > 0
  }

  submit(proposal: Proposal, call: Call): Promise<Answer> {
    const bytes = encodeProposal(proposal)
    if (this.waiters.size >= pendingProposalsMax || !this.gate.admits(bytes.length, this.bytes)) {
      return Promise.reject(busy('too many writes wait for their outcome'))
    }
    const pending = new Pending<Answer>(call, call.signal && (() => this.forget(waiter)))
    if (pending.isSettled) return pending.promise
    const waiter: Waiter = {
      proposal,
      bytes,
      pending,
      attempts: 0,
      round: 0,
      sentTerm: 0,
      sentAt: 0,
    }
    this.replace(waiter)
    this.unsent.push(waiter)
    return pending.promise
  }

  /** Hands on what waits to be handed on, if a leader is known. */
  pump(now: number): void {
    const term = this.route.leaderTerm()
    if (term === 0 || this.unsent.length === 0) return
    const batch = this.unsent.filter(waiter => !waiter.pending.isSettled)
    if (batch.length === 0) {
      this.unsent = []
      return
    }
    this.round += 1
    const { answer, refused } = this.route.hand(batch, this.round)
    if (answer === 'not-now') return
    this.unsent = []
    for (const waiter of batch) {
      if (answer === 'busy') {
        this.turnedAway(waiter)
        continue
      }
      waiter.attempts += 1
      waiter.round = this.round
      waiter.sentTerm = term
      waiter.sentAt = now
    }
    this.refused(this.round, refused)
  }

  /** Entries are committed and will be applied: whoever wants to hear of that does. */
  committed(entries: Entries): void {
    if (this.listeners === 0) return
    for (const run of entries.runs) {
      for (let at = 0; at < run.count; at++) {
        // What this version cannot read is nothing that it proposed.
        const proposal = run.type === 'normal' ? readProposal(run, at) : undefined
        const waiter = proposal && this.waiters.get(proposal.session, proposal.seq)
        waiter?.pending.call.committed?.(run.first + at)
      }
    }
  }

  /** The replica applied a command: whoever waits for it has the answer. */
  applied(session: number, seq: number, result: Result): void {
    const waiter = this.waiters.get(session, seq)
    if (waiter === undefined) return
    this.forget(waiter)
    waiter.pending.resolve({ result, attempts: waiter.attempts })
  }

  /** A snapshot took the place of entries: what was applied within it has its answer there, in its session. */
  installed(sessionOf: (id: SessionId) => Session | undefined): void {
    for (const { proposal, pending } of this.all()) {
      const { session, seq } = proposal
      const result = sessionOf(session)?.results.get(seq)
      if (result === undefined) continue
      // Of a condition that failed nobody knows where it stands in the log: its answer is all there is.
      if ('revision' in result && (!('ok' in result) || result.ok)) pending.call.committed?.(result.revision)
      this.applied(session, seq, result)
    }
  }

  /**
   * The host that was taken for the leader did not log these commands of that round: it is as if they had not been
   * handed on then. Against a rule they are over; for want of room, too, unless an earlier round may have logged them;
   * or else they wait for the next leader, or the next tick.
   */
  refused(round: number, refusals: readonly Refusal[]): void {
    for (const { session, seq, isBusy, reason, isUnknown } of refusals) {
      const waiter = this.waiters.get(session, seq)
      if (waiter === undefined || waiter.sentTerm === 0 || waiter.round !== round) continue
      waiter.attempts -= 1
      waiter.sentTerm = 0
      if (reason !== undefined) {
        this.forget(waiter)
        const outcome = waiter.attempts === 0 ? 'none' : 'unknown'
        waiter.pending.reject(
          isUnknown === true
            ? new QuorateError('COMMAND_UNKNOWN', reason, { outcome })
            : new QuorateError('REFUSED', `the leader refused the command: ${reason}`, { outcome }),
        )
      } else if (isBusy) this.turnedAway(waiter)
      else this.unsent.push(waiter)
    }
  }

  /** Another leader, or none: whatever the old one was handed may be lost. */
  leaderChanged(): void {
    for (const waiter of this.all()) if (waiter.sentTerm !== 0) this.unsend(waiter)
    this.unsent.sort((left, right) => left.proposal.seq - right.proposal.seq)
  }

  tick(now: number): void {
    for (const waiter of this.all()) {
      if (waiter.pending.isDue(now)) this.expire(waiter)
      else if (waiter.sentTerm !== 0 && now - waiter.sentAt >= this.resendMs) this.unsend(waiter)
    }
    // While no leader is known nobody takes them out, and each holds a whole proposal.
    this.unsent = this.unsent.filter(waiter => !waiter.pending.isSettled)
  }

  /** Settles everything with the error; what was handed on has an unknown outcome, whatever the error's code. */
  close(error: (outcome: 'none' | 'unknown') => QuorateError): void {
    for (const waiter of this.all()) {
      this.forget(waiter)
      waiter.pending.reject(error(waiter.attempts === 0 ? 'none' : 'unknown'))
    }
    this.unsent = []
  }

  /** A client that lost the connection asks again for the same command: whoever waited in its name is answered, too. */
  private replace(waiter: Waiter): void {
    const { session, seq } = waiter.proposal
    const earlier = this.waiters.get(session, seq)
    if (earlier !== undefined) {
      this.forget(earlier)
      waiter.attempts = earlier.attempts
      earlier.pending.reject(outcomeUnknown('the same write was asked for again'))
    }
    this.waiters.set(session, seq, waiter)
    if (waiter.pending.call.committed !== undefined) this.listeners += 1
    this.bytes += waiter.bytes.length
  }

  private expire(waiter: Waiter): void {
    this.forget(waiter)
    if (waiter.attempts > 0) {
      waiter.pending.reject(outcomeUnknown('the deadline passed before the write was confirmed'))
      return
    }
    const why = this.route.leaderTerm() === 0 ? 'no leader is known' : 'the leader could not be reached'
    waiter.pending.reject(
      new QuorateError('NO_LEADER', `${why}: no quorum of voters is connected; nothing was written`, {
        retryable: true,
      }),
    )
  }

  /** The leader has no room. What it was handed before may be in the log: that is waited for. */
  private turnedAway(waiter: Waiter): void {
    if (waiter.attempts > 0) {
      this.unsent.push(waiter)
      return
    }
    this.forget(waiter)
    waiter.pending.reject(busy('the leader holds too much that is not committed'))
  }

  private unsend(waiter: Waiter): void {
    waiter.sentTerm = 0
    this.unsent.push(waiter)
  }

  private forget(waiter: Waiter): void {
    const { session, seq } = waiter.proposal
    if (this.waiters.get(session, seq) !== waiter) return
    this.waiters.delete(session, seq)
    if (waiter.pending.call.committed !== undefined) this.listeners -= 1
    this.bytes -= waiter.bytes.length
  }

  private all(): Waiter[] {
    return [...this.waiters.values()]
  }
}

function busy(why: string): QuorateError {
  return new QuorateError('SYSTEM_BUSY', `${why}; nothing was written`, { retryable: true })
}
