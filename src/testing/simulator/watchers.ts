import { isQuorateError } from '../../core/error.ts'
import type { GroupId, Revision } from '../../core/types.ts'
import type { Store } from '../../engine/store/store.ts'
import type { Watch } from '../../engine/store/watch.ts'
import type { WatchNotice } from '../../engine/types.ts'
import { type Delivery, WatchValidator } from '../checkers/watch-validator.ts'
import type { Oracle } from './oracle.ts'
import { type HostLife, hasEnded } from './simulated-host.ts'
import { nameOf } from './value-names.ts'
import type { Report } from './violation.ts'

interface Watcher {
  readonly name: string
  readonly life: HostLife
  readonly store: Store
  readonly validator: WatchValidator
  /** Told and not judged yet. */
  readonly told: Delivery[]
  watch: Watch<WatchNotice<string>> | undefined
  isOver: boolean
}

/** So many notices are read before a watcher leaves its watch and goes on by another one, behind what it has read. */
const noticesPerWatch = 40

/** Of the keys that are written with what the oracle can read. */
const prefix = 'k'

/**
 * Watchers at stores. Each must be told of every change from where it began, once, in order, as it was, the changes of
 * a revision together; and whatever it was told, it may leave and go on behind it.
 */
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
    for (let i = 0; i < this.perStore; i++) {
      this.begin(life, store, { from: this.oracleOf(store.name).floor + 1, resync: false })
      this.begin(life, store, { from: undefined, resync: true })
    }
  }

  ended(life: HostLife): void {
    for (const watcher of this.all) if (watcher.life === life) this.all.delete(watcher)
  }

  judge(): void {
    for (const watcher of this.all) {
      const { told, watch, name, validator } = watcher
      // All that was read is among what was told: so the watch may claim no more.
      const revision = watch?.revision ?? 0
      if (told.length === 0 && revision === 0) continue
      const wrong = told.map(delivery => validator.judge(delivery))
      told.length = 0
      if (revision > 0) wrong.push(validator.judge({ type: 'bookmark', revision }))
      for (const what of wrong) if (what !== undefined) this.report('watch', `${name} was ${what}`)
    }
  }

  /** A watcher that was not told of everything yet, in words. */
  behind(): string | undefined {
    for (const { name, validator, isOver, store } of this.all) {
      const missing = isOver || hasEnded(store) ? undefined : validator.missing()
      if (missing !== undefined) return `${name} was not told of ${missing}`
    }
    return undefined
  }

  private begin(
    life: HostLife,
    store: Store,
    options: { readonly from: Revision | undefined; readonly resync: boolean },
  ): void {
    const { from, resync } = options
    const { changes } = this.oracleOf(store.name)
    const validator = new WatchValidator({ changes, from, wants: key => key.startsWith(prefix) })
    const name = `a watcher at ${life.owner.id}${resync ? ' that resyncs' : ''}`
    const watcher: Watcher = { name, life, store, validator, told: [], watch: undefined, isOver: false }
    this.all.add(watcher)
    this.follow(watcher, options).catch(error => {
      watcher.isOver = true
      watcher.watch = undefined
      if (life.isOver || life.failure !== undefined) return
      // The replica came back by a snapshot that is younger: whoever asks must read anew, and go on from there.
      if (isQuorateError(error, 'COMPACTED')) {
        if (resync) this.report('watch', `${name} ended with COMPACTED`)
        else this.begin(life, store, { from: undefined, resync })
      } else if (!isQuorateError(error)) this.report('watch', `${name} ended: ${String(error)}`)
    })
  }

  private async follow(
    watcher: Watcher,
    { from, resync }: { readonly from: Revision | undefined; readonly resync: boolean },
  ): Promise<void> {
    let next = from
    do {
      const start = { prefix, ...(next !== undefined && { from: next }) }
      const watch = watcher.store.watch<string>({ ...start, resync, bookmarks: resync })
      watcher.watch = watch
      next = await this.read(watcher, watch)
    } while (next !== undefined)
    watcher.isOver = true
  }

  /** Until there is enough of it. Gives where to go on; undefined where it ended. */
  private async read(watcher: Watcher, watch: Watch<WatchNotice<string>>): Promise<Revision | undefined> {
    let left = noticesPerWatch
    for await (const notice of watch) {
      watcher.told.push(deliveryOf(notice))
      if (--left <= 0 && (notice.type === 'reset' || notice.type === 'bookmark' || notice.last))
        return watch.revision + 1
    }
    return undefined
  }
}

function deliveryOf(notice: WatchNotice<string>): Delivery {
  switch (notice.type) {
    case 'bookmark':
      return notice
    case 'reset': {
      const entries = notice.entries.map(({ key, modRevision, value }) => ({
        key,
        modRevision,
        value: nameOf(value),
      }))
      return { type: 'reset', revision: notice.revision, entries }
    }
    default: {
      const { key, revision, value, last } = notice
      return { type: 'change', key, revision, value: value === undefined ? null : nameOf(value), last }
    }
  }
}
