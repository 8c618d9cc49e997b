import { noEntries } from '../core/raft/entry-list.ts'
import { blankMessage, type Message, type MessageType } from '../core/raft/message.ts'
import type { GroupId } from '../core/types.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { readSnapshot, writeSnapshot } from './entry-codec.ts'
import { asArray, asBytes, asOneOf } from './guards.ts'
import { MalformedError } from './malformed-error.ts'
import { readEntries, writeEntries } from './run-codec.ts'

// Raft messages between two hosts. Only what crosses the network has a number here; the list grows at its end.
const types: readonly MessageType[] = [
  'MsgApp',
  'MsgAppResp',
  'MsgVote',
  'MsgVoteResp',
  'MsgPreVote',
  'MsgPreVoteResp',
  'MsgSnap',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgTransferLeader',
  'MsgTimeoutNow',
  'MsgReadIndex',
  'MsgReadIndexResp',
]

// A bit each for what a message may have or be.
const has = { reject: 1, force: 2, entries: 4, snapshot: 8 } as const

const writer = new ByteWriter(64 * 1024)

/**
 * The body of a 'raft' frame: messages of any number of groups, in order. Valid until the next call, to be put into a
 * frame at once.
 */
export function encodeRaftBody(bundle: ReadonlyMap<GroupId, readonly Message[]>): Uint8Array {
  writer.clear()
  for (const [group, messages] of bundle) {
    writer.text(group)
    writer.number(messages.length)
    for (const message of messages) writeMessage(writer, message)
  }
  return writer.written()
}

/** Calls back for each message of a 'raft' frame. Throws MalformedError; messages before the bad one were given. */
export function decodeRaftBody(body: Uint8Array, each: (group: GroupId, message: Message) => void): void {
  const reader = new ByteReader(body)
  while (reader.left > 0) {
    const group = reader.text()
    for (let left = reader.count(); left > 0; left--) each(group, readMessage(reader))
  }
}

/** A message as data for `encode`. */
export function messageFields(message: Message): readonly unknown[] {
  const one = new ByteWriter(256)
  writeMessage(one, message)
  return [one.written()]
}

/** The reverse of `messageFields`, for what came out of `decode`. */
export function asMessage(value: unknown): Message {
  const reader = new ByteReader(asBytes(asArray(value, 1)[0]))
  const message = readMessage(reader)
  reader.finish()
  return message
}

function writeMessage(to: ByteWriter, message: Message): void {
  const { entries, snapshot } = message
  const number = types.indexOf(message.type)
  if (number < 0) throw new MalformedError(`${message.type} is not for peers`)
  to.byte(number)
  to.byte(
    (message.reject ? has.reject : 0) |
      (message.force ? has.force : 0) |
      (entries.length > 0 ? has.entries : 0) |
      (snapshot === null ? 0 : has.snapshot),
  )
  to.number(message.from)
  to.number(message.to)
  to.number(message.term)
  to.number(message.logTerm)
  to.number(message.index)
  to.number(message.commit)
  to.number(message.rejectHint)
  to.number(message.context)
  if (entries.length > 0) writeEntries(to, entries)
  if (snapshot !== null) writeSnapshot(to, snapshot)
}

function readMessage(reader: ByteReader): Message {
  const type = asOneOf(reader.byte(), types)
  const flags = reader.byte()
  if (flags > 15) throw new MalformedError('an unknown part of a message')
  const from = reader.number()
  const to = reader.number()
  const term = reader.number()
  const logTerm = reader.number()
  const index = reader.number()
  return {
    ...blankMessage,
    type,
    from,
    to,
    term,
    logTerm,
    index,
    commit: reader.number(),
    rejectHint: reader.number(),
    context: reader.number(),
    reject: (flags & has.reject) !== 0,
    force: (flags & has.force) !== 0,
    entries: flags & has.entries ? readEntries(reader, index + 1) : noEntries,
    snapshot: flags & has.snapshot ? readSnapshot(reader) : null,
  }
}
