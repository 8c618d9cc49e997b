import type { GroupId } from '../../core/types.ts'
import type { GroupWrite, StoredHost, WriteBatch } from '../../storage/storage.ts'
import { LogMirror } from './log-mirror.ts'
import type { StorageObserver } from './storage-tap.ts'
import type { Report } from './violation.ts'

/** Who hears of each group's part of a write. */
export interface MirrorEvents {
  /** A replica's write is about to begin; `written` is what its disk holds when all that came before is done. */
  writing(group: GroupId, write: GroupWrite, written: LogMirror): void
  /** The disk says which replica it holds. */
  named(group: GroupId, durable: LogMirror): void
}

interface GroupMirror {
  /** All that was handed to the disk. */
  readonly written: LogMirror
  /** All that is safe there. */
  readonly durable: LogMirror
}

/** What a host's disk holds, as far as the host was told. */
export class HostMirror implements StorageObserver {
  private readonly groups = new Map<GroupId, GroupMirror>()
  /** What is being removed: a crash, or a refusal of the storage, may leave it there. */
  private readonly givenUp = new Map<GroupId, GroupMirror>()
  private readonly events: MirrorEvents
  private readonly report: Report

  constructor(events: MirrorEvents, report: Report) {
    this.events = events
    this.report = report
  }

  /** A host came back: what it was told to be safe must be there, and of the rest either all of a write or nothing. */
  loaded(stored: StoredHost): void {
    this.restore(stored)
    for (const [group, { written, durable }] of this.groups) {
      const found = stored.groups.get(group)
      if (found === undefined) {
        if (durable.replica !== 0) this.report('durability', `replica ${durable.replica} of ${group} is lost`)
        continue
      }
      const { term, vote } = found.hardState
      const before = durable.hardState
      const isBehind =
        term < before.term || (term === before.term && before.vote !== 0 && vote !== before.vote)
      if (isBehind) this.report('durability', `term ${before.term} or its vote is lost: ${term}, ${vote}`)
      const last = found.entries.at(-1)?.index ?? found.snapshot?.index ?? 0
      if (last < Math.min(durable.last, written.last)) {
        this.report(
          'durability',
          `the log of replica ${durable.replica} ends at ${last}, not ${durable.last}`,
        )
      }
    }
    for (const [group, found] of stored.groups) {
      const { written, durable } = this.mirrorOf(group)
      written.load(found)
      durable.load(found)
      this.events.named(group, durable)
    }
  }

  /** What is written of it from now on is another replica's; what there was may be there, or not. */
  removing(group: GroupId): void {
    const mirror = this.groups.get(group)
    if (mirror !== undefined) this.givenUp.set(group, mirror)
    this.groups.delete(group)
  }

  removed(group: GroupId): void {
    this.givenUp.delete(group)
  }

  writing(batch: WriteBatch): void {
    for (const [group, write] of batch.groups) {
      const { written } = this.mirrorOf(group)
      this.events.writing(group, write, written)
      written.write(write)
    }
  }

  written(batch: WriteBatch): void {
    for (const [group, write] of batch.groups) {
      const { durable } = this.mirrorOf(group)
      durable.write(write)
      if (write.bootstrap !== undefined) this.events.named(group, durable)
    }
  }

  /** What was being removed when its host ended, and is there: it is the same replica as before. */
  private restore(stored: StoredHost): void {
    for (const [group, mirror] of this.givenUp) {
      const found = stored.groups.get(group)
      if (found === undefined) continue
      const there = new LogMirror()
      there.load(found)
      if (there.replica === mirror.durable.replica) this.groups.set(group, mirror)
    }
    this.givenUp.clear()
  }

  private mirrorOf(group: GroupId): GroupMirror {
    let mirror = this.groups.get(group)
    if (mirror === undefined) {
      mirror = { written: new LogMirror(), durable: new LogMirror() }
      this.groups.set(group, mirror)
    }
    return mirror
  }
}
