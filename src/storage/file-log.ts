import fs from 'node:fs'
import { assert } from '../base/assert.ts'
import { logFileBytes, logPaddingBytes } from '../core/limits.ts'
import type { Entry } from '../core/raft/types.ts'
import type { GroupId, Index, Term } from '../core/types.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import {
  corrupt,
  listSegments,
  preambleBytes,
  readSegment,
  replaySegment,
  type Segment,
  segmentFile,
  writePreamble,
} from './file-segment.ts'
import {
  closeDescriptor,
  flush,
  openDurable,
  syncDirectory,
  temporarySuffix,
  writeDurable,
} from './file-system.ts'
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

/** Where an entry is stored: shared by the entries of one record that have one term. */
interface Place {
  readonly term: Term
  /** Undefined until the record is written. */
  segment: number | undefined
}

/** Segments that may hold little before their entries are carried together. */
const sparseSegments = 4

interface Leaving {
  readonly segment: CountedSegment
  readonly entries: ReadonlyMap<GroupId, ReadonlySet<Index>>
}

/** A segment and how many entries were ever written to it. */
interface CountedSegment extends Segment {
  entries: number
}

/** What goes into the next record, and who waits for it. */
interface Filling {
  readonly writer: ByteWriter
  places: Place[]
  entries: number
  settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[]
}

/**
 * The write-ahead log: operations in files of bounded size ("segments"), each operation durable when `append`
 * resolves.
 *
 * Operations that arrive while a record is being written share the next record: one write for all of them (group
 * commit). A segment begins with a checkpoint of everything but the entries, so an older one is needed only as long as
 * entries live in it. Where a few entries that nobody compacts hold back many segments, they are carried into the
 * newest one; so the log is at most about twice as large as what lives in it, and some segments.
 */
export class FileLog {
  private readonly directory: string
  private readonly segmentBytes: number
  private readonly places = new StoredState<Place>(entry => this.placeOf(entry))
  /** Ascending; the last one is written to. */
  private segments: CountedSegment[] = []
  private descriptor = -1
  private offset = 0
  private sequence = 0
  /** The file holds zeros from `offset` to here, and ends here. */
  private prepared = 0
  /** The offset from which on the next record begins a new segment. */
  private full = 0
  private filling: Filling = { writer: new ByteWriter(), places: [], entries: 0, settle: [] }
  private spare: Filling = { writer: new ByteWriter(), places: [], entries: 0, settle: [] }
  private running: Promise<void> | undefined
  private failure: unknown

  constructor(directory: string, segmentBytes = logFileBytes) {
    this.directory = directory
    this.segmentBytes = segmentBytes
    beginRecord(this.filling.writer)
    beginRecord(this.spare.writer)
  }

  /** Reads the log, cuts a torn tail, and makes it ready to be appended to. Called once, first. */
  async recover(): Promise<{
    readonly host: StoredHost
    readonly named: ReadonlyMap<GroupId, NamedSnapshot>
  }> {
    const numbers = await listSegments(this.directory)
    const entries = new StoredState<Entry>(entry => entry)
    for (const number of numbers) await this.replay(number, number === numbers.at(-1), entries)
    const host = toStoredHost(entries)
    if (host === undefined) throw corrupt(this.directory, 0, 'a file of the log is missing')
    if (this.segments.length === 0) await this.createFirst()
    else await this.removeDead()
    const named = new Map<GroupId, NamedSnapshot>()
    for (const [group, { snapshot }] of entries.groups) if (snapshot !== undefined) named.set(group, snapshot)
    return { host, named }
  }

  /** The batch as an operation on what was appended so far, which must be appended at once. */
  plan(batch: WriteBatch, snapshotId: SnapshotIdOf): WriteOperation {
    return this.places.plan(batch, snapshotId)
  }

