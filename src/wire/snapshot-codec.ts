import { OrderedMap } from '../base/ordered-map.ts'
import { SequenceWindow } from '../base/sequence-window.ts'
import { sessionWindowMax, snapshotBytesMax, snapshotChunkBytes } from '../core/limits.ts'
import type { Result, SessionId } from '../core/machine/command.ts'
import type { Item } from '../core/machine/item.ts'
import type { MachineSnapshot } from '../core/machine/machine.ts'
import { isSound, type Members } from '../core/machine/members.ts'
import type { Session } from '../core/machine/sessions.ts'
import type { Index } from '../core/types.ts'
import { decode, encode, MalformedError } from './codec.ts'
import { asArray, asNatural } from './guards.ts'
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

// A snapshot is a header and then records: sessions with their results, then items, all in the order of their
// keys. Records are packed into chunks of about `snapshotChunkBytes`; each chunk is a message of its own, so
// that a snapshot of any size is written and read in little memory. Chunks hold whole records: one of a large
// value is longer.

const formatVersion = 1

const sessionRecord = 0
const resultRecord = 1
const itemRecord = 2

type Fields = readonly unknown[]

/** The chunks of a snapshot, made while they are taken. The snapshot is immutable, so there is no hurry. */
export function* encodeSnapshot(
  snapshot: MachineSnapshot,
  chunkBytes = snapshotChunkBytes,
): Generator<Uint8Array<ArrayBuffer>> {
  yield encode(headerFields(snapshot))
  let records: Fields[] = []
  let bytes = 0
  for (const record of recordsOf(snapshot)) {
    records.push(record)
    bytes += sizeOf(record)
    if (bytes < chunkBytes) continue
    yield encode(records)
    records = []
    bytes = 0
  }
  if (records.length > 0) yield encode(records)
}

function headerFields(snapshot: MachineSnapshot): Fields {
  const { index, sessions, items, members } = snapshot
  let results = 0
  for (const session of sessions.values()) results += session.results.size
  const table = [
    members.revision,
    members.nextReplica,
    members.list.map(memberFields),
    members.quorums ?? null,
    members.evicted,
  ]
  return [formatVersion, index, sessions.size, results, items.size, table]
}

function* recordsOf(snapshot: MachineSnapshot): Generator<Fields> {
  for (const session of snapshot.sessions.values()) {
    yield [sessionRecord, session.id, session.host, session.floor, session.usedAt]
    for (const [seq, result] of session.results) yield [resultRecord, seq, ...resultFields(result)]
  }
  for (const item of snapshot.items.values()) {
    yield [itemRecord, item.key, item.value, item.createRevision, item.modRevision, item.version]
  }
}

function sizeOf(record: Fields): number {
  let bytes = 1
  for (const field of record) {
    if (typeof field === 'string' || field instanceof Uint8Array) bytes += field.length
    bytes += 5
  }
  return bytes
}

/** The snapshot without what a witness does not keep: its first chunk, with nothing to follow. */
export async function* withoutValues(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    const [version, index, , , , members] = asArray(decode(chunk), 6)
    yield encode([version, index, 0, 0, 0, members])
    return
  }
}

interface Header {
  readonly index: Index
  readonly sessions: number
  readonly results: number
  readonly items: number
  readonly members: Members
}

/**
 * Puts a snapshot together from its chunks. Every method throws MalformedError, and nothing else, where the
 * chunks are not those of a sound snapshot; the decoder is then of no further use.
 */
export class SnapshotDecoder {
  private readonly sessions = new Map<SessionId, Session>()
  private readonly items = new OrderedMap<string, Item>()
  private header: Header | undefined
  private bytes = 0
  private results = 0
  private lastSession: DecodedSession | undefined
  private lastKey = ''

  push(chunk: Uint8Array): void {
    this.bytes += chunk.length
    if (this.bytes > snapshotBytesMax) throw new MalformedError('a snapshot is too large')
    const fields = asArray(decode(chunk))
    if (this.header === undefined) this.header = asHeader(fields)
    else for (const record of fields) this.add(this.header, asArray(record, 1))
  }

  end(): MachineSnapshot {
    const { header, sessions, items } = this
    if (header === undefined) throw new MalformedError('a snapshot without a header')
    if (sessions.size !== header.sessions || this.results !== header.results || items.size !== header.items) {
      throw new MalformedError('a snapshot with other contents than its header says')
    }
    return { index: header.index, items, sessions, members: header.members }
  }

  private add(header: Header, record: Fields): void {
    switch (record[0]) {
      case sessionRecord:
        this.addSession(header, record)
        break
      case resultRecord:
        this.addResult(record)
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

  private addItem(header: Header, record: Fields): void {
    const key = asStoredKey(record[1])
    const item: Item = {
      key,
      value: asValue(record[2]),
      createRevision: asIndex(record[3], header.index),
      modRevision: asIndex(record[4], header.index),
      version: asIndex(record[5], header.index),
    }
    if (key <= this.lastKey) throw outOfOrder()
    if (item.createRevision > item.modRevision)
      throw new MalformedError('an item written before it was created')
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
  return {
    index,
    sessions: asNatural(fields[2]),
    results: asNatural(fields[3]),
    items: asNatural(fields[4]),
    members: asMembers(asArray(fields[5], 3), index),
  }
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
