import { unreachable, violated } from '../../base/assert.ts'
import { equalBytes } from '../../base/bytes.ts'
import { OrderedMap, type ReadonlyOrderedMap } from '../../base/ordered-map.ts'
import {
  historyBytesMax,
  historyChangesMax,
  sessionsMax,
  sessionWindowBytesMax,
  sessionWindowMax,
} from '../limits.ts'
import type { Index } from '../types.ts'
import type { Command, CompareAndSwap, Proposal, Result, SessionId } from './command.ts'
import { History, type HistoryLimits } from './history.ts'
import { type Change, type Item, putOf } from './item.ts'
import { applyDelta, type Members, type MembersDelta, noMembers } from './members.ts'
import { type Session, type SessionLimits, Sessions } from './sessions.ts'
import type { MachineContent } from './state-hash.ts'
import { View } from './view.ts'

/** What applying one proposal did. */
export interface Applied {
  readonly result: Result
  /** True when the session had the result already: nothing was applied this time. */
  readonly duplicate: boolean
  readonly changes: readonly Change[]
}

/** Whether a delta of the member table took effect. A refused one changed nothing. */
export type MembersResult =
  | { readonly type: 'changed'; readonly members: Members }
  | { readonly type: 'refused' }

/** The whole replicated state after the entry at `index`. It stays as it is while the machine goes on. */
export interface MachineSnapshot {
  readonly index: Index
  readonly items: ReadonlyOrderedMap<string, Item>
  readonly sessions: ReadonlyMap<SessionId, Session>
  readonly members: Members
}

/**
 * Bounds of a machine. Those of sessions decide what applying does: they must be the same on every replica,
 * so that a change of their defaults is a change of the protocol.
 */
export interface MachineLimits extends SessionLimits, HistoryLimits {}

/**
 * The replicated state machine of the Store: items, sessions and members. A pure function of the log: the
 * same entries make the same state and the same results on every replica, at any time and in any environment.
 */
export class Machine {
  private readonly items: OrderedMap<string, Item>
  private readonly sessions: Sessions
  private readonly limits: MachineLimits
  private table: Members
  private applied: Index
  /** Dropped with the next entry: a view that nobody wants must not keep old values alive. */
  private currentView: View | undefined
  readonly history: History

  /** The state before the first entry of the log, or that of a snapshot. */
  constructor(machineLimits: Partial<MachineLimits> = {}, snapshot: MachineSnapshot = emptySnapshot) {
    this.limits = { ...limits, ...machineLimits }
    this.items = snapshot.items.clone()
    this.sessions = new Sessions(this.limits, snapshot.sessions.values())
    this.table = snapshot.members
    this.applied = snapshot.index
    // A state that nobody has written to yet hides no change: its history begins before the first.
    const isUntouched = snapshot.items.size === 0 && snapshot.index <= foundingIndex
    this.history = new History(this.limits, isUntouched ? 0 : snapshot.index)
  }

  static restore(snapshot: MachineSnapshot, machineLimits: Partial<MachineLimits> = {}): Machine {
    return new Machine(machineLimits, snapshot)
  }

  /** The index of the last entry. Every entry of the log comes through one of the three methods below. */
  get appliedIndex(): Index {
    return this.applied
  }

  get members(): Members {
    return this.table
  }

  /** Applies the proposal of the entry at `index`. */
  apply(index: Index, proposal: Proposal): Applied {
    this.advance(index)
    const { session: id, seq, acked, command } = proposal
    if (id === 0) return this.execute(index, command)
    const session = this.sessions.use(index, id, acked)
    if (session === undefined) return unapplied({ type: 'session-expired' })
    if (command.type === 'close-session') {
      this.sessions.close(id)
      return unapplied({ type: 'written', revision: index })
    }
    if (seq <= session.floor) return unapplied({ type: 'stale' })
    const first = session.results.get(seq)
    if (first !== undefined) return { result: first, duplicate: true, changes: noChanges }
    const applied = this.execute(index, command)
    session.record(seq, applied.result, this.limits)
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
    return this.items.get(key)
  }

