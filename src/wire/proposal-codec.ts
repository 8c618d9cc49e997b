import { keepBytes } from '../base/keep-bytes.ts'
import { keyCharactersMax, leasesMax, leaseTtlMsMax, leaseTtlMsMin, valueBytesMax } from '../core/limits.ts'
import type { Checked, Command, Fenced, Proposal, Result } from '../core/machine/command.ts'
import { isKey } from '../core/machine/key.ts'
import type { Member, MembersDelta, Role } from '../core/machine/members.ts'
import type { QuorumSets } from '../core/quorum.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { decode, encode, MalformedError } from './codec.ts'
import { asArray, asBoolean, asBytes, asNatural, asOneOf, asText } from './guards.ts'

// Proposals lie in the logs of all replicas for as long as a log lasts: a number that once stood for a type
// stands for it for ever, and new types go to the end of the lists.

const commandTypes: readonly Command['type'][] = [
  'open-session',
  'close-session',
  'put',
  'insert',
  'delete',
  'compare-and-swap',
  'barrier',
  'broadcast',
  'call',
  'lease-grant',
  'lease-keep-alive',
  'lease-revoke',
  'expire',
  'fenced',
]
const commandNumbers = numbersOf(commandTypes)

const resultTypes: readonly Result['type'][] = [
  'session',
  'written',
  'checked',
  'deleted',
  'session-expired',
  'stale',
  'called',
  'failed',
  'kept',
  'fenced',
]
const resultNumbers = numbersOf(resultTypes)

const roles: readonly Role[] = ['voter', 'learner']
const roleNumbers = numbersOf(roles)

// Proposals share buffers: they come and go with the log, one like the other, and an own one for each would be half of
// the work. Small buffers: a single proposal of a quiet group keeps the whole of one alive.
const writer = new ByteWriter(8 * 1024)

/**
 * The data of a log entry: type of the command, session, seq, acked, fields. By hand rather
 * than by MessagePack: it is written for every command, and read on every replica.
 */
export function encodeProposal({ session, seq, acked, command }: Proposal): Uint8Array {
  writer.clear()
  writer.byte(commandNumbers[command.type])
  writer.number(session)
  writer.number(seq)
  writer.number(acked)
  writeCommand(command)
  return writer.take()
}

function writeCommand(command: Command): void {
  switch (command.type) {
    case 'open-session':
      writer.text(command.host)
      break
    case 'put':
    case 'insert':
      writer.text(command.key)
      writer.bytes(command.value)
      break
    case 'delete':
      writer.text(command.key)
      break
    case 'compare-and-swap':
      writer.text(command.key)
      writeMaybeValue(command.expected)
      writeMaybeValue(command.value)
      break
    case 'broadcast':
      writer.text(command.topic)
      writer.bytes(command.body)
      break
    case 'call':
      writer.number(command.now)
      writer.text(command.name)
      writer.bytes(command.args)
      break
    case 'lease-grant':
      writer.number(command.clock)
      writer.number(command.ttlMs)
      break
    case 'lease-keep-alive':
      writer.number(command.clock)
      writer.number(command.leases.length)
      for (const lease of command.leases) writer.number(lease)
      break
    case 'lease-revoke':
      writer.number(command.lease)
      break
    case 'expire':
      writer.number(command.clock)
      break
    case 'fenced':
      writer.text(command.key)
      writer.number(command.createRevision)
      writer.byte(commandNumbers[command.command.type])
      writeCommand(command.command)
      break
    case 'close-session':
    case 'barrier':
      break
  }
}

/** Which clock a leader stamps a command with as it logs it: the group's, or its own wall clock. */
export function stampOf(command: Command): 'group' | 'wall' | undefined {
  switch (command.type) {
    case 'call':
      return 'wall'
    case 'lease-grant':
    case 'lease-keep-alive':
    case 'expire':
      return 'group'
    case 'fenced':
      return stampOf(command.command)
    default:
      return undefined
  }
}

/** The same proposal with another stamp. What was logged with the old one stays as it is. */
export function stamped({ command, ...proposal }: Proposal, stamp: number): Proposal {
  return { ...proposal, command: stampedCommand(command, stamp) }
}

