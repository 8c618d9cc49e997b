import { isQuorateError } from '../../core/error.ts'
import type { GroupId, Index, Revision } from '../../core/types.ts'
import type { Store } from '../../engine/store/store.ts'
import { absent, type Broadcast, type LogEntry } from '../../engine/types.ts'
import { keyOf } from '../checkers/transaction-model.ts'
import type { Oracle } from './oracle.ts'
import type { HostLife } from './simulated-host.ts'
import { nameOf, nameWritten } from './value-names.ts'
import type { Report } from './violation.ts'

interface Follower<Event> {
  readonly name: string
  readonly life: HostLife
  readonly store: Store
  readonly group: GroupId
  /** Told and not judged yet. */
  readonly told: Event[]
  /** What must come next; undefined before the first one, where the start was left open. */
  next: Revision | undefined
  /** Of a listener: where it began, and what it heard. */
  start: Revision | undefined
  readonly heard: Set<Revision>
  isOver: boolean
}

/** What is told of a group's log: the same to everybody. */
interface Told {
  readonly entries: Map<Revision, string>
  readonly broadcasts: Map<Revision, string>
}

/**
 * Followers of the log at stores: of all entries, and of the broadcasts among them. Each must be told of every entry
 * from where it began, once, in order, as everybody else is told, and as the oracle knows its effect.
 */
export class Followers {
  private readonly all = new Set<Follower<LogEntry>>()
  private readonly listeners = new Set<Follower<Broadcast<string>>>()
  private readonly tellings = new Map<GroupId, Told>()
  private readonly oracleOf: (group: GroupId) => Oracle
  private readonly report: Report
  private readonly perStore: number

  constructor(parts: {
    readonly oracleOf: (group: GroupId) => Oracle
    readonly report: Report
    readonly perStore: number
  }) {
    this.oracleOf = parts.oracleOf
    this.report = parts.report
    this.perStore = parts.perStore
  }

  attach(life: HostLife, store: Store): void {
    for (let i = 0; i < this.perStore; i++) {
      const from = Math.max(2, this.oracleOf(store.name).floor + 1)
      this.begin(this.all, life, store, from, range => store.entries(range))
      this.begin(this.listeners, life, store, from, range => store.broadcasts<string>(range))
    }
  }

  ended(life: HostLife): void {
    for (const follower of this.all) if (follower.life === life) this.all.delete(follower)
    for (const listener of this.listeners) {
      if (listener.life !== life) continue
      this.listeners.delete(listener)
      this.compareHeard(listener)
    }
  }

  judge(): void {
    for (const follower of this.all) {
      for (const entry of follower.told) this.judgeEntry(follower, entry)
      follower.told.length = 0
    }
    for (const listener of this.listeners) {
      for (const broadcast of listener.told) this.judgeBroadcast(listener, broadcast)
      listener.told.length = 0
    }
  }

  /** A follower that was not told of everything up to there yet, in words. */
  behind(lastOf: (group: GroupId) => Index): string | undefined {
    for (const { name, next, group, isOver, store } of this.all) {
      if (isOver || next === undefined || isOut(store)) continue
      const last = lastOf(group)
      if (next <= last) return `${name} knows the log up to ${next - 1} of ${last}`
    }
    for (const { name, next, group, isOver, store } of this.listeners) {
      if (isOver || next === undefined || isOut(store)) continue
      const last = Math.max(0, ...this.toldOf(group).broadcasts.keys())
      if (next <= last) return `${name} knows the broadcasts up to ${next - 1} of ${last}`
    }
    return undefined
  }

  /** Demands that what was acknowledged was told, and what one was told, all were. To be asked at the end. */
  compare(group: GroupId): void {
    for (const listener of this.listeners) if (listener.group === group) this.compareHeard(listener)
    const { entries, broadcasts } = this.toldOf(group)
    for (const [name, revision] of this.oracleOf(group).broadcasts) {
      if (entries.has(revision) && broadcasts.get(revision) !== name)
        this.report('entries', `${name} was broadcast at ${revision}, where ${entries.get(revision)} is told`)
    }
  }

  private begin<Event extends { readonly revision: Revision }>(
    set: Set<Follower<Event>>,
    life: HostLife,
    store: Store,
    from: Revision | undefined,
    open: (range: { readonly from?: Revision }) => AsyncIterable<Event>,
  ): void {
    const name = `a follower at ${life.owner.id}`
    const told = { told: [], next: from, start: from, heard: new Set<Revision>(), isOver: false }
    const follower: Follower<Event> = { name, life, store, group: store.name, ...told }
    set.add(follower)
    const follow = async () => {
      for await (const event of open(from === undefined ? {} : { from })) follower.told.push(event)
    }
    const end = (error?: unknown) => {
      follower.isOver = true
      if (error === undefined || life.isOver || life.failure !== undefined) return
      // The replica came back by a snapshot that is younger: the past is gone there.
      if (isQuorateError(error, 'COMPACTED')) this.begin(set, life, store, undefined, open)
      else if (!isQuorateError(error)) this.report('entries', `${name} ended: ${String(error)}`)
    }
    follow().then(() => end(), end)
  }