  /** The items as they are now, in constant time. */
  view(): View {
    this.currentView ??= new View(this.applied, this.items.clone())
    return this.currentView
  }

  /** The whole state as it is now, in constant time. */
  snapshot(): MachineSnapshot {
    return {
      index: this.applied,
      items: this.items.clone(),
      sessions: this.sessions.snapshot(),
      members: this.table,
    }
  }

  /** Everything that applying depends on, as it is now. */
  content(): MachineContent {
    return {
      index: this.applied,
      items: this.items.values(),
      sessions: this.sessions.all(),
      members: this.table,
    }
  }

  private advance(index: Index): void {
    if (index !== this.applied + 1) violated(`entry ${index} is applied after entry ${this.applied}`)
    this.applied = index
    this.currentView = undefined
  }

  private execute(index: Index, command: Command): Applied {
    switch (command.type) {
      case 'open-session':
        return unapplied({ type: 'session', session: this.sessions.open(index, command.host) })
      case 'close-session':
        return unapplied({ type: 'session-expired' })
      case 'put':
        return written({ type: 'written', revision: index }, this.write(index, command.key, command.value))
      case 'insert':
        return this.compareAndSwap(index, { key: command.key, expected: null, value: command.value })
      case 'delete':
        return this.delete(index, command.key)
      case 'compare-and-swap':
        return this.compareAndSwap(index, command)
      case 'barrier':
      case 'broadcast':
        return unapplied({ type: 'written', revision: index })
      default:
        return unreachable(command)
    }
  }

  private delete(index: Index, key: string): Applied {
    const previous = this.items.get(key)
    if (previous === undefined) return unapplied({ type: 'deleted', ok: false, revision: 0 })
    return written({ type: 'deleted', ok: true, revision: index }, this.erase(index, previous))
  }

  /** Compares values as bytes; an insert is the case that expects none. */
  private compareAndSwap(index: Index, command: Omit<CompareAndSwap, 'type'>): Applied {
    const { key, expected, value } = command
    const present = this.items.get(key)
    const found = present?.value ?? null
    const ok = expected === null || found === null ? expected === found : equalBytes(expected, found)
    if (ok && value !== null) {
      return written({ type: 'checked', ok, revision: index, value }, this.write(index, key, value))
    }
    if (ok && present !== undefined) {
      return written({ type: 'checked', ok, revision: index, value: null }, this.erase(index, present))
    }
    return unapplied({ type: 'checked', ok, revision: present?.modRevision ?? 0, value: found })
  }

  private write(revision: Index, key: string, value: Uint8Array): Change {
    const previous = this.items.get(key)
    const createRevision = previous?.createRevision ?? revision
    const version = (previous?.version ?? 0) + 1
    // The string that is there already: another one would live as long, for each write of the key that is remembered.
    const name = previous?.key ?? key
    const item: Item = { key: name, value, createRevision, modRevision: revision, version }
    this.items.set(name, item)
    return this.changed(putOf(item))
  }

  private erase(revision: Index, previous: Item): Change {
    this.items.delete(previous.key)
    return this.changed({ type: 'delete', key: previous.key, revision, item: null })
  }

  private changed(change: Change): Change {
    this.history.add(change)
    return change
  }
}

/** The entry that makes the first member of a group, before any client's. */
const foundingIndex = 1

const limits: MachineLimits = {
  sessionsMax,
  sessionWindowMax,
  sessionWindowBytesMax,
  historyChangesMax,
  historyBytesMax,
}

const noChanges: readonly Change[] = []

const emptySnapshot: MachineSnapshot = {
  index: 0,
  items: new OrderedMap(),
  sessions: new Map(),
  members: noMembers,
}

function unapplied(result: Result): Applied {
  return { result, duplicate: false, changes: noChanges }
}

function written(result: Result, change: Change): Applied {
  return { result, duplicate: false, changes: [change] }
}