function stampedCommand(command: Command, stamp: number): Command {
  if (command.type === 'fenced')
    return { ...command, command: stampedCommand(command.command, stamp) as typeof command.command }
  if ('clock' in command) return { ...command, clock: stamp }
  return command.type === 'call' ? { ...command, now: stamp } : command
}

/**
 * The proposal in bytes[start, end), checked so far that the machine can apply it. Throws MalformedError; a leader
 * asks before it logs what another host handed on. Values are copies: the machine keeps them long after the buffer
 * they arrived in.
 */
export function decodeProposal(bytes: Uint8Array, start = 0, end = bytes.length): Proposal {
  const reader = new ByteReader(bytes, start, end)
  const type = asOneOf(reader.byte(), commandTypes)
  const session = reader.number()
  const seq = reader.number()
  const acked = reader.number()
  const command = readCommand(reader, type)
  reader.finish()
  if (session === 0 ? type === 'close-session' : type === 'open-session') {
    throw new MalformedError('a session is opened outside of all sessions and closed inside itself')
  }
  if (session !== 0 && seq === 0) throw new MalformedError('commands of a session are numbered from 1')
  return { session, seq, acked, command }
}

function readCommand(reader: ByteReader, type: Command['type']): Command {
  switch (type) {
    case 'open-session':
      return { type, host: asHost(reader.text()) }
    case 'close-session':
    case 'barrier':
      return { type }
    case 'put':
    case 'insert':
      return { type, key: readKey(reader), value: readValue(reader) }
    case 'delete':
      return { type, key: readKey(reader) }
    case 'compare-and-swap':
      return {
        type,
        key: readKey(reader),
        expected: readMaybeValue(reader),
        value: readMaybeValue(reader),
      }
    case 'broadcast':
      return { type, topic: readKey(reader), body: readValue(reader) }
    case 'call': {
      const now = reader.number()
      return { type, now, name: readKey(reader), args: reader.kept(reader.number()) }
    }
    case 'lease-grant':
      return { type, clock: reader.number(), ttlMs: readTtl(reader) }
    case 'lease-keep-alive':
      return { type, clock: reader.number(), leases: readLeases(reader) }
    case 'lease-revoke':
      return { type, lease: reader.number() }
    case 'expire':
      return { type, clock: reader.number() }
    case 'fenced':
      return { type, key: readKey(reader), createRevision: reader.number(), command: readFenced(reader) }
  }
}

/** What came out of UTF-8 is well-formed already. */
function readKey(reader: ByteReader): string {
  const key = reader.text()
  if (key === '' || key.length > keyCharactersMax) throw new MalformedError('a key was expected')
  return key
}

function readValue(reader: ByteReader): Uint8Array {
  const length = reader.number()
  if (length > valueBytesMax) throw new MalformedError('a value is too large')
  return reader.kept(length)
}

function readFenced(reader: ByteReader): Fenced['command'] {
  const type = asOneOf(reader.byte(), commandTypes)
  if (type === 'open-session' || type === 'close-session') throw new MalformedError('sessions need no fence')
  const command = readCommand(reader, type)
  if (command.type === 'fenced') throw new MalformedError('one fence inside another')
  return command
}

function readTtl(reader: ByteReader): number {
  const ttlMs = reader.number()
  if (ttlMs < leaseTtlMsMin || ttlMs > leaseTtlMsMax) throw new MalformedError('no such lease')
  return ttlMs
}

function readLeases(reader: ByteReader): readonly number[] {
  const count = reader.count()
  if (count > leasesMax) throw new MalformedError('more leases than there can be')
  return Array.from({ length: count }, () => reader.number())
}

function writeMaybeValue(value: Uint8Array | null): void {
  writer.byte(value === null ? 0 : 1)
  if (value !== null) writer.bytes(value)
}

function readMaybeValue(reader: ByteReader): Uint8Array | null {
  const kind = reader.byte()
  if (kind > 1) throw new MalformedError('neither a value nor none')
  return kind === 0 ? null : readValue(reader)
}

