import type { Revision } from '../../core/types.ts'

/** A change that the log holds. Values are told apart by `===`; null: the key was deleted. */
export interface CommittedChange {
  readonly key: string
  readonly revision: Revision
  readonly value: string | null
}

/** What a watcher was told of. */
export type Delivery =
  | (CommittedChange & { readonly type: 'change'; readonly last: boolean })
  | {
      readonly type: 'reset'
      readonly revision: Revision
      readonly entries: readonly {
        readonly key: string
        readonly modRevision: Revision
        readonly value: string
      }[]
    }
  | { readonly type: 'bookmark'; readonly revision: Revision }

/**
 * Judges what one watcher is told by what the log holds, after the six guarantees of a watch (those of etcd's API):
 * - ordered: revisions never go back;
 * - unique: no change is told twice;
 * - reliable: none between two that are told is left out;
 * - atomic: the changes of a revision come together, and `last` says which one is the last;
 * - resumable: a watch that begins behind what was told goes on without a gap;
 * - bookmarkable: a bookmark claims no revision of which a change was not told.
 * A reset must be the state of the log at its revision, and go on from there.
 *
 * `changes` are those of the log, in order; more may be added while a watcher is judged, whole revisions at a time.
 */
export class WatchValidator {
  /** Whether a change concerns the watcher. */
  private readonly wants: (key: string) => boolean
  private readonly changes: readonly CommittedChange[]
  /** The position of the first change that was not told; undefined while nobody knows where the watch began. */
  private next: number | undefined
  /** Everything up to there was told. */
  private revision: Revision = 0
  /** The state of the range before the change at `folded`. */
  private readonly state = new Map<string, CommittedChange>()
  private folded = 0

  constructor(parts: {
    readonly changes: readonly CommittedChange[]
    /** The first revision that is to be told; undefined: whatever comes after the watch began. */
    readonly from: Revision | undefined
    readonly wants?: (key: string) => boolean
  }) {
    this.changes = parts.changes
    this.wants = parts.wants ?? (() => true)
    if (parts.from !== undefined) {
      this.next = this.positionOf(parts.from)
      this.revision = parts.from - 1
    }
  }

  /** Says what is wrong with it, if anything is. */
  judge(delivery: Delivery): string | undefined {
    if (delivery.type === 'change') return this.judgeChange(delivery)
    return delivery.type === 'reset' ? this.judgeReset(delivery) : this.judgeBookmark(delivery.revision)
  }

  /** Another watch goes on behind `revision`. Says what is wrong with it: something would be missing, or come twice. */
  resume(revision: Revision): string | undefined {
    if (revision < this.revision) return `resumed behind ${revision}, where ${this.revision} was told`
    const wrong = this.judgeBookmark(revision)
    this.next = this.positionOf(revision + 1)
    return wrong
  }

  /** A change that was not told yet, in words. */
  missing(): string | undefined {
    if (this.next === undefined) return undefined
    const change = this.expected(this.next)
    return change && `${change.key} = ${change.value} at ${change.revision}`
  }

  private judgeChange({ key, revision, value, last }: CommittedChange & { readonly last: boolean }) {
    const expected = this.expected(this.next ?? this.positionOf(revision))
    const isRight = expected?.key === key && expected.revision === revision && expected.value === value
    const wanted = expected ? `${expected.key} = ${expected.value} at ${expected.revision}` : 'nothing'
    if (!isRight) {
      this.next = this.positionOf(revision + 1)
      return `told of ${key} = ${value} at ${revision}, where ${wanted} comes next`
    }
    const following = this.expected((this.next ?? 0) + 1)
    this.revision = last ? revision : revision - 1
    this.next = (this.next ?? 0) + 1
    const isLast = following?.revision !== revision
    if (last !== isLast)
      return `${key} at ${revision} is ${last ? '' : 'not '}said to be the last of its revision`
    return undefined
  }

  private judgeReset({ revision, entries }: Extract<Delivery, { type: 'reset' }>): string | undefined {
    if (revision < this.revision) return `set back to ${revision}, where ${this.revision} was told`
    this.next = this.positionOf(revision + 1)
    this.revision = revision
    for (; this.folded < this.next; this.folded++) {
      const change = this.changes[this.folded] as CommittedChange
      if (change.value === null) this.state.delete(change.key)
      else if (this.wants(change.key)) this.state.set(change.key, change)
    }
    for (const { key, modRevision, value } of entries) {
      const there = this.state.get(key)
      if (there?.revision !== modRevision || there.value !== value)
        return `set to ${key} = ${value} of ${modRevision} at ${revision}, not ${there?.value} of ${there?.revision}`
    }
    if (new Set(entries.map(({ key }) => key)).size === this.state.size) return undefined
    return `set to ${entries.length} keys at ${revision}, where ${this.state.size} stood`
  }

  private judgeBookmark(revision: Revision): string | undefined {
    if (revision < this.revision) return `told up to ${revision} after ${this.revision}`
    this.revision = revision
    if (this.next === undefined) {
      this.next = this.positionOf(revision + 1)
      return undefined
    }
    const skipped = this.expected(this.next)
    if (skipped === undefined || skipped.revision > revision) return undefined
    return `told up to ${revision}, but not of ${skipped.key} = ${skipped.value} at ${skipped.revision}`
  }

  /** The first change from that position on that concerns the watcher, where the watcher is then. */
  private expected(position: number): CommittedChange | undefined {
    let next = position
    while (next < this.changes.length && !this.wants((this.changes[next] as CommittedChange).key)) next += 1
    if (position === this.next || this.next === undefined) this.next = next
    return this.changes[next]
  }

  /** The position of the first change from this revision on. */
  private positionOf(revision: Revision): number {
    let low = 0
    let high = this.changes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.changes[middle]?.revision ?? 0) < revision) low = middle + 1
      else high = middle
    }
    return low
  }
}
