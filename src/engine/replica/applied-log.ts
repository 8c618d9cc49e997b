import { QuorateError } from '../../core/error.ts'
import { appendBytesMax } from '../../core/limits.ts'
import type { Entries } from '../../core/raft/entry-list.ts'
import type { Entry } from '../../core/raft/types.ts'
import type { Index, Revision } from '../../core/types.ts'
import { compacted } from './watchers.ts'

const noData = new Uint8Array()

/**
 * What a replica applied in this life, for those who follow the log. The log itself keeps the entries, so readers cost
 * no memory, however slow they are; one that is overtaken by compaction is told.
 *
 * An attempt of a command that the group skipped (a retry, say) is shown as an entry without content. The log does not
 * tell which those are, only applying does: that is why the past begins where this life does.
 */
export class AppliedLog {
  private readonly skipped = new Set<Index>()
  /** What lies up to here was not applied here. */
  private floor: Index

  constructor(floor: Index) {
    this.floor = floor
  }

  /** The entry was applied and had no effect of its own. */
  skip(index: Index): void {
    this.skipped.add(index)
  }

  /** The log begins behind `index` now. */
  forget(index: Index): void {
    this.floor = Math.max(this.floor, index)
    for (const skipped of this.skipped) if (skipped <= index) this.skipped.delete(skipped)
  }

  /** A snapshot took the place of all up to its index. */
  restart(floor: Index): void {
    this.floor = floor
    this.skipped.clear()
  }

  /** Entries from `from` on, as many as make a message. Throws COMPACTED where they are gone. */
  slice(log: Log, from: Revision, applied: Index): readonly Entry[] {
    if (from > applied) return []
    const entries = from <= this.floor ? 'compacted' : log.entries(from, applied + 1, appendBytesMax)
    if (entries === 'compacted') throw compacted(from, this.floor)
    if (entries.runs.some(run => run.type === 'stripped'))
      throw new QuorateError('UNSUPPORTED', 'a witness keeps no entries: ask another member')
    return [...entries].map(entry => (this.skipped.has(entry.index) ? asNothing(entry) : entry))
  }
}

interface Log {
  entries(from: Index, end: Index, bytesMax: number): Entries | 'compacted'
}

function asNothing({ term, index }: Entry): Entry {
  return { term, index, type: 'normal', data: noData, change: null }
}
