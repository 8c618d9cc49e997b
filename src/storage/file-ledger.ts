import type { EntryRun } from '../core/raft/entry-run.ts'
import type { GroupId, Index, Term } from '../core/types.ts'
import type { SegmentNumber } from './file-segment.ts'
import type { WriteBatch } from './storage.ts'
import { type Operation, type SnapshotIdOf, StoredState, type WriteOperation } from './stored-state.ts'

/** Where an entry is stored: shared by the entries of one operation that have one term. */
interface Place {
  readonly term: Term
  /** Undefined until the operation is written. */
  segment: SegmentNumber | undefined
}

/** What an operation brought into the log. */
export interface Additions {
  readonly places: readonly Place[]
  readonly entries: number
}

/** Entries that live in a segment. */
export type LivingEntries = ReadonlyMap<GroupId, ReadonlySet<Index>>

/** Which entries of the log live in which of its segments. */
export class FileLedger {
  private readonly state = new StoredState<Place>(run => this.placeOf(run))
  /** How many entries were ever written to a segment. */
  private readonly written = new Map<SegmentNumber, number>()
  private newPlaces: Place[] = []
  private newEntries = 0

  /** The batch as an operation, which must be applied before anything else. */
  plan(batch: WriteBatch, snapshotId: SnapshotIdOf): WriteOperation {
    return this.state.plan(batch, snapshotId)
  }

  apply(operation: Operation): Additions {
    this.state.apply(operation)
    const additions = { places: this.newPlaces, entries: this.newEntries }
    this.newPlaces = []
    this.newEntries = 0
    return additions
  }

  /** Tells where an operation was written. */
  locate({ places, entries }: Additions, segment: SegmentNumber): void {
    for (const place of places) place.segment = segment
    this.written.set(segment, (this.written.get(segment) ?? 0) + entries)
  }

  /** The state as it is after what was applied, for the beginning of a segment. */
  checkpoint(): Operation {
    return this.state.checkpoint()
  }

  /** The lowest segment, from `from` on, in which an entry lives; infinity if there is none. */
  lowestLiving(from: SegmentNumber): SegmentNumber {
    let lowest = Number.POSITIVE_INFINITY
    this.eachLiving(segment => {
      if (segment >= from && segment < lowest) lowest = segment
    })
    return lowest
  }

  /** How many segments the living entries would fill, roughly. */
  fullSegments(): number {
    const counts = new Map<SegmentNumber, number>()
    this.eachLiving(segment => counts.set(segment, (counts.get(segment) ?? 0) + 1))
    let full = 0
    for (const [segment, count] of counts) full += Math.min(1, count / (this.written.get(segment) ?? count))
    return full
  }

  livingIn(segment: SegmentNumber): LivingEntries {
    const entries = new Map<GroupId, Set<Index>>()
    this.eachLiving((other, group, index) => {
      if (other !== segment) return
      const own = entries.get(group) ?? new Set()
      entries.set(group, own.add(index))
    })
    return entries
  }

  /** The entries that live in one segment were written to the other one as well. */
  move(from: SegmentNumber, to: SegmentNumber): void {
    for (const { items } of this.state.groups.values()) {
      for (const place of items) if (place?.segment === from) place.segment = to
    }
    this.written.delete(from)
  }

  private eachLiving(callback: (segment: SegmentNumber, group: GroupId, index: Index) => void): void {
    for (const [group, { first, items }] of this.state.groups) {
      for (let i = 0; i < items.length; i++) {
        const segment = items[i]?.segment
        if (segment !== undefined) callback(segment, group, first + i)
      }
    }
  }

  private placeOf({ term }: EntryRun): Place {
    this.newEntries += 1
    let place = this.newPlaces.at(-1)
    if (place?.term !== term) {
      place = { term, segment: undefined }
      this.newPlaces.push(place)
    }
    return place
  }
}