  /** Resolves when the operation is durable. After one failure all calls fail with the same error. */
  append(operation: Operation): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure)
      writeOperation(this.filling.writer, operation)
      this.places.apply(operation)
      this.filling.settle.push({ resolve, reject })
      this.running ??= this.run()
    })
  }

  /** Waits for what was appended, and closes the file without the zeros at its end. */
  async close(): Promise<void> {
    await this.running
    if (this.descriptor === -1) return
    const descriptor = this.descriptor
    this.descriptor = -1
    await closeDescriptor(descriptor)
    if (this.failure === undefined) await fs.promises.truncate(this.lastFile(), this.offset)
  }

  private async run(): Promise<void> {
    while (this.filling.settle.length > 0) {
      const record = this.filling
      this.filling = this.spare
      this.spare = record
      try {
        // Up to its first await, `write` sees the state as it is after this record, and no later one.
        await this.write(record)
        for (const { resolve } of record.settle) resolve()
      } catch (error) {
        this.failure = error
        for (const { reject } of [...record.settle, ...this.filling.settle]) reject(error)
        this.filling.settle = []
      }
      record.writer.clear()
      beginRecord(record.writer)
      record.places = []
      record.entries = 0
      record.settle = []
    }
    this.running = undefined
  }

  private async write(record: Filling): Promise<void> {
    if (this.offset >= this.full) return this.rotate(record)
    const { writer, places } = record
    const segment = this.segments.at(-1)
    assert(segment !== undefined, 'the log was recovered')
    finishRecord(writer, { offset: this.offset, sequence: this.sequence, salt: segment.salt })
    const end = this.offset + writer.length
    // What is beyond the zeros takes new ones along, in the same write.
    if (end > this.prepared) this.pad(writer, end)
    await writeDurable(this.descriptor, writer.written(), this.offset)
    this.offset = end
    this.sequence += 1
    for (const place of places) place.segment = segment.number
    segment.entries += record.entries
  }

  /** Begins a segment with the record, a checkpoint, and the entries that are to leave the oldest segment. */
  private async rotate({ writer, places, entries }: Filling): Promise<void> {
    writeOperation(writer, this.places.checkpoint())
    const leaving = this.leaving()
    if (leaving !== undefined) {
      for (const operation of await this.readLeaving(leaving)) writeOperation(writer, operation)
    }
    const segment = await this.createSegment(writer)
    segment.entries = entries
    for (const place of places) place.segment = segment.number
    if (leaving !== undefined) this.move(leaving.segment, segment)
    await this.removeDead()
  }

  /** What has to be carried before the oldest segment can go; undefined while the log is not too large. */
  private leaving(): Leaving | undefined {
    const [oldest] = this.segments
    if (oldest === undefined) return undefined
    const alive = new Map<number, number>()
    const entries = new Map<GroupId, Set<Index>>()
    for (const [group, { first, items }] of this.places.groups) {
      const own = new Set<Index>()
      items.forEach((place, i) => {
        if (place?.segment === undefined) return
        alive.set(place.segment, (alive.get(place.segment) ?? 0) + 1)
        if (place.segment === oldest.number) own.add(first + i)
      })
      if (own.size > 0) entries.set(group, own)
    }
    let full = 0
    for (const { number, entries } of this.segments) full += (alive.get(number) ?? 0) / Math.max(1, entries)
    return this.segments.length > sparseSegments + 2 * full ? { segment: oldest, entries } : undefined
  }

  private async readLeaving({ segment, entries }: Leaving): Promise<Operation[]> {
    const found = new Map<GroupId, Map<Index, Entry>>()
    const [, bytes, file] = await readSegment(this.directory, segment.number)
    // An index that occurs more than once was overwritten: the last one is the one that lives.
    replaySegment(bytes, segment, file, operation => {
      for (const [group, written] of writtenEntries(operation)) {
        const own = found.get(group) ?? new Map<Index, Entry>()
        for (const entry of written) if (entries.get(group)?.has(entry.index)) own.set(entry.index, entry)
        found.set(group, own)
      }
    })
    return [...entries].map(([group, indexes]) => {
      const carried = [...(found.get(group)?.values() ?? [])]
      if (carried.length !== indexes.size) throw corrupt(file, 0, 'entries are missing')
      return { type: 'carry', group, entries: carried }
    })
  }

  private move(from: CountedSegment, to: CountedSegment): void {
    for (const { items } of this.places.groups.values()) {
      for (const place of items) {
        if (place?.segment !== from.number) continue
        place.segment = to.number
      }
    }
  }

  private async createFirst(): Promise<void> {
    const writer = new ByteWriter()
    beginRecord(writer)
    writeOperation(writer, this.places.checkpoint())
    await this.createSegment(writer)
  }

  /** The file has its name only when it is complete, so it is never found without its checkpoint. */
  private async createSegment(writer: ByteWriter): Promise<CountedSegment> {
    const number = (this.segments.at(-1)?.number ?? 0) + 1
    const salt = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0
    const segment = { number, salt, sequence: this.sequence, entries: 0 }
    const preamble = new ByteWriter(preambleBytes)
    writePreamble(preamble, segment)
    finishRecord(writer, { offset: preambleBytes, sequence: this.sequence, salt })
    const end = preambleBytes + writer.length
    this.pad(writer, end)
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

  /** Removes segments in which nothing lives, from the oldest one on, so that no gap comes into their numbers. */
  private async removeDead(): Promise<void> {
    let alive = Number.POSITIVE_INFINITY
    for (const { items } of this.places.groups.values()) {
      for (const place of items) alive = Math.min(alive, place?.segment ?? alive)
    }
    const dead = this.segments.slice(0, -1).filter(({ number }) => number < alive)
    for (const { number } of dead) {
      await fs.promises.unlink(segmentFile(this.directory, number))
      await syncDirectory(this.directory)
    }
    this.segments = this.segments.slice(dead.length)
  }

  private pad(writer: ByteWriter, end: number): void {
    this.prepared = Math.ceil(end / logPaddingBytes) * logPaddingBytes
    writer.zeros(this.prepared - end)
  }

  private async replay(number: number, isLast: boolean, entries: StoredState<Entry>): Promise<void> {
    const [preamble, bytes, file] = await readSegment(this.directory, number)
    const before = this.segments.at(-1)
    if (before !== undefined && (number !== before.number + 1 || preamble.sequence !== this.sequence)) {
      throw corrupt(file, 0, 'it does not go on where the file before it ends')
    }
    const end = replaySegment(bytes, preamble, file, operation => {
      entries.apply(operation)
      this.places.apply(operation)
    })
    for (const place of this.filling.places) place.segment = number
    this.segments.push({ ...preamble, entries: this.filling.entries })
    this.filling.places = []
    this.filling.entries = 0
    this.sequence = end.sequence
    this.offset = end.offset
    if (end.torn && !isLast) throw corrupt(file, end.offset, 'its end is missing')
    if (isLast) await this.reopen(file, end.torn ? undefined : bytes.length)
  }

  /** Makes the last segment ready to be written to. Its size is undefined when a torn record has to be cut. */
  private async reopen(file: string, size: number | undefined): Promise<void> {
    if (size === undefined) await fs.promises.truncate(file, this.offset)
    this.descriptor = await openDurable(file, 'write')
    if (size === undefined) await flush(this.descriptor)
    this.prepared = size ?? this.offset
    this.full = this.segmentBytes
  }

  private placeOf({ term }: Entry): Place {
    const { places } = this.filling
    this.filling.entries += 1
    let place = places.at(-1)
    if (place?.term !== term) {
      place = { term, segment: undefined }
      places.push(place)
    }
    return place
  }

  private lastFile(): string {
    return segmentFile(this.directory, this.segments.at(-1)?.number ?? 0)
  }
}

function* writtenEntries(operation: Operation): Iterable<readonly [GroupId, readonly Entry[]]> {
  if (operation.type === 'carry') yield [operation.group, operation.entries]
  if (operation.type !== 'write') return
  for (const [group, { entries }] of operation.groups) if (entries !== undefined) yield [group, entries]
}
