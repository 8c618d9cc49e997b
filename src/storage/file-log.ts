import fs from 'node:fs'
import { assert } from '../base/assert.ts'
import { logFileBytes, logPaddingBytes } from '../core/limits.ts'
import { type Entries, packed } from '../core/raft/entry-list.ts'
import { entryOf } from '../core/raft/entry-run.ts'
import type { Entry } from '../core/raft/types.ts'
import type { GroupId, Index } from '../core/types.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { type Additions, FileLedger, type LivingEntries } from './file-ledger.ts'
import {
  corrupt,
  listSegments,
  preambleBytes,
  readSegment,
  replaySegment,
  type Segment,
  type SegmentNumber,
  segmentFile,
  writePreamble,
} from './file-segment.ts'
import {
  closeDescriptor,
  flush,
  openDurable,
  syncDirectory,
  temporarySuffix,
  truncateDescriptor,
  writeDurable,
} from './file-system.ts'
import { GroupCommit } from './group-commit.ts'
import { writeOperation } from './operation-codec.ts'
import { beginRecord, finishRecord } from './record.ts'
import type { StoredHost, WriteBatch } from './storage.ts'
import {
  type NamedSnapshot,
  type Operation,
  type SnapshotIdOf,
  StoredState,
  toStoredHost,
  type WriteOperation,
} from './stored-state.ts'

/** Segments that may hold little before their entries are carried together. */
const sparseSegments = 4

interface Appended {
  readonly operation: Operation
  readonly additions: Additions
}

/**
 * The write-ahead log: operations in files of bounded size ("segments"), each operation durable when `append`
 * resolves.
 *
 * Operations that arrive while a record is being written share the next record. A segment begins with a
 * checkpoint of everything but the entries, so an older one is needed only as long as entries live in it.
 * Where a few entries that nobody compacts hold back many segments, they are carried into the newest one; so
 * the log is at most about twice as large as what lives in it, and some segments.
 */
export class FileLog {
  private readonly directory: string
  private readonly segmentBytes: number
  private readonly ledger = new FileLedger()
  private readonly commit = new GroupCommit<Appended>(appended => this.write(appended))
  private readonly writer = new ByteWriter()
  /** Ascending; the last one is written to. */
  private segments: Segment[] = []
  private descriptor = -1
  private offset = 0
  private sequence = 0
  /** The file holds zeros from `offset` to here, and ends here. */
  private prepared = 0
  /** The offset from which on the next record begins a new segment. */
  private full = 0
  private readonly aside: (work: () => Promise<void>) => void
  /** Of segments that nothing lives in: in their order, so that a crash leaves no gap. */
  private removal = Promise.resolve()

  /** What no write waits for is done `aside`, which has later writes fail where that fails. */
  constructor(directory: string, aside: FileLog['aside'], segmentBytes = logFileBytes) {
    this.directory = directory
    this.aside = aside
    this.segmentBytes = segmentBytes
  }

  /** Reads the log, cuts a torn tail, and makes it ready to be appended to. Called once, first. */
  async recover(): Promise<{
    readonly host: StoredHost
    readonly named: ReadonlyMap<GroupId, NamedSnapshot>
  }> {
    const numbers = await listSegments(this.directory)
    const entries = new StoredState(entryOf)
    for (const number of numbers) await this.replay(number, number === numbers.at(-1), entries)
    const host = toStoredHost(entries)
    if (host === undefined) throw corrupt(this.directory, 0, 'a file of the log is missing')
    if (this.segments.length === 0) await this.createFirst()
    else await this.unlink(this.segments.splice(0, this.dead().length))
    const named = new Map<GroupId, NamedSnapshot>()
    for (const [group, { snapshot }] of entries.groups) if (snapshot !== undefined) named.set(group, snapshot)
    return { host, named }
  }

  /** The batch as an operation, which must be appended before anything else. */
  plan(batch: WriteBatch, snapshotId: SnapshotIdOf): WriteOperation {
    return this.ledger.plan(batch, snapshotId)
  }

  /** Resolves when the operation is durable. After one failure all calls fail with the same error. */
  append(operation: Operation): Promise<void> {
    return this.commit.add({ operation, additions: this.ledger.apply(operation) })
  }

