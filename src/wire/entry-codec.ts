import { appendEntriesMax } from '../core/limits.ts'
import type { QuorumSets } from '../core/quorum.ts'
import type {
  ConfChange,
  ConfChangeStep,
  ConfState,
  Entry,
  EntryType,
  HardState,
  Snapshot,
} from '../core/raft/types.ts'
import type { ReplicaId } from '../core/types.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { MalformedError } from './codec.ts'

// Raft's persistent state as it is sent and stored. By hand rather than by MessagePack: it is written once per entry on
// the way to an acknowledgement.

export function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.number(entries.length)
  for (let from = 0; from < entries.length; ) {
    const end = endOfRun(entries, from)
    writeRun(writer, entries, from, end)
    from = end
  }
}

/** Throws MalformedError where there are more than `countMax`: an entry may be a single byte, and is an object then. */
export function readEntries(reader: ByteReader, countMax = Number.MAX_SAFE_INTEGER): Entry[] {
  const entries: Entry[] = []
  const count = reader.count()
  if (count > countMax) throw new MalformedError('too many entries')
  while (entries.length < count) readRun(reader, entries, count - entries.length)
  return entries
}

export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const writer = new ByteWriter()
  writeEntries(writer, entries)
  return writer.written()
}

export function decodeEntries(bytes: Uint8Array): Entry[] {
  const reader = new ByteReader(bytes)
  const entries = readEntries(reader, appendEntriesMax)
  reader.finish()
  return entries
}

// A run: entries of one type and term that follow each other, as nearly all do that are sent or stored together. What
// they share stands there once, then come their lengths, then their data without anything in between: so a reader
// takes the data of a whole run in one piece, in which the entries lie as long as the log has them.

function endOfRun(entries: readonly Entry[], from: number): number {
  const { type, term, index } = entries[from] as Entry
  let end = from + 1
  for (; end < entries.length; end++) {
    const next = entries[end] as Entry
    if (next.type !== type || next.term !== term || next.index !== index + end - from) break
  }
  return end
}

function writeRun(writer: ByteWriter, entries: readonly Entry[], from: number, end: number): void {
  const { type, term, index } = entries[from] as Entry
  writer.byte(entryTypes.indexOf(type))
  writer.number(term)
  writer.number(index)
  writer.number(end - from)
  for (let i = from; i < end; i++) writer.number((entries[i] as Entry).data.length)
  for (let i = from; i < end; i++) writer.raw((entries[i] as Entry).data)
  if (type !== 'conf-change') return
  for (let i = from; i < end; i++) writeConfChange(writer, (entries[i] as Entry).change as ConfChange)
}

function readRun(reader: ByteReader, entries: Entry[], countMax: number): void {
  const type = entryTypes[reader.byte()]
  if (type === undefined) throw new MalformedError('an unknown type of entry')
  const term = reader.number()
  const first = reader.number()
  const count = reader.count()
  if (first === 0 || count === 0 || count > countMax || !Number.isSafeInteger(first + count - 1))
    throw new MalformedError('entries without a place in the log')
  const ends: number[] = []
  let end = 0
  for (let i = 0; i < count; i++) {
    end += reader.number()
    ends.push(end)
  }
  const run = reader.raw(end)
  for (let i = 0, start = 0; i < count; i++) {
    const data = run.subarray(start, ends[i])
    start = ends[i] as number
    entries.push({ term, index: first + i, type, data, change: null })
  }
  if (type !== 'conf-change') return
  for (let i = entries.length - count; i < entries.length; i++)
    entries[i] = { ...(entries[i] as Entry), change: readConfChange(reader) }
}

export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.byte(entryTypes.indexOf(entry.type))
  writer.number(entry.term)
  writer.number(entry.index)
  writer.bytes(entry.data)
  if (entry.change !== null) writeConfChange(writer, entry.change)
}

export function readEntry(reader: ByteReader): Entry {
  const type = entryTypes[reader.byte()]
  if (type === undefined) throw new MalformedError('an unknown type of entry')
  const term = reader.number()
  const index = reader.number()
  if (index === 0) throw new MalformedError('an entry at index 0')
  const data = reader.bytes()
  return { term, index, type, data, change: type === 'conf-change' ? readConfChange(reader) : null }
}

export function writeHardState(writer: ByteWriter, state: HardState): void {
  writer.number(state.term)
  writer.number(state.vote)
  writer.number(state.commit)
}

export function readHardState(reader: ByteReader): HardState {
  return { term: reader.number(), vote: reader.number(), commit: reader.number() }
}

