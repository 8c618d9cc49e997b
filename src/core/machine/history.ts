import { assert } from '../../base/assert.ts'
import type { Revision } from '../types.ts'
import { type Change, type Item, putOf } from './item.ts'

export interface HistoryLimits {
  readonly historyChangesMax: number
  readonly historyBytesMax: number
}

/**
 * The latest changes, for watchers that start in the past. Not part of the replicated state: a replica that
 * was restored from a snapshot knows less of the past than its peers, and says so.
 */
export class History {
  private readonly limits: HistoryLimits
  /** In the order of their revisions; those before `head` are forgotten and wait to be cut off in one go. */
  private kept: (Kept | undefined)[] = []
  private head = 0
  private bytes = 0
  private forgotten: Revision

  constructor(limits: HistoryLimits, floor: Revision) {
    this.limits = limits
    this.forgotten = floor
  }

  /** Every change of a later revision is known; of this one and earlier ones, none or only some are. */
  get floor(): Revision {
    return this.forgotten
  }

  get size(): number {
    return this.kept.length - this.head
  }

  /** All changes with a revision greater than this one, in order; 'compacted' when some of them are gone. */
  since(revision: Revision): readonly Change[] | 'compacted' {
    if (revision < this.forgotten) return 'compacted'
    const later = this.kept.slice(this.firstAfter(revision)) as Kept[]
    return later.map(kept => (isItem(kept) ? putOf(kept) : kept))
  }

  add(change: Change): void {
    assert(change.revision > this.forgotten, 'a change is newer than what is forgotten')
    const kept = change.item ?? change
    this.kept.push(kept)
    this.bytes += footprint(kept)
    while (this.size > this.limits.historyChangesMax || this.bytes > this.limits.historyBytesMax)
      this.forget()
  }

  /** Forgets the oldest revision, with all of its changes: a watcher gets a revision whole or not at all. */
  private forget(): void {
    assert(this.size > 0, 'an empty history is within its limits')
    this.forgotten = this.revisionAt(this.head)
    while (this.size > 0 && this.revisionAt(this.head) === this.forgotten) {
      this.bytes -= footprint(this.kept[this.head] as Kept)
      this.kept[this.head++] = undefined
    }
    if (this.head * 2 > this.kept.length) {
      this.kept = this.kept.slice(this.head)
      this.head = 0
    }
  }

  private firstAfter(revision: Revision): number {
    let low = this.head
    let high = this.kept.length
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.revisionAt(middle) <= revision) low = middle + 1
      else high = middle
    }
    return low
  }

  private revisionAt(position: number): Revision {
    const kept = this.kept[position] as Kept
    return isItem(kept) ? kept.modRevision : kept.revision
  }
}

/** A put is kept as its item, which says all of it; a deletion as it is. */
type Kept = Item | Change

function isItem(kept: Kept): kept is Item {
  return 'modRevision' in kept
}

/** The memory that a change keeps alive: it may be the last holder of its item. */
function footprint(kept: Kept): number {
  return (isItem(kept) ? kept.value.length : 0) + 2 * kept.key.length + changeOverheadBytes
}

/** The objects around the bytes, roughly as V8 lays them out. */
const changeOverheadBytes = 200