/** A result as data for `encode`. */
export function resultFields(result: Result): readonly unknown[] {
  const type = resultNumbers[result.type]
  switch (result.type) {
    case 'session':
      return [type, result.session]
    case 'written':
      return [type, result.revision]
    case 'checked':
      return [type, result.ok, result.revision, result.value]
    case 'deleted':
      return [type, result.ok, result.revision]
    case 'called':
      return [type, result.revision, result.value]
    case 'failed':
      return [type, result.code, result.detail]
    case 'kept':
      return [type, result.gone]
    case 'fenced':
    case 'session-expired':
    case 'stale':
      return [type]
  }
}

/** The reverse of `resultFields`, for what came out of `decode`. */
export function asResult(value: unknown): Result {
  const fields = asArray(value, 1)
  const type = asOneOf(fields[0], resultTypes)
  switch (type) {
    case 'session':
      return { type, session: asNatural(fields[1]) }
    case 'written':
      return { type, revision: asNatural(fields[1]) }
    case 'checked':
      return asChecked(fields)
    case 'deleted':
      return { type, ok: asBoolean(fields[1]), revision: asNatural(fields[2]) }
    case 'called':
      return { type, revision: asNatural(fields[1]), value: asBytesKept(fields[2]) }
    case 'failed':
      return { type, code: asText(fields[1]), detail: fields[2] === null ? null : asBytesKept(fields[2]) }
    case 'kept':
      return { type, gone: asArray(fields[1]).map(asNatural) }
    case 'fenced':
    case 'session-expired':
    case 'stale':
      return { type }
  }
}

function asChecked(fields: readonly unknown[]): Checked {
  return {
    type: 'checked',
    ok: asBoolean(fields[1]),
    revision: asNatural(fields[2]),
    value: asMaybeValue(fields[3]),
  }
}

/** The context of a configuration change. */
export function encodeMembersDelta(delta: MembersDelta): Uint8Array<ArrayBuffer> {
  return encode([
    delta.base,
    delta.set.map(memberFields),
    delta.removed,
    delta.quorums ?? null,
    delta.isEviction ?? false,
  ])
}

export function decodeMembersDelta(bytes: Uint8Array): MembersDelta {
  const fields = asArray(decode(bytes), 3)
  return {
    base: asNatural(fields[0]),
    set: asArray(fields[1]).map(asMember),
    removed: asArray(fields[2]).map(asNatural),
    ...asQuorums(fields[3]),
    isEviction: fields[4] === true,
  }
}

/** Of a member table; what is left out is none. */
export function asQuorums(value: unknown): { readonly quorums?: QuorumSets } {
  if (value === undefined || value === null) return {}
  return { quorums: asArray(value).map(set => asArray(set).map(asNatural)) }
}

/** A member as data for `encode`. */
export function memberFields(member: Member): readonly unknown[] {
  return [
    member.replica,
    member.host,
    roleNumbers[member.role],
    roleNumbers[member.wanted],
    member.witness,
    member.weight,
  ]
}

/** The reverse of `memberFields`, for what came out of `decode`. */
export function asMember(value: unknown): Member {
  const fields = asArray(value, 4)
  return {
    replica: asNatural(fields[0]),
    host: asHost(fields[1]),
    role: asOneOf(fields[2], roles),
    wanted: asOneOf(fields[3], roles),
    witness: asBoolean(fields[4] ?? false),
    weight: asNatural(fields[5] ?? 1),
  }
}

export function asStoredKey(value: unknown): string {
  const key = asText(value)
  if (!isKey(key)) throw new MalformedError('a key was expected')
  return key
}

export function asHost(value: unknown): string {
  const host = asText(value)
  if (host === '') throw new MalformedError('the name of a host was expected')
  return host
}

/** The bytes of a stored value, as a copy. */
export function asValue(value: unknown): Uint8Array {
  const bytes = asBytes(value)
  if (bytes.length > valueBytesMax) throw new MalformedError('a value is too large')
  return keepBytes(bytes)
}

/** What a command gives may be larger than a value, if not by much. */
function asBytesKept(value: unknown): Uint8Array {
  return keepBytes(asBytes(value))
}

function asMaybeValue(value: unknown): Uint8Array | null {
  return value === null ? null : asValue(value)
}

/** Objects instead of maps: a type is looked up for every proposal. */
function numbersOf<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, number) => [name, number])) as Record<Name, number>
}
