import { AssertionError, assert, unreachable, violated } from '../../base/assert.ts'
import { equalBytes } from '../../base/bytes.ts'
import { seededRandom } from '../../base/random.ts'
import {
  clockStampMs,
  historyBytesMax,
  historyChangesMax,
  leasesMax,
  sessionIdleMs,
  sessionsMax,
  sessionWindowBytesMax,
  sessionWindowMax,
} from '../limits.ts'
import type { HostId, Index } from '../types.ts'
import type { Call, Command, CompareAndSwap, LeaseCommand, Proposal, Result, SessionId } from './command.ts'
import type { CommandHandlers } from './handler.ts'
import { History, type HistoryLimits } from './history.ts'
import type { Change, Item } from './item.ts'
import { Keyspace } from './keyspace.ts'
import type { Leases } from './leases.ts'
import { applyDelta, type Members, type MembersDelta } from './members.ts'
import { addNumber, finish } from './mix.ts'
import { chained } from './outcome-chain.ts'
import { type Session, type SessionLimits, Sessions } from './sessions.ts'
import { emptyState, type MachineState, type Times } from './state.ts'
import type { MachineContent } from './state-hash.ts'
import { CommandFailure } from './transaction.ts'
import type { View } from './view.ts'

/** What applying one proposal did. */
export interface Applied {
  readonly result: Result
  /** True when the session had the result already: nothing was applied this time. */
  readonly duplicate: boolean
  readonly changes: readonly Change[]
  /** What the handler of a call threw, where it was no CommandFailure. Each replica has its own. */
  readonly thrown?: unknown
}

/** Whether a delta of the member table took effect. A refused one changed nothing. */
type MembersResult = { readonly type: 'changed'; readonly members: Members } | { readonly type: 'refused' }

/**
 * Bounds of a machine. Those of sessions decide what applying does: they must be the same on every replica,
 * so that a change of their defaults is a change of the protocol.
 */
export interface MachineLimits extends SessionLimits, HistoryLimits {}

export interface MachineOptions {
  /** Of a snapshot. Default: that before the first entry of the log. */
  readonly state?: MachineState | undefined
  /** What `call` can run. More may be added later: before a call is applied, `knows` is asked. */
  readonly handlers?: CommandHandlers | undefined
  readonly limits?: Partial<MachineLimits> | undefined
}

/**
 * The replicated state machine of the Store: items, sessions, leases and members. A pure function of the log: the
 * same entries make the same state and the same results on every replica, at any time and in any environment.
 */
export class Machine {
  readonly history: History
  private readonly keyspace: Keyspace
  private readonly sessions: Sessions
  private readonly limits: MachineLimits
  private readonly handlers: CommandHandlers
  private table: Members
  private applied: Index
  private clocks: Times
  private outcomes: number
  /** Dropped with the next entry: a view that nobody wants must not keep old values alive. */
  private currentView: View | undefined

  constructor({ state = emptyState, handlers = noHandlers, limits = {} }: MachineOptions = {}) {
    this.limits = { ...defaultLimits, ...limits }
    this.handlers = handlers
    this.sessions = new Sessions(this.limits, state.sessions.values(), state.times.group)
    this.table = state.members
    this.applied = state.index
    this.clocks = state.times
    this.outcomes = state.chain
    // A state that nobody has written to yet hides no change: its history begins before the first.
    const isUntouched = state.items.size === 0 && state.index <= foundingIndex
    this.history = new History(this.limits, isUntouched ? 0 : state.index)
    this.keyspace = new Keyspace(state, this.history)
  }

  /** The index of the last entry. Every entry of the log comes through one of the three methods below. */
  get appliedIndex(): Index {
    return this.applied
  }

  get members(): Members {
    return this.table
  }

  get times(): Times {
    return this.clocks
  }

  /** Equal on all replicas at the same index, unless they have diverged. */
  get chain(): number {
    return this.outcomes
  }

  get leases(): Pick<Leases, 'get' | 'size' | 'overdue' | 'all'> {
    return this.keyspace.leases
  }

