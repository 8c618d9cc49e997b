import type { Change } from '../../core/machine/item.ts'
import type { GroupId, Index, Revision } from '../../core/types.ts'
import type { Replica } from '../../engine/replica/replica.ts'
import { decodeValue } from '../../wire/value.ts'
import type { ModelItem } from '../checkers/transaction-model.ts'
import { isNamedKey } from './call-kinds.ts'
import { isForbidden, nameOf } from './value-names.ts'
import type { Report } from './violation.ts'

/** What a key held from a revision on; null: it did not exist. */
interface Version {
  readonly revision: Revision
  /** The name of the value. */
  readonly value: string | null
  /** All of it, where the key existed. */
  readonly item: ModelItem | undefined
}

/** A change of one key. */
export interface KeyChange extends Version {
  readonly key: string
}

const never: Version = { revision: 0, value: null, item: undefined }

/**
 * What the writes of the clients did, in the order of their revisions, as the first replica that applied each one
 * tells; and the judgement of every answer by it. The revisions give the order that linearizability asks for, so no
 * order has to be searched: an answer is right when it fits a moment between the call and the return.
 *
 * Every value is written by one call only, so that a value that shows up twice was applied twice.
 */
export class Oracle {
  /** No answer to a call that begins now may be older. */
  floor: Revision = 0
  /** Up to where the effects are known. */
  upTo: Index = 0
  /** No answer to a question for the members that begins now may be older. */
  membersFloor: Revision = 0
  /** All of them, in order. */
  readonly changes: KeyChange[] = []
  private readonly group: GroupId
  private readonly report: Report
  private readonly versions = new Map<string, Version[]>()
  private readonly writtenAt = new Map<string, Revision>()
  private readonly denied = new Set<string>()
  /** Acknowledged ones, with their places. */
  readonly broadcasts = new Map<string, Revision>()

  constructor(group: GroupId, report: Report) {
    this.group = group
    this.report = report
  }

  observe(replica: Replica): void {
    const { machine } = replica
    if (machine.appliedIndex <= this.upTo) return
    const changes = machine.history.since(this.upTo)
    if (changes === 'compacted')
      return this.fail('history', `replica ${replica.id} does not know its own past`)
    for (const change of changes) this.add(change)
    this.upTo = machine.appliedIndex
  }