  private judgeEntry(follower: Follower<LogEntry>, entry: LogEntry): void {
    const { group, name } = follower
    const { revision } = entry
    const { next = revision } = follower
    if (revision !== next) this.report('entries', `${name} was told of ${revision}, where ${next} comes next`)
    follower.next = revision + 1
    const text = describe(entry)
    const { entries } = this.toldOf(group)
    const known = entries.get(revision)
    if (known !== undefined) {
      if (known !== text)
        this.report('entries', `${name} was told of ${text} at ${revision}, others of ${known}`)
      return
    }
    entries.set(revision, text)
    const oracle = this.oracleOf(group)
    const change = oracle.changes[oracle.positionOf(revision)]
    if (change?.revision === revision && !isOf(entry, change.key, change.value))
      this.report('entries', `${name} was told of ${text} at ${revision}, which wrote ${change.value}`)
    // Behind a fence nothing may be written: whether it may is judged elsewhere.
    const isFenced = entry.type === 'put' && nameWritten(entry)?.startsWith('f')
    if (entry.type === 'put' && !isFenced && change?.revision !== revision && revision <= oracle.upTo)
      this.report('entries', `${name} was told of ${text} at ${revision}, where nothing was written`)
    if (entry.type === 'broadcast') this.heard(group, revision, nameWritten(entry) ?? '')
  }

  private judgeBroadcast(listener: Follower<Broadcast<string>>, { revision, body }: Broadcast<string>): void {
    const { group, name, next } = listener
    const told = nameOf(String(body))
    const { entries, broadcasts } = this.toldOf(group)
    if (next !== undefined && revision < next)
      this.report('entries', `${name} was told of a broadcast at ${revision}, and before of ${next - 1}`)
    const known = entries.get(revision)
    if (known !== undefined && broadcasts.get(revision) !== told)
      this.report('entries', `${name} was told of broadcast ${told} at ${revision}, where ${known} stands`)
    listener.next = revision + 1
    listener.start ??= revision
    listener.heard.add(revision)
    this.heard(group, revision, told)
  }

  /** A listener hears of each broadcast between its start and the last one that it was told of. */
  private compareHeard({ name, group, start, next, heard }: Follower<Broadcast<string>>): void {
    if (start === undefined || next === undefined) return
    for (const [revision, missed] of this.toldOf(group).broadcasts) {
      if (revision >= start && revision < next && !heard.has(revision))
        this.report('entries', `${name} was not told of ${missed} at ${revision}`)
    }
  }

  /** A broadcast has its place: for the first time, or as everybody heard it. */
  private heard(group: GroupId, revision: Revision, name: string): void {
    const { broadcasts } = this.toldOf(group)
    const known = broadcasts.get(revision)
    if (known === name) return
    if (known !== undefined) this.report('entries', `${known} and ${name} were both heard at ${revision}`)
    broadcasts.set(revision, name)
    this.oracleOf(group).took(name, revision)
  }

  private toldOf(group: GroupId): Told {
    let told = this.tellings.get(group)
    if (told === undefined) {
      told = { entries: new Map(), broadcasts: new Map() }
      this.tellings.set(group, told)
    }
    return told
  }
}

function isOut(store: Store): boolean {
  return store.status().role === 'removed'
}

/** What an entry says, but for whose it is: that is told only as long as the group remembers. */
function describe(entry: LogEntry): string {
  switch (entry.type) {
    case 'none':
      return `${entry.term} none`
    case 'members':
      return `${entry.term} members ${JSON.stringify([entry.members, entry.removed])}`
    case 'delete':
      return `${entry.term} delete ${entry.table ?? ''} ${entry.key}`
    case 'broadcast':
      return `${entry.term} broadcast ${entry.topic} ${nameWritten(entry)}`
    case 'put':
    case 'insert':
      return `${entry.term} ${entry.type} ${entry.table ?? ''} ${entry.key} ${nameWritten(entry)}`
    case 'compareAndSwap': {
      const expected = entry.expected === absent ? 'absent' : nameOf(String(entry.expected))
      return `${entry.term} swap ${entry.key} ${expected} ${nameWritten(entry)}`
    }
    case 'command':
      return `${entry.term} command ${entry.name}`
  }
}

/** Whether the entry could have made this change. */
function isOf(entry: LogEntry, key: string, value: string | null): boolean {
  if (entry.type === 'members' || entry.type === 'broadcast') return false
  // The end of a lease says nothing, and takes keys with it.
  if (entry.type === 'none') return value === null
  // What a command writes does not stand in its entry.
  if (entry.type === 'command') return true
  return (
    keyOf(entry.table ?? '', entry.key) === key &&
    (value === null ? entry.type === 'delete' : nameWritten(entry) === value)
  )
}
