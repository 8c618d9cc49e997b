import { assert } from '../base/assert.ts'
import { OrderedMap } from '../base/ordered-map.ts'
import { SequenceWindow } from '../base/sequence-window.ts'
import { sessionWindowMax, snapshotBytesMax, snapshotChunkBytes } from '../core/limits.ts'
import type { LeaseId, Result, SessionId } from '../core/machine/command.ts'
import type { Item } from '../core/machine/item.ts'
import type { GrantedLease } from '../core/machine/leases.ts'
import { isSound, type Members } from '../core/machine/members.ts'
import type { Session } from '../core/machine/sessions.ts'
import type { MachineState, Times } from '../core/machine/state.ts'
import type { Index } from '../core/types.ts'
import { ByteWriter } from './byte-writer.ts'
import { decode, encode, MalformedError } from './codec.ts'
import { asArray, asNatural } from './guards.ts'
import { writeBytes, writeNumber, writeText, writeValue } from './pack-writer.ts'
import {
  asHost,
  asMember,
  asQuorums,
  asResult,
  asStoredKey,
  asValue,
  memberFields,
  resultFields,
} from './proposal-codec.ts'

// A snapshot is a header and then records: sessions with their results, then leases, then items, all in the order of
// their keys. Records are packed into chunks of about `snapshotChunkBytes`; each chunk is a message of its own, so
// that a snapshot of any size is written and read in little memory. Chunks hold whole records: one of a large
// value is longer.

const formatVersion = 2

const sessionRecord = 0
const resultRecord = 1
const itemRecord = 2
const leaseRecord = 3

type Fields = readonly unknown[]

/**
 * The chunks of a snapshot, made while they are taken. The snapshot is immutable, so there is no hurry. Items are
 * written as they are met, and each chunk takes a fraction of a millisecond: what is made on the way for a million of
 * them is what a collector has writers wait for.
 */
export function* encodeSnapshot(
  snapshot: MachineState,
  chunkBytes = snapshotChunkBytes,
): Generator<Uint8Array<ArrayBuffer>> {
  yield encode(headerFields(snapshot))
  const chunk = new Chunk(chunkBytes)
  for (const record of recordsOf(snapshot)) if (chunk.add(record)) yield chunk.take()
  for (const items of snapshot.items.batches())
    for (const item of items) if (chunk.addItem(item)) yield chunk.take()
  if (!chunk.isEmpty) yield chunk.take()
}

function headerFields(snapshot: MachineState): Fields {
  const { index, times, chain, sessions, leases, items, members } = snapshot
  let results = 0
  for (const session of sessions.values()) results += session.results.size
  const table = [
    members.revision,
    members.nextReplica,
    members.list.map(memberFields),
    members.quorums ?? null,
    members.evicted,
  ]
  const counts = [sessions.size, results, leases.size, items.size]
  return [formatVersion, index, table, counts, [times.group, times.wall, chain]]
}

/** All but the items. */
function* recordsOf(snapshot: MachineState): Generator<Fields> {
  for (const session of snapshot.sessions.values()) {
    yield [sessionRecord, session.id, session.host, session.floor, session.usedAt, session.usedClock]
    for (const [seq, result] of session.results) yield [resultRecord, seq, ...resultFields(result)]
  }
  for (const { id, ttlMs, deadline } of snapshot.leases.values()) yield [leaseRecord, id, ttlMs, deadline]
}

/** An array of records that is being written. */
class Chunk {
  private readonly bytesMin: number
  private readonly writer = new ByteWriter(2 * snapshotChunkBytes)
  private count = 0

  constructor(bytesMin: number) {
    this.bytesMin = bytesMin
    this.begin()
  }

  get isEmpty(): boolean {
    return this.count === 0
  }

  /** True when the chunk is full. */
  add(record: Fields): boolean {
    writeValue(this.writer, record)
    return this.added()
  }

  addItem({ key, value, createRevision, modRevision, version, lease }: Item): boolean {
    const { writer } = this
    writer.byte(lease === 0 ? 0x96 : 0x97)
    writer.byte(itemRecord)
    writeText(writer, key)
    writeBytes(writer, value)
    writeNumber(writer, createRevision)
    writeNumber(writer, modRevision)
    writeNumber(writer, version)
    if (lease !== 0) writeNumber(writer, lease)
    return this.added()
  }

  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.writer.written().slice()
    const { count } = this
    this.begin()
    assert(count < 0x10000, 'a chunk has fewer records than bytes')
    bytes.set([0xdc, count >> 8, count])
    if (count >= 16) return bytes
    bytes[2] = 0x90 | count
    return bytes.subarray(2)
  }

  private begin(): void {
    this.writer.clear()
    this.writer.skip(arrayHeadBytes)
    this.count = 0
  }

  private added(): boolean {
    this.count += 1
    return this.writer.length >= this.bytesMin
  }
}

/** An array that is not short: a token, and the number of its members in two bytes. */
const arrayHeadBytes = 3

/** The snapshot without what a witness does not keep: its first chunk, with nothing to follow. */
export async function* withoutValues(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    const [version, index, members, , times] = asArray(decode(chunk), 5)
    yield encode([version, index, members, [0, 0, 0, 0], times])
    return
  }
}

interface Header {
  readonly index: Index
  readonly sessions: number
  readonly results: number
  readonly leases: number
  readonly items: number
  readonly members: Members
  readonly times: Times
  readonly chain: number
}