  /** Waits for what was appended, and closes the file without the zeros at its end. */
  async close(): Promise<void> {
    const healthy = await this.commit.idle()
    if (this.descriptor === -1) return
    const { descriptor, offset } = this
    this.descriptor = -1
    try {
      if (healthy) await truncateDescriptor(descriptor, offset)
    } finally {
      await closeDescriptor(descriptor)
    }
  }

  /** Up to its first await it sees the ledger as it is after these operations, and no later ones. */
  private async write(appended: readonly Appended[]): Promise<void> {
    this.writer.clear()
    beginRecord(this.writer)
    for (const { operation } of appended) writeOperation(this.writer, operation)
    let segment: Segment
    if (this.offset >= this.full) segment = await this.rotate()
    else {
      const dead = appended.some(({ operation }) => forgets(operation)) ? this.dead() : []
      segment = await this.writeRecord()
      this.remove(dead)
    }
    for (const { additions } of appended) this.ledger.locate(additions, segment.number)
  }

  private async writeRecord(): Promise<Segment> {
    const { writer } = this
    const segment = this.segments.at(-1)
    assert(segment !== undefined, 'the log was recovered')
    finishRecord(writer, { offset: this.offset, sequence: this.sequence, salt: segment.salt })
    const end = this.offset + writer.length
    // What is beyond the zeros takes new ones along, in the same write.
    if (end > this.prepared) this.pad(end)
    await writeDurable(this.descriptor, writer.written(), this.offset)
    this.offset = end
    this.sequence += 1
    return segment
  }

  /** Begins a segment with the record, a checkpoint, and the entries that are to leave the oldest segment. */
  private async rotate(): Promise<Segment> {
    // What is dead, and what must be carried, is decided now: later operations are not durable yet.
    writeOperation(this.writer, this.ledger.checkpoint())
    const leaving = this.leaving()
    const dead = this.dead(leaving?.segment, true)
    if (leaving !== undefined) await this.carry(leaving)
    // However slow the file system is in removing, the folder stays bounded.
    await this.removal
    const segment = await this.createSegment()
    if (leaving !== undefined) this.ledger.move(leaving.segment.number, segment.number)
    this.remove(dead)
    return segment
  }

  /**
   * The oldest segment and what lives in it, when the log is so much larger than what lives that it has to
   * go.
   */
  private leaving(): Leaving | undefined {
    const [segment] = this.segments
    if (segment === undefined) return undefined
    if (this.segments.length <= sparseSegments + 2 * this.ledger.fullSegments()) return undefined
    return { segment, entries: this.ledger.livingIn(segment.number) }
  }

  /**
   * The oldest segments up to the first in which an entry lives that is not leaving, so that numbers have no
   * gap. The last segment is needed for its checkpoint, but when the next one is about to be there.
   */
  private dead(leaving?: Segment, rotating = false): Segment[] {
    const oldest = this.segments[0]?.number ?? 0
    const living = this.ledger.lowestLiving(leaving === undefined ? oldest : leaving.number + 1)
    const needed = rotating ? living : Math.min(living, this.segments.at(-1)?.number ?? 0)
    return this.segments.filter(({ number }) => number < needed)
  }

  private async carry({ segment, entries }: Leaving): Promise<void> {
    const found = new Map<GroupId, Map<Index, Entry>>()
    const { bytes, file } = await readSegment(this.directory, segment.number)
    // An index that occurs more than once was overwritten: the last one is the one that lives.
    replaySegment(bytes, segment, file, operation => {
      for (const [group, written] of writtenEntries(operation)) {
        const own = found.get(group) ?? new Map<Index, Entry>()
        for (const entry of written) if (entries.get(group)?.has(entry.index)) own.set(entry.index, entry)
        found.set(group, own)
      }
    })
    for (const [group, indexes] of entries) {
      const carried = [...(found.get(group)?.values() ?? [])]
      if (carried.length !== indexes.size) throw corrupt(file, 0, 'entries are missing')
      writeOperation(this.writer, { type: 'carry', group, entries: packed(carried) })
    }
  }