  /** False for a call that no handler is here for: it must not be applied before there is one. */
  knows({ command }: Proposal): boolean {
    const inner = command.type === 'fenced' ? command.command : command
    return inner.type !== 'call' || this.handlers.has(inner.name)
  }

  /** Applies the proposal of the entry at `index`. */
  apply(index: Index, proposal: Proposal): Applied {
    this.advance(index)
    const applied = this.applyInSession(index, proposal)
    this.outcomes = chained(this.outcomes, index, applied)
    return applied
  }

  /** Applies an entry without a command: the first of a leader, or a change of Raft's own. */
  applyNoop(index: Index): void {
    this.advance(index)
  }

  /** Applies the context of a configuration change. Where it is refused, Raft must apply an empty change. */
  applyMembers(index: Index, delta: MembersDelta): MembersResult {
    this.advance(index)
    const members = applyDelta(this.table, delta, index)
    if (members === 'refused') return { type: 'refused' }
    this.table = members
    return { type: 'changed', members }
  }

  /** Undefined when the session is over, or not opened yet. */
  session(id: SessionId): Session | undefined {
    return this.sessions.get(id)
  }

  get(key: string): Item | undefined {
    return this.keyspace.get(key)
  }

  /** The items as they are now, in constant time. */
  view(): View {
    this.currentView ??= this.keyspace.view(this.applied)
    return this.currentView
  }

  /** The whole state as it is now, in constant time. */
  snapshot(): MachineState {
    return {
      index: this.applied,
      times: this.clocks,
      chain: this.outcomes,
      items: this.keyspace.snapshot(),
      sessions: this.sessions.snapshot(),
      leases: this.keyspace.leases.snapshot(),
      members: this.table,
    }
  }

  /** Everything that applying depends on, as it is now. */
  content(): MachineContent {
    return {
      index: this.applied,
      times: this.clocks,
      items: this.keyspace.all(),
      sessions: this.sessions.all(),
      leases: this.keyspace.leases.all(),
      members: this.table,
    }
  }

  private advance(index: Index): void {
    if (index !== this.applied + 1) violated(`entry ${index} is applied after entry ${this.applied}`)
    this.applied = index
    this.currentView = undefined
  }

  private applyInSession(index: Index, { session: id, seq, acked, command }: Proposal): Applied {
    if (id === 0) return this.execute(index, command, undefined)
    const session = this.sessions.use(index, id, acked)
    if (session === undefined) return unapplied({ type: 'session-expired' })
    if (command.type === 'close-session') {
      this.sessions.close(id)
      return unapplied({ type: 'written', revision: index })
    }
    if (seq <= session.floor) return unapplied({ type: 'stale' })
    const first = session.results.get(seq)
    if (first !== undefined) return { result: first, duplicate: true, changes: noChanges }
    const applied = this.execute(index, command, session.host)
    session.record(seq, applied.result, this.limits)
    return applied
  }

  private execute(index: Index, command: Command, host: HostId | undefined): Applied {
    switch (command.type) {
      case 'open-session':
        return unapplied({ type: 'session', session: this.sessions.open(index, command.host) })
      case 'close-session':
        return unapplied({ type: 'session-expired' })
      case 'put':
        return written({ type: 'written', revision: index }, [
          this.keyspace.put(index, command.key, command.value),
        ])
      case 'insert':
        return this.compareAndSwap(index, { key: command.key, expected: null, value: command.value })
      case 'delete':
        return this.delete(index, command.key)
      case 'compare-and-swap':
        return this.compareAndSwap(index, command)
      case 'barrier':
      case 'broadcast':
        return unapplied({ type: 'written', revision: index })
      case 'call':
        return this.call(index, command, host)
      case 'fenced':
        if (this.get(command.key)?.createRevision !== command.createRevision)
          return unapplied({ type: 'fenced' })
        return this.execute(index, command.command, host)
      default:
        return this.lease(index, command)
    }
  }

