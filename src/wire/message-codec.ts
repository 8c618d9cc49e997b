import { blankMessage, isLocalMessage, type Message, type MessageType } from '../core/raft/message.ts'
import type { GroupId } from '../core/types.ts'
import { decode, encodeOnce, MalformedError } from './codec.ts'
import { asSnapshot, decodeEntries, encodeEntries, snapshotFields } from './entry-codec.ts'
import { asArray, asBoolean, asBytes, asNatural, asOneOf, asText } from './guards.ts'

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
const numbers = new Map(types.map((type, number) => [type, number]))

/** The body of a 'raft' frame, to be put into one at once: messages of any number of groups, in order. */
export function encodeRaftBody(bundle: ReadonlyMap<GroupId, readonly Message[]>): Uint8Array {
  const body: unknown[] = []
  for (const [group, messages] of bundle) body.push(group, messages.map(messageFields))
  return encodeOnce(body)
}

/** Calls back for each message of a 'raft' frame. Throws MalformedError; messages before the bad one were given. */
export function decodeRaftBody(body: Uint8Array, each: (group: GroupId, message: Message) => void): void {
  const fields = asArray(decode(body))
  for (let i = 0; i < fields.length; i += 2) {
    const group = asText(fields[i])
    for (const message of asArray(fields[i + 1])) each(group, asMessage(message))
  }
}

/** A message as data for `encode`. */
export function messageFields(message: Message): readonly unknown[] {
  const { type, from, to, term, logTerm, index, commit, reject, rejectHint, context, force } = message
  const entries = message.entries.length === 0 ? null : encodeEntries(message.entries)
  const snapshot = message.snapshot === null ? null : snapshotFields(message.snapshot)
  const number = numbers.get(type)
  if (number === undefined) throw new MalformedError(`${type} is not for peers`)
  return [
    number,
    from,
    to,
    term,
    logTerm,
    index,
    commit,
    reject,
    rejectHint,
    context,
    force,
    entries,
    snapshot,
  ]
}

/** The reverse of `messageFields`, for what came out of `decode`. */
export function asMessage(value: unknown): Message {
  const fields = asArray(value, 13)
  const type = asOneOf(fields[0], types)
  if (isLocalMessage(type)) throw new MalformedError('a message that is not for peers')
  return {
    ...blankMessage,
    type,
    from: asNatural(fields[1]),
    to: asNatural(fields[2]),
    term: asNatural(fields[3]),
    logTerm: asNatural(fields[4]),
    index: asNatural(fields[5]),
    commit: asNatural(fields[6]),
    reject: asBoolean(fields[7]),
    rejectHint: asNatural(fields[8]),
    context: asNatural(fields[9]),
    force: asBoolean(fields[10]),
    entries: fields[11] === null ? [] : decodeEntries(asBytes(fields[11])),
    snapshot: fields[12] === null ? null : asSnapshot(fields[12]),
  }
}
