import { Gate } from '../../base/gate.ts'
import { Queue } from '../../base/queue.ts'
import { uncommittedBytesMax } from '../../core/limits.ts'
import type { Command, Proposal } from '../../core/machine/command.ts'
import type { Machine } from '../../core/machine/machine.ts'
import type { RaftNode } from '../../core/raft/raft-node.ts'
import type { Entry } from '../../core/raft/types.ts'
import type { Index, Term } from '../../core/types.ts'
import { encodeProposal, stamped, stampOf } from '../../wire/proposal-codec.ts'
import { isPromise } from '../calls/is-promise.ts'
import { messageOf, wireMessage } from '../calls/message-of.ts'
import { SessionMap } from '../calls/session-map.ts'
import { isReserved } from '../query/table-keys.ts'
import type { StoreHooks } from '../store-hooks.ts'
import { commandNameOf } from './applied-state.ts'
import { storeCommandOf } from './log-entry.ts'
import { type Draft, notNow, type Refusal, type Taken } from './proposals.ts'
import type { Writer } from './writer.ts'

/** Proposals that became entries, one behind the other from `index` on. */
interface Logged {
  readonly index: Index
  readonly term: Term
  readonly drafts: readonly Draft[]
}

/**
 * What a leader does with proposals: it asks the store's own rules about each of them, logs those that pass, and
 * remembers what it read until it is applied. Nothing of this happens again when an entry is applied, so the rules need
 * not be the same everywhere; only who leads must have them.
 */
export class Leading {
  private readonly node: RaftNode
  private readonly machine: () => Machine
  private readonly hooks: () => StoreHooks
  private readonly writer: Writer
  private readonly times: Times
  private readonly gate = new Gate(uncommittedBytesMax)
  /** What was put into the log and is not applied, in order: read already, so it need not be read again. */
  private readonly logged = new Queue<Logged>()
  /**
   * Their numbers, by session. A retry of what is under way needs no entry of its own: while commits wait for a slow
   * disk or a cut, every write that waits is sent again and again, and the log would grow faster than it is replicated.
   */
  private readonly underWay = new SessionMap<true>()

  constructor(parts: {
    readonly node: RaftNode
    readonly machine: () => Machine
    readonly hooks: () => StoreHooks
    readonly writer: Writer
    readonly times: Times
  }) {
    this.node = parts.node
    this.machine = parts.machine
    this.hooks = parts.hooks
    this.writer = parts.writer
    this.times = parts.times
  }

  /**
   * Logs what passes and is not under way, all of it or nothing. 'busy' while too much waits for its commit, or for
   * this host's own disk. `refused` is what did not pass, and counts only where it was handed.
   */
  take(drafts: readonly Draft[]): Taken {
    const refused: Refusal[] = []
    const { validate } = this.hooks()
    const passed: Draft[] = []
    for (const draft of drafts) {
      if (this.isUnderWay(draft.proposal)) continue
      if (validate !== undefined && !this.passes(draft, refused)) continue
      const loggable = this.loggable(draft, refused)
      if (loggable !== undefined) passed.push(loggable)
    }
    if (passed.length === 0) return { answer: 'handed', refused }
    const bytes = passed.reduce((sum, draft) => sum + draft.bytes.length, 0)
    if (!this.gate.admits(bytes, this.node.uncommittedBytes) || !this.writer.admits(bytes)) return busy
    const answer = this.node.propose(passed.map(draft => draft.bytes))
    if (answer.type === 'proposed') {
      this.logged.push({ index: answer.index, term: answer.term, drafts: passed })
      for (const { proposal } of passed) this.underWay.set(proposal.session, proposal.seq, true)
      return { answer: 'handed', refused }
    }
    return answer.type === 'refused' && answer.reason === 'busy' ? busy : notNow
  }

  get isExpiring(): boolean {
    return this.isUnderWay(expiry)
  }

  /** Has the group end what is overdue; where there is no room now, it is asked again. */
  expire(): void {
    this.take([{ proposal: expiry, bytes: noBytes }])
  }