  private delete(index: Index, key: string): Applied {
    const previous = this.get(key)
    if (previous === undefined) return unapplied({ type: 'deleted', ok: false, revision: 0 })
    return written({ type: 'deleted', ok: true, revision: index }, [this.keyspace.erase(index, previous)])
  }

  /** Compares values as bytes; an insert is the case that expects none. */
  private compareAndSwap(index: Index, command: Omit<CompareAndSwap, 'type'>): Applied {
    const { key, expected, value } = command
    const present = this.get(key)
    const found = present?.value ?? null
    const ok = expected === null || found === null ? expected === found : equalBytes(expected, found)
    if (ok && value !== null) {
      return written({ type: 'checked', ok, revision: index, value }, [this.keyspace.put(index, key, value)])
    }
    if (ok && present !== undefined) {
      return written({ type: 'checked', ok, revision: index, value: null }, [
        this.keyspace.erase(index, present),
      ])
    }
    return unapplied({ type: 'checked', ok, revision: present?.modRevision ?? 0, value: found })
  }

  private call(index: Index, { name, args, now }: Call, host: HostId | undefined): Applied {
    const handler = this.handlers.get(name)
    assert(handler !== undefined, 'a command is applied where it is known')
    this.clocks = { ...this.clocks, wall: Math.max(this.clocks.wall, now) }
    const random = seededRandom(finish(addNumber(addNumber(callSeed, index), now)))
    const transaction = this.keyspace.transaction(index)
    let value: Uint8Array
    try {
      value = handler(transaction, args, { now: this.clocks.wall, random, host })
    } catch (error) {
      return failed(error)
    }
    return written({ type: 'called', revision: index, value }, this.keyspace.commit(transaction))
  }

  private lease(index: Index, command: LeaseCommand): Applied {
    const { leases } = this.keyspace
    if (command.type === 'lease-revoke') {
      if (leases.get(command.lease) === undefined)
        return unapplied({ type: 'deleted', ok: false, revision: 0 })
      const changes = this.keyspace.end(index, [command.lease])
      return written({ type: 'deleted', ok: true, revision: index }, changes)
    }
    const group = this.stamp(command.clock)
    switch (command.type) {
      case 'lease-grant':
        if (leases.size >= leasesMax) return unapplied({ type: 'failed', code: 'SYSTEM_BUSY', detail: null })
        leases.grant(index, command.ttlMs, group)
        return unapplied({ type: 'written', revision: index })
      case 'lease-keep-alive':
        return unapplied({ type: 'kept', gone: command.leases.filter(id => !leases.keepAlive(id, group)) })
      case 'expire':
        this.sessions.expire(group - sessionIdleMs - clockStampMs)
        return written({ type: 'written', revision: index }, this.keyspace.end(index, leases.overdue(group)))
      default:
        return unreachable(command)
    }
  }

  /** The group's clock, which goes on to there. */
  private stamp(clock: number): number {
    const { group } = this.clocks
    if (clock <= group) return group
    this.sessions.clockWentOn(clock)
    this.clocks = { ...this.clocks, group: clock }
    return clock
  }
}

/** The entry that makes the first member of a group, before any client's. */
const foundingIndex = 1

const callSeed = 7

const defaultLimits: MachineLimits = {
  sessionsMax,
  sessionWindowMax,
  sessionWindowBytesMax,
  historyChangesMax,
  historyBytesMax,
}

const noHandlers: CommandHandlers = new Map()

const noChanges: readonly Change[] = []

/** Of a handler that threw. Only what is the same on every replica goes into the result. */
function failed(error: unknown): Applied {
  if (error instanceof AssertionError) throw error
  if (error instanceof CommandFailure) {
    return unapplied({ type: 'failed', code: error.code, detail: error.detail })
  }
  return { ...unapplied({ type: 'failed', code: 'COMMAND_FAILED', detail: null }), thrown: error }
}

function unapplied(result: Result): Applied {
  return { result, duplicate: false, changes: noChanges }
}

function written(result: Result, changes: readonly Change[]): Applied {
  return { result, duplicate: false, changes }
}