export function writeSnapshot(writer: ByteWriter, snapshot: Snapshot): void {
  writer.number(snapshot.index)
  writer.number(snapshot.term)
  writeConfState(writer, snapshot.conf)
}

export function readSnapshot(reader: ByteReader): Snapshot {
  return { index: reader.number(), term: reader.number(), conf: readConfState(reader) }
}

export function writeConfState(writer: ByteWriter, conf: ConfState): void {
  writeReplicas(writer, conf.voters)
  writeReplicas(writer, conf.learners)
  writeReplicas(writer, conf.votersOutgoing)
  writeReplicas(writer, conf.learnersNext)
  const { autoLeave, witnesses, quorums, quorumsOutgoing } = conf
  writer.byte(
    (autoLeave ? 1 : 0) +
      (witnesses ? hasWitnesses : 0) +
      (quorums ? hasQuorums : 0) +
      (quorumsOutgoing ? hasOutgoing : 0),
  )
  if (witnesses) writeReplicas(writer, witnesses)
  if (quorums) writeQuorums(writer, quorums)
  if (quorumsOutgoing) writeQuorums(writer, quorumsOutgoing)
}

// What most configurations do not have is announced in the byte that was once for autoLeave alone.
const hasWitnesses = 2
const hasQuorums = 4
const hasOutgoing = 8

export function readConfState(reader: ByteReader): ConfState {
  const lists = {
    voters: readReplicas(reader),
    learners: readReplicas(reader),
    votersOutgoing: readReplicas(reader),
    learnersNext: readReplicas(reader),
  }
  const flags = reader.byte()
  if (flags > 15) throw new MalformedError('an unknown kind of configuration')
  return {
    ...lists,
    autoLeave: (flags & 1) !== 0,
    ...(flags & hasWitnesses ? { witnesses: readReplicas(reader) } : {}),
    ...(flags & hasQuorums ? { quorums: readQuorums(reader) } : {}),
    ...(flags & hasOutgoing ? { quorumsOutgoing: readQuorums(reader) } : {}),
  }
}

function writeConfChange(writer: ByteWriter, change: ConfChange): void {
  writer.byte(transitions.indexOf(change.transition) + (change.quorums ? isMore : 0))
  writer.number(change.steps.length)
  for (const step of change.steps) {
    writer.byte(stepTypes.indexOf(step.type) + (step.witness ? isMore : 0))
    writer.number(step.replica)
  }
  writer.bytes(change.context)
  if (change.quorums) writeQuorums(writer, change.quorums)
}

function readConfChange(reader: ByteReader): ConfChange {
  const form = reader.byte()
  const transition = transitions[form % isMore]
  if (transition === undefined || form >= 2 * isMore) throw new MalformedError('an unknown transition')
  const steps: ConfChangeStep[] = []
  for (let left = reader.count(); left > 0; left--) {
    const kind = reader.byte()
    const type = stepTypes[kind % isMore]
    if (type === undefined || kind >= 2 * isMore) throw new MalformedError('an unknown step')
    steps.push({ type, replica: reader.number(), ...(kind >= isMore ? { witness: true } : {}) })
  }
  const context = reader.bytes()
  return { transition, steps, context, ...(form >= isMore ? { quorums: readQuorums(reader) } : {}) }
}

// Stored by position: only ever append to these three.
const entryTypes: readonly EntryType[] = ['normal', 'conf-change', 'stripped']
const transitions: readonly ConfChange['transition'][] = ['auto', 'joint-implicit', 'joint-explicit']
const stepTypes: readonly ConfChangeStep['type'][] = ['add-voter', 'add-learner', 'remove', 'update']

/** Added to a transition that comes with quorums, and to a step that makes a witness. */
const isMore = 8

function writeQuorums(writer: ByteWriter, quorums: QuorumSets): void {
  writer.number(quorums.length)
  for (const set of quorums) writeReplicas(writer, set)
}

function readQuorums(reader: ByteReader): QuorumSets {
  const quorums: (readonly ReplicaId[])[] = []
  for (let left = reader.count(); left > 0; left--) quorums.push(readReplicas(reader))
  return quorums
}

function writeReplicas(writer: ByteWriter, replicas: readonly ReplicaId[]): void {
  writer.number(replicas.length)
  for (const replica of replicas) writer.number(replica)
}

function readReplicas(reader: ByteReader): ReplicaId[] {
  const replicas: ReplicaId[] = []
  for (let left = reader.count(); left > 0; left--) replicas.push(reader.number())
  return replicas
}