/**
 * Puts a snapshot together from its chunks. Every method throws MalformedError, and nothing else, where the
 * chunks are not those of a sound snapshot; the decoder is then of no further use.
 */
export class SnapshotDecoder {
  private readonly sessions = new Map<SessionId, Session>()
  private readonly leases = new OrderedMap<LeaseId, GrantedLease>()
  private readonly items = new OrderedMap<string, Item>()
  private header: Header | undefined
  private bytes = 0
  private results = 0
  private lastSession: DecodedSession | undefined
  private lastLease = 0
  private lastKey = ''

  push(chunk: Uint8Array): void {
    this.bytes += chunk.length
    if (this.bytes > snapshotBytesMax) throw new MalformedError('a snapshot is too large')
    const fields = asArray(decode(chunk))
    if (this.header === undefined) this.header = asHeader(fields)
    else for (const record of fields) this.add(this.header, asArray(record, 1))
  }

  end(): MachineState {
    const { header, sessions, leases, items } = this
    if (header === undefined) throw new MalformedError('a snapshot without a header')
    const counts = [sessions.size, this.results, leases.size, items.size]
    const expected = [header.sessions, header.results, header.leases, header.items]
    if (counts.some((count, at) => count !== expected[at])) {
      throw new MalformedError('a snapshot with other contents than its header says')
    }
    const { index, times, chain, members } = header
    return { index, times, chain, items, sessions, leases, members }
  }

  private add(header: Header, record: Fields): void {
    switch (record[0]) {
      case sessionRecord:
        this.addSession(header, record)
        break
      case resultRecord:
        this.addResult(record)
        break
      case leaseRecord:
        this.addLease(header, record)
        break
      case itemRecord:
        this.addItem(header, record)
        break
      default:
        throw new MalformedError('an unknown kind of record')
    }
  }

  private addSession(header: Header, record: Fields): void {
    const floor = asNatural(record[3])
    const session: DecodedSession = {
      id: asIndex(record[1], header.index),
      host: asHost(record[2]),
      floor,
      usedAt: asIndex(record[4], header.index),
      usedClock: asNatural(record[5]),
      results: new SequenceWindow(floor),
      lastSeq: floor,
    }
    if (session.id <= (this.lastSession?.id ?? 0)) throw outOfOrder()
    this.sessions.set(session.id, session)
    this.lastSession = session
  }

  private addResult(record: Fields): void {
    const seq = asNatural(record[1])
    const session = this.lastSession
    if (session === undefined || seq <= session.lastSeq) throw outOfOrder()
    if (seq - session.floor > sessionWindowMax) throw new MalformedError('a result outside of its window')
    session.results.set(seq, asResult(record.slice(2)))
    session.lastSeq = seq
    this.results += 1
  }

  private addLease(header: Header, record: Fields): void {
    const id = asIndex(record[1], header.index)
    if (id <= this.lastLease) throw outOfOrder()
    this.leases.set(id, { id, ttlMs: asNatural(record[2]), deadline: asNatural(record[3]) })
    this.lastLease = id
  }

  private addItem(header: Header, record: Fields): void {
    const key = asStoredKey(record[1])
    const item: Item = {
      key,
      value: asValue(record[2]),
      createRevision: asIndex(record[3], header.index),
      modRevision: asIndex(record[4], header.index),
      version: asIndex(record[5], header.index),
      lease: asNatural(record[6] ?? 0),
    }
    if (key <= this.lastKey) throw outOfOrder()
    if (item.createRevision > item.modRevision)
      throw new MalformedError('an item written before it was created')
    if (item.lease !== 0 && this.leases.get(item.lease) === undefined)
      throw new MalformedError('an item goes with no lease')
    this.items.set(key, item)
    this.lastKey = key
  }
}

interface DecodedSession extends Session {
  readonly results: SequenceWindow<Result>
  lastSeq: number
}

function asHeader(fields: Fields): Header {
  if (fields[0] !== formatVersion) throw new MalformedError('a snapshot of an unknown format')
  const index = asNatural(fields[1])
  const members = asMembers(asArray(fields[2], 3), index)
  const [sessions, results, leases, items] = asArray(fields[3], 4).map(asNatural) as [
    number,
    number,
    number,
    number,
  ]
  const [group, wall, chain] = asArray(fields[4], 3).map(asNatural) as [number, number, number]
  return { index, members, sessions, results, leases, items, times: { group, wall }, chain }
}

function asMembers(fields: Fields, index: Index): Members {
  const revision = asNatural(fields[0])
  const nextReplica = asNatural(fields[1])
  const list = asArray(fields[2]).map(asMember)
  const inRange = list.every(({ replica }) => replica > 0 && replica < nextReplica)
  if (revision > index || nextReplica === 0 || !inRange || (list.length > 0 && !isSound(list))) {
    throw new MalformedError('an unsound member table')
  }
  const evicted = asArray(fields[4] ?? []).map(asNatural)
  return { revision, nextReplica, list, evicted, ...asQuorums(fields[3]) }
}

function asIndex(value: unknown, max: Index): Index {
  const index = asNatural(value)
  if (index === 0 || index > max) throw new MalformedError('an index beyond the snapshot')
  return index
}

function outOfOrder(): MalformedError {
  return new MalformedError('records out of order')
}