  /** The position of the first change from this revision on. */
  readonly positionOf = (revision: Revision): number => {
    let low = 0
    let high = this.changes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.changes[middle]?.revision ?? 0) < revision) low = middle + 1
      else high = middle
    }
    return low
  }

  keys(): Iterable<string> {
    return this.versions.keys()
  }

  latest(key: string): Version {
    return this.versions.get(key)?.at(-1) ?? never
  }

  /** What the key was when all up to this revision was done; undefined: it did not exist. */
  itemAt(key: string, revision: Revision): ModelItem | undefined {
    return versionAt(this.versions.get(key) ?? [], revision).item
  }

  /** The keys that there were then, of those that are wanted, in their order. */
  itemsAt(revision: Revision, wants: (key: string) => boolean): ModelItem[] {
    const items: ModelItem[] = []
    for (const [key, list] of this.versions) {
      const item = wants(key) ? versionAt(list, revision).item : undefined
      if (item !== undefined) items.push(item)
    }
    return items.sort((left, right) => (left.key < right.key ? -1 : 1))
  }

  /** Where the value of that name was written; undefined: nowhere so far. */
  placeOf(name: string): Revision | undefined {
    return this.writtenAt.get(name)
  }

  /** Something took effect at that revision, and was answered: later calls must not be told of an earlier state. */
  acknowledged(revision: Revision, floor: Revision): void {
    if (revision <= floor)
      this.fail('linearizability', `an entry took effect at ${revision}, before its call, after ${floor}`)
    this.floor = Math.max(this.floor, revision)
  }

  /** The group says that it wrote, or deleted where `value` is null. Returns what stood there before. */
  wrote(key: string, revision: Revision, value: string | null, floor: Revision): string | null {
    const list = this.versions.get(key) ?? []
    const at = list.findIndex(version => version.revision === revision)
    if (at < 0 || list[at]?.value !== value) {
      this.fail('lost-write', `${value} is acknowledged at ${revision} of ${key}, where it is not`)
    }
    if (revision <= floor) {
      this.fail(
        'linearizability',
        `${value} took effect at ${revision}, before its call, which came after ${floor}`,
      )
    }
    this.floor = Math.max(this.floor, revision)
    return list[at - 1]?.value ?? null
  }

  /** An entry that changes nothing was acknowledged; `name` is what was broadcast with it. */
  logged(name: string | undefined, revision: Revision, floor: Revision): void {
    this.acknowledged(revision, floor)
    if (name !== undefined) this.broadcasts.set(name, revision)
  }

  /** The members were read, as they are since this revision. */
  members(revision: Revision, floor: Revision): void {
    if (revision < floor) this.fail('linearizability', `members of ${revision} were read, after ${floor}`)
    this.membersFloor = Math.max(this.membersFloor, revision)
  }

  /** The group says that nothing was written: not now, and not later. */
  refused(value: string): void {
    this.denied.add(value)
    const revision = this.writtenAt.get(value)
    if (revision !== undefined)
      this.fail('denied-write', `${value} is said to have failed, and stands at ${revision}`)
  }

  /** A read, or a condition that was not met, found this. `revision` is that of the item; 0: there is none. */
  found(key: string, value: string | null, revision: Revision, floor: Revision): void {
    const list = this.versions.get(key) ?? []
    if (value === null) {
      if (!this.wasAbsent(list, floor)) this.fail('linearizability', `${key} was found absent after ${floor}`)
      return
    }
    const at = list.findIndex(version => version.revision === revision)
    if (at < 0 || list[at]?.value !== value)
      return this.fail('phantom', `${key} never was ${value} at ${revision}`)
    const next = list[at + 1]
    if (next !== undefined && next.revision <= floor) {
      this.fail(
        'linearizability',
        `${key} was read as of ${revision}, after ${next.revision} was known (${floor})`,
      )
    }
  }

  /** A scan found these, and nothing else: all of it must have stood so at one moment. */
  scanned(
    found: ReadonlyMap<string, { readonly value: string; readonly revision: Revision }>,
    floor: Revision,
  ) {
    let at = floor
    for (const { revision } of found.values()) at = Math.max(at, revision)
    const isAll = (revision: Revision) => {
      for (const [key, list] of this.versions) {
        if (!isNamedKey(key)) continue
        const present = versionAt(list, revision)
        const one = found.get(key)
        if (present.value === null ? one !== undefined : one?.revision !== present.revision) return false
      }
      return true
    }
    for (let position = this.positionOf(at + 1); ; position++) {
      if (isAll(at)) return
      const next = this.changes[position]
      if (next === undefined) break
      at = next.revision
    }
    this.fail('linearizability', `a scan found what never stood together after ${floor}`)
  }

  private wasAbsent(list: readonly Version[], floor: Revision): boolean {
    return (
      versionAt(list, floor).value === null ||
      list.some(version => version.revision > floor && version.value === null)
    )
  }

  private add({ key, revision, item }: Change): void {
    const version = versionOf(revision, item)
    this.changes.push({ key, ...version })
    let list = this.versions.get(key)
    if (list === undefined) {
      list = []
      this.versions.set(key, list)
    }
    list.push(version)
    if (version.value !== null && isNamedKey(key)) this.took(version.value, revision)
  }

  /** A value took its place, for the first and only time. */
  took(value: string, revision: Revision): void {
    if (isForbidden(value)) this.fail('validate', `${value} is forbidden, and stands at ${revision}`)
    const earlier = this.writtenAt.get(value)
    if (earlier !== undefined)
      this.fail('exactly-once', `${value} was applied at ${earlier} and at ${revision}`)
    if (this.denied.has(value))
      this.fail('denied-write', `${value} was said to have failed, and came at ${revision}`)
    this.writtenAt.set(value, revision)
  }

  private fail(rule: string, message: string): void {
    this.report(rule, `${this.group}: ${message}`)
  }
}

function versionOf(revision: Revision, item: Change['item']): Version {
  if (item === null) return { revision, value: null, item: undefined }
  const decoded = decodeValue(item.value)
  const value = typeof decoded === 'number' ? decoded : nameOf(String(decoded))
  return { revision, value: String(value), item: { ...item, value } }
}

function versionAt(list: readonly Version[], revision: Revision): Version {
  for (let position = list.length - 1; position >= 0; position--) {
    const version = list[position]
    if (version !== undefined && version.revision <= revision) return version
  }
  return never
}
