import { isQuorateError } from '../../core/error.ts'
import type { GroupId, Revision } from '../../core/types.ts'
import type { Store } from '../../engine/store.ts'
import type { WatchEvent } from '../../engine/types.ts'
import type { Oracle } from './oracle.ts'
import { type HostLife, hasEnded } from './simulated-host.ts'
import { nameOf } from './value-names.ts'
import type { Report } from './violation.ts'

interface Watcher {
  readonly name: string
  readonly life: HostLife
  readonly store: Store
  readonly group: GroupId
  /** Told and not judged yet. */
  readonly told: WatchEvent<string>[]
  /** The position of the change that must come next; undefined before the first one, where the start was left open. */
  next: number | undefined
  isOver: boolean
}

/** Watchers at stores. Each must be told of every change from where it began, once, in order, as it was. */
export class Watchers {
  private readonly all = new Set<Watcher>()
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
    for (let i = 0; i < this.perStore; i++) this.begin(life, store, this.oracleOf(store.name).floor + 1)
  }

  ended(life: HostLife): void {
    for (const watcher of this.all) if (watcher.life === life) this.all.delete(watcher)
  }

  judge(): void {
    for (const watcher of this.all) {
      if (watcher.told.length === 0) continue
      for (const event of watcher.told) this.judgeEvent(watcher, event)
      watcher.told.length = 0
    }
  }

  /** A watcher that was not told of everything yet, in words. */
  behind(): string | undefined {
    for (const { name, next, group, isOver, store } of this.all) {
      if (isOver || next === undefined || hasEnded(store)) continue
      const { changes } = this.oracleOf(group)
      if (next < changes.length) return `${name} knows ${next} of ${changes.length} changes`
    }
    return undefined
  }

  private begin(life: HostLife, store: Store, from: Revision | undefined): void {
    const group = store.name
    const next = from === undefined ? undefined : this.oracleOf(group).positionOf(from)
    const name = `a watcher at ${life.owner.id}`
    const watcher: Watcher = { name, life, store, group, told: [], next, isOver: false }
    this.all.add(watcher)
    this.follow(watcher, from).catch(error => {
      watcher.isOver = true
      if (life.isOver || life.failure !== undefined) return
      // The replica came back by a snapshot that is younger: whoever asks must read anew, and go on from there.
      if (isQuorateError(error, 'COMPACTED')) this.begin(life, store, undefined)
      else if (!isQuorateError(error)) this.report('watch', `${name} ended: ${String(error)}`)
    })
  }

  private async follow(watcher: Watcher, from: Revision | undefined): Promise<void> {
    const range = { prefix: 'k', ...(from !== undefined && { from }) }
    for await (const event of watcher.store.watch<string>(range)) watcher.told.push(event)
    watcher.isOver = true
  }

  private judgeEvent(watcher: Watcher, { key, revision, value }: WatchEvent<string>): void {
    const { changes, positionOf } = this.oracleOf(watcher.group)
    const position = watcher.next ?? positionOf(revision)
    const expected = changes[position]
    watcher.next = position + 1
    const name = value === undefined ? null : nameOf(value)
    if (expected?.revision === revision && expected.key === key && expected.value === name) return
    const wanted =
      expected === undefined ? 'nothing' : `${expected.key} = ${expected.value} at ${expected.revision}`
    this.report(
      'watch',
      `${watcher.name} was told of ${key} = ${name} at ${revision}, where ${wanted} comes next`,
    )
  }
}
