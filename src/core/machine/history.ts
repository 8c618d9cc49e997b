import { assert } from '../../base/assert.ts'
import type { Revision } from '../types.ts'
import type { Change } from './item.ts'

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
  private changes: (Change | undefined)[] = []
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
    return this.changes.length - this.head
  }

  /** All changes with a revision greater than this one, in order; 'compacted' when some of them are gone. */
  since(revision: Revision): readonly Change[] | 'compacted' {
    if (revision < this.forgotten) return 'compacted'
    return this.changes.slice(this.firstAfter(revision)) as Change[]
  }

  add(change: Change): void {
    assert(change.revision > this.forgotten, 'a change is newer than what is forgotten')
    this.changes.push(change)
    this.bytes += footprint(change)
    while (this.size > this.limits.historyChangesMax || this.bytes > this.limits.historyBytesMax)
      this.forget()
  }

  /** Forgets the oldest revision, with all of its changes: a watcher gets a revision whole or not at all. */
  private forget(): void {
    const oldest = this.changes[this.head]
    assert(oldest !== undefined, 'an empty history is within its limits')
    this.forgotten = oldest.revision
    while (this.changes[this.head]?.revision === oldest.revision) {
      this.bytes -= footprint(this.changes[this.head] as Change)
      this.changes[this.head++] = undefined
    }
    if (this.head * 2 > this.changes.length) {
      this.changes = this.changes.slice(this.head)
      this.head = 0
    }
  }

  private firstAfter(revision: Revision): number {
    let low = this.head
    let high = this.changes.length
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if ((this.changes[middle] as Change).revision <= revision) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The memory that a change keeps alive, `previous` included: the change may be its last holder. */
function footprint(change: Change): number {
  const values = (change.item?.value.length ?? 0) + (change.previous?.value.length ?? 0)
  return values + 2 * change.key.length + changeOverheadBytes
}

/** The objects around the bytes: the change and its item, roughly as V8 lays them out. */
const changeOverheadBytes = 200