  /** The proposal of an entry, the next one to be applied, if this leader logged it itself. */
  claim({ index, term }: Pick<Entry, 'index' | 'term'>): Proposal | undefined {
    for (let next = this.logged.peek(); next !== undefined; next = this.logged.peek()) {
      if (index < next.index) return undefined
      const draft = next.drafts[index - next.index]
      if (draft === undefined) this.logged.shift()
      else if (term !== next.term) return undefined
      else {
        this.underWay.delete(draft.proposal.session, draft.proposal.seq)
        return draft.proposal
      }
    }
    return undefined
  }

  /** Another leader, or another term: nobody knows what becomes of what was logged. */
  clear(): void {
    this.logged.clear()
    this.underWay.clear()
  }

  private isUnderWay({ session, seq }: Proposal): boolean {
    return this.underWay.get(session, seq) === true
  }

  /** The draft as it is to be logged: stamped where its command depends on time. */
  private loggable(draft: Draft, refused: Refusal[]): Draft | undefined {
    const { proposal } = draft
    const { session, seq, command } = proposal
    if (!this.machine().knows(proposal)) {
      const reason = `this leader was not opened with ${commandNameOf(proposal)}`
      refused.push({ session, seq, isBusy: false, reason, isUnknown: true })
      return undefined
    }
    if (isTrespass(command)) {
      const reason = 'what recipes keep is written by recipes only'
      refused.push({ session, seq, isBusy: false, reason })
      return undefined
    }
    const clock = stampOf(command)
    if (clock === undefined) return draft
    const time = this.times[clock]()
    if (time !== undefined) {
      const restamped = stamped(proposal, time)
      return { proposal: restamped, bytes: encodeProposal(restamped) }
    }
    // It has just begun to lead, and does not know yet what time it is.
    refused.push({ session, seq, isBusy: false, reason: undefined })
    return undefined
  }

  private passes({ proposal }: Draft, refused: Refusal[]): boolean {
    const { session: id, seq, command } = proposal
    const machine = this.machine()
    const session = machine.session(id)
    // Opened by an entry that is not applied yet: then it is too early to say in whose name the command comes.
    if (id > machine.appliedIndex) {
      refused.push({ session: id, seq, isBusy: false, reason: undefined })
      return false
    }
    // Nothing will be applied: an earlier attempt was, or the session is over. The log gives the answer.
    if (id !== 0 && (session === undefined || seq <= session.floor || session.results.has(seq))) return true
    const reason = this.objection(command, session?.host)
    if (reason === undefined) return true
    refused.push({ session: id, seq, isBusy: false, reason: wireMessage(reason) })
    return false
  }

  private objection(command: Proposal['command'], host: string | undefined): string | undefined {
    const { validate } = this.hooks()
    try {
      const shown = storeCommandOf(command)
      const verdict: unknown = shown === undefined ? undefined : validate?.(shown, { host })
      // Whoever wrote an asynchronous rule must not be told by silence that it never held.
      if (isPromise(verdict)) return 'the rule of the store is asynchronous, and must answer at once'
      if (verdict === undefined || (typeof verdict === 'string' && verdict !== '')) return verdict
      return 'the rule of the store answered neither with a reason nor with undefined'
    } catch (error) {
      return `the rule of the store failed: ${messageOf(error)}`
    }
  }
}

/**
 * A broken host writes to a table of recipes past their commands: a single value that they cannot read would stop all
 * who hold or wait there. Who has a fence may remove a key.
 */
function isTrespass(command: Command): boolean {
  if (command.type === 'fenced') return command.command.type !== 'delete' && isTrespass(command.command)
  return 'key' in command && isReserved(command.key)
}

/** The clocks that commands are stamped with. */
interface Times {
  /** The group's, in ms; undefined while this leader does not know it. */
  readonly group: () => number | undefined
  /** Ms since 1970. */
  readonly wall: () => number
}

const expiry: Proposal = { session: 0, seq: 0, acked: 0, command: { type: 'expire', clock: 0 } }
/** It is encoded when it is stamped. */
const noBytes = new Uint8Array()

const busy: Taken = { answer: 'busy', refused: [] }
