import type { Change } from '../../core/machine/item.ts'
import type { GroupId, Index, Revision } from '../../core/types.ts'
import type { Replica } from '../../engine/replica.ts'
import { decodeValue } from '../../wire/value.ts'
import type { Report } from './violation.ts'

/** What a key held from a revision on; null: it did not exist. */
interface Version {
  readonly revision: Revision
  readonly value: string | null
}

const never: Version = { revision: 0, value: null }

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
  private readonly group: GroupId
  private readonly report: Report
  private readonly versions = new Map<string, Version[]>()
  private readonly writtenAt = new Map<string, Revision>()
  private readonly denied = new Set<string>()

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

  keys(): Iterable<string> {
    return this.versions.keys()
  }

  latest(key: string): Version {
    return this.versions.get(key)?.at(-1) ?? never
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

  private wasAbsent(list: readonly Version[], floor: Revision): boolean {
    const before = list.filter(version => version.revision <= floor).at(-1) ?? never
    return before.value === null || list.some(version => version.revision > floor && version.value === null)
  }

  private add({ key, revision, item }: Change): void {
    const value = item === null ? null : String(decodeValue(item.value))
    let list = this.versions.get(key)
    if (list === undefined) {
      list = []
      this.versions.set(key, list)
    }
    list.push({ revision, value })
    if (value === null) return
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
