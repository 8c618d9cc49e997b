import { assert } from '../base/assert.ts'
import type { Entries } from '../core/raft/entry-list.ts'
import type { EntryRun } from '../core/raft/entry-run.ts'
import type { Entry, HardState, Snapshot } from '../core/raft/types.ts'
import type { GroupId, Index, Term } from '../core/types.ts'
import type { GroupWrite, StoredGroup, StoredHost, WriteBatch } from './storage.ts'

/**
 * A snapshot as a write names it, with what only the writer knew and a replay must not have to find out
 * again.
 */
export interface NamedSnapshot {
  readonly snapshot: Snapshot
  /** Which of the saved snapshots it is: the same index and term may have been saved more than once. */
  readonly id: number
  /** The log held (snapshot.index, snapshot.term) and is kept (Raft paper §7). */
  readonly keepsLog: boolean
}

/** A `GroupWrite` as it is logged. */
export interface LoggedWrite extends Omit<GroupWrite, 'snapshot'> {
  readonly snapshot?: NamedSnapshot
}

export type Values = ReadonlyMap<string, Uint8Array | undefined>

/** The shape of a stored log, without its entries. */
export interface GroupOutline {
  readonly hardState: HardState
  readonly bootstrap: Uint8Array | undefined
  readonly snapshot: NamedSnapshot | undefined
  /** Index of the first entry, whether it is known or not. */
  readonly first: Index
  readonly count: number
}

/** One thing that happened to the storage of a host. A log of these is all that an adapter needs to keep. */
export type Operation =
  | WriteOperation
  | { readonly type: 'remove-group'; readonly group: GroupId }
  /**
   * Everything but the entries, as it is now: operations before this one are not needed any more, but for
   * entries.
   */
  | {
      readonly type: 'checkpoint'
      readonly groups: ReadonlyMap<GroupId, GroupOutline>
      readonly values: Values
    }
  /** Entries of the log, once more, because the place where they stood goes away. Truncates nothing. */
  | { readonly type: 'carry'; readonly group: GroupId; readonly entries: Entries }

export interface WriteOperation {
  readonly type: 'write'
  readonly groups: ReadonlyMap<GroupId, LoggedWrite>
  readonly values: Values
}

/** The number of the saved snapshot that a write with this one names. */
export type SnapshotIdOf = (group: GroupId, snapshot: Snapshot) => number

interface GroupState<Item> {
  hardState: HardState
  bootstrap: Uint8Array | undefined
  snapshot: NamedSnapshot | undefined
  /** Index of the first item. */
  first: Index
  /** Consecutive. Undefined: it is part of the log, but the operation that holds it was not seen (yet). */
  items: (Item | undefined)[]
}

const noHardState: HardState = { term: 0, vote: 0, commit: 0 }

/**
 * The stored state as a function of the operations on it: the one meaning of the contract, shared by the
 * adapters that keep a log of operations. An item stands for an entry: the entry itself, or the place where
 * it is stored.
 */
export class StoredState<Item extends { readonly term: Term }> {
  readonly groups = new Map<GroupId, GroupState<Item>>()
  readonly values = new Map<string, Uint8Array>()
  private readonly itemOf: (run: EntryRun, at: number) => Item

  constructor(itemOf: (run: EntryRun, at: number) => Item) {
    this.itemOf = itemOf
  }

  /** The batch as an operation. Asserts what the contract demands of the caller. */
  plan(batch: WriteBatch, snapshotId: SnapshotIdOf): WriteOperation {
    const groups = new Map<GroupId, LoggedWrite>()
    for (const [group, { snapshot, ...write }] of batch.groups) {
      const state = this.groups.get(group)
      const keepsLog = snapshot === undefined || holds(state, snapshot)
      const base = snapshot?.index ?? state?.snapshot?.snapshot.index ?? 0
      assert((write.compactTo ?? 0) <= base, 'a log is not compacted beyond its snapshot')
      if (write.entries !== undefined) checkEntries(write.entries, keepsLog ? lastOf(state, base) : base)
      const named = snapshot && { snapshot: { snapshot, id: snapshotId(group, snapshot), keepsLog } }
      groups.set(group, { ...write, ...named })
    }
    return { type: 'write', groups, values: batch.values ?? new Map() }
  }

  apply(operation: Operation): void {
    switch (operation.type) {
      case 'write':
        for (const [group, write] of operation.groups) this.write(this.group(group), write)
        this.setValues(operation.values)
        break
      case 'remove-group':
        this.groups.delete(operation.group)
        break
      case 'checkpoint':
        this.reset(operation.groups, operation.values)
        break
      case 'carry': {
        const state = this.group(operation.group)
        this.put(state, operation.entries, state.items.length)
        break
      }
    }
  }