  private async createFirst(): Promise<void> {
    beginRecord(this.writer)
    writeOperation(this.writer, this.ledger.checkpoint())
    await this.createSegment()
  }

  /** The file has its name only when it is complete, so it is never found without its checkpoint. */
  private async createSegment(): Promise<Segment> {
    const { writer } = this
    const number = (this.segments.at(-1)?.number ?? 0) + 1
    const salt = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0
    const segment = { number, salt, sequence: this.sequence }
    const preamble = new ByteWriter(preambleBytes)
    writePreamble(preamble, segment)
    finishRecord(writer, { offset: preambleBytes, sequence: this.sequence, salt })
    const end = preambleBytes + writer.length
    this.pad(end)
    const file = segmentFile(this.directory, number)
    const descriptor = await openDurable(`${file}${temporarySuffix}`, 'create')
    await writeDurable(descriptor, preamble.written(), 0)
    await writeDurable(descriptor, writer.written(), preambleBytes)
    await fs.promises.rename(`${file}${temporarySuffix}`, file)
    await syncDirectory(this.directory)
    if (this.descriptor !== -1) await closeDescriptor(this.descriptor)
    this.descriptor = descriptor
    this.segments.push(segment)
    this.offset = end
    this.sequence += 1
    this.full = Math.max(this.segmentBytes, 2 * end)
    return segment
  }

  /** No write waits for it: a file system takes 10 ms and more to give back a file of this size. */
  private remove(dead: readonly Segment[]): void {
    if (dead.length === 0) return
    this.segments.splice(0, dead.length)
    this.aside(() => {
      this.removal = this.removal.then(() => this.unlink(dead))
      return this.removal
    })
  }

  private async unlink(dead: readonly Segment[]): Promise<void> {
    for (const { number } of dead) {
      await fs.promises.unlink(segmentFile(this.directory, number))
      await syncDirectory(this.directory)
    }
  }

  private pad(end: number): void {
    const bytes = Math.min(logPaddingBytes, this.segmentBytes)
    this.prepared = Math.ceil(end / bytes) * bytes
    this.writer.zeros(this.prepared - end)
  }

  private async replay(number: SegmentNumber, isLast: boolean, entries: StoredState<Entry>): Promise<void> {
    const { segment, bytes, file } = await readSegment(this.directory, number)
    const before = this.segments.at(-1)
    if (before !== undefined && (number !== before.number + 1 || segment.sequence !== this.sequence)) {
      throw corrupt(file, 0, 'it does not go on where the file before it ends')
    }
    const end = replaySegment(bytes, segment, file, operation => {
      entries.apply(operation)
      this.ledger.locate(this.ledger.apply(operation), number)
    })
    // The first record was complete before the file had its name, and nothing else may hold its checkpoint.
    if (end.sequence === segment.sequence) throw corrupt(file, end.offset, 'its first record is missing')
    if (end.torn && !isLast) throw corrupt(file, end.offset, 'its end is missing')
    this.segments.push(segment)
    this.sequence = end.sequence
    this.offset = end.offset
    if (isLast) await this.reopen(file, end.torn ? undefined : bytes.length)
  }

  /**
   * Makes the last segment ready to be written to. Its size is undefined when a torn record has to be cut.
   */
  private async reopen(file: string, size: number | undefined): Promise<void> {
    if (size === undefined) await fs.promises.truncate(file, this.offset)
    this.descriptor = await openDurable(file, 'write')
    if (size === undefined) await flush(this.descriptor)
    this.prepared = size ?? this.offset
    this.full = this.segmentBytes
  }
}

interface Leaving {
  readonly segment: Segment
  readonly entries: LivingEntries
}

/** The operation may leave segments without anything that lives in them. */
function forgets(operation: Operation): boolean {
  if (operation.type !== 'write') return true
  for (const { compactTo, snapshot } of operation.groups.values()) {
    if (compactTo !== undefined || snapshot?.keepsLog === false) return true
  }
  return false
}

function* writtenEntries(operation: Operation): Iterable<readonly [GroupId, Entries]> {
  if (operation.type === 'carry') yield [operation.group, operation.entries]
  if (operation.type !== 'write') return
  for (const [group, { entries }] of operation.groups) if (entries !== undefined) yield [group, entries]
}
