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
import { MalformedError } from './malformed-error.ts'

// Raft's persistent state as it is sent and stored. By hand rather than by MessagePack: it is written once per entry on
// the way to an acknowledgement.

export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const writer = new ByteWriter()
  for (const entry of entries) writeEntry(writer, entry)
  return writer.written()
}

export function decodeEntries(bytes: Uint8Array): Entry[] {
  const reader = new ByteReader(bytes)
  const entries: Entry[] = []
  while (reader.left > 0) {
    if (entries.push(readEntry(reader)) > appendEntriesMax) throw new MalformedError('too many entries')
  }
  return entries
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

export function writeConfChange(writer: ByteWriter, change: ConfChange): void {
  writer.byte(transitions.indexOf(change.transition) + (change.quorums ? isMore : 0))
  writer.number(change.steps.length)
  for (const step of change.steps) {
    writer.byte(stepTypes.indexOf(step.type) + (step.witness ? isMore : 0))
    writer.number(step.replica)
  }
  writer.bytes(change.context)
  if (change.quorums) writeQuorums(writer, change.quorums)
}

export function readConfChange(reader: ByteReader): ConfChange {
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
export const entryTypes: readonly EntryType[] = ['normal', 'conf-change', 'stripped']
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