  checkpoint(): Operation {
    const groups = new Map<GroupId, GroupOutline>()
    for (const [group, state] of this.groups) groups.set(group, outlineOf(state))
    return { type: 'checkpoint', groups, values: this.values }
  }

  outline(group: GroupId): GroupOutline | undefined {
    const state = this.groups.get(group)
    return state && outlineOf(state)
  }

  private group(group: GroupId): GroupState<Item> {
    let state = this.groups.get(group)
    if (state === undefined) {
      state = { hardState: noHardState, bootstrap: undefined, snapshot: undefined, first: 1, items: [] }
      this.groups.set(group, state)
    }
    return state
  }

  private write(state: GroupState<Item>, write: LoggedWrite): void {
    if (write.bootstrap !== undefined) state.bootstrap = write.bootstrap.slice()
    if (write.snapshot !== undefined) {
      state.snapshot = write.snapshot
      if (!write.snapshot.keepsLog) dropFrom(state, 0, write.snapshot.snapshot.index + 1)
    }
    if (write.compactTo !== undefined) compact(state, write.compactTo)
    if (write.entries !== undefined) this.append(state, write.entries)
    if (write.hardState !== undefined) state.hardState = write.hardState
  }

  private append(state: GroupState<Item>, entries: Entries): void {
    const { first } = entries
    if (entries.length === 0) return
    dropFrom(state, first - state.first, first)
    this.put(state, entries, Number.POSITIVE_INFINITY)
  }

  /** Those that lie before a place are put where they belong. */
  private put({ first, items }: GroupState<Item>, { runs }: Entries, end: number): void {
    for (const run of runs) {
      for (let at = 0; at < run.count; at++) {
        const place = run.first + at - first
        if (place >= 0 && place < end) items[place] = this.itemOf(run, at)
      }
    }
  }

  private reset(groups: ReadonlyMap<GroupId, GroupOutline>, values: Values): void {
    const before = new Map(this.groups)
    this.groups.clear()
    for (const [group, { hardState, bootstrap, snapshot, first, count }] of groups) {
      const items = new Array<Item | undefined>(count)
      const known = before.get(group)
      for (let i = 0; i < count; i++) items[i] = known?.items[first + i - known.first]
      this.groups.set(group, { hardState, bootstrap, snapshot, first, items })
    }
    this.values.clear()
    this.setValues(values)
  }

  private setValues(values: Values): void {
    for (const [name, value] of values) {
      if (value === undefined) this.values.delete(name)
      else this.values.set(name, value.slice())
    }
  }
}

/**
 * What `Storage.load` returns. Undefined where the operations that were seen do not hold all entries of the
 * log.
 */
export function toStoredHost(state: StoredState<Entry>): StoredHost | undefined {
  const groups = new Map<GroupId, StoredGroup>()
  for (const [group, { hardState, bootstrap, snapshot, items }] of state.groups) {
    const entries: Entry[] = []
    for (const entry of items) {
      if (entry === undefined) return undefined
      entries.push(entry)
    }
    groups.set(group, { hardState, bootstrap, snapshot: snapshot?.snapshot, entries })
  }
  return { groups, values: new Map(state.values) }
}

function outlineOf({ items, ...state }: GroupState<unknown>): GroupOutline {
  return { ...state, count: items.length }
}

/**
 * Cuts the log at an offset into its items, which is where `index` lies; outside of them, the log starts anew
 * there.
 */
function dropFrom(state: GroupState<unknown>, offset: number, index: Index): void {
  if (state.items.length > 0 && offset > 0) {
    // A gap is possible only while operations are replayed whose predecessors are gone; `carry` or nothing
    // fills it.
    while (state.items.length < offset) state.items.push(undefined)
    state.items.length = offset
    return
  }
  state.first = index
  state.items = []
}

function compact(state: GroupState<unknown>, to: Index): void {
  if (to < state.first) return
  state.items = state.items.slice(to - state.first + 1)
  state.first = to + 1
}

/** The log matches the snapshot up to its index (Raft paper §7, "InstallSnapshot" step 6). */
function holds(state: GroupState<{ readonly term: Term }> | undefined, { index, term }: Snapshot): boolean {
  if (state === undefined) return false
  if (state.items[index - state.first]?.term === term) return true
  // The position right below the log is that of the snapshot it stands on.
  const base = state.snapshot?.snapshot
  return base?.index === index && base.term === term
}

function lastOf(state: GroupState<unknown> | undefined, base: Index): Index {
  if (state === undefined || state.items.length === 0) return base
  return Math.max(base, state.first + state.items.length - 1)
}

function checkEntries({ first, end, length }: Entries, last: Index): void {
  assert(first <= last + 1 && end - first === length, 'entries leave a gap in the log')
}
