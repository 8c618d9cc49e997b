import { blankMessage, type Message } from '../core/raft/message.ts'
import type { GroupId, Index, ReplicaId, Term } from '../core/types.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { asOneOf } from './guards.ts'

/**
 * - `heartbeat`, `response`: what Raft says (MsgHeartbeat, MsgHeartbeatResp), and nothing else.
 * - `drowsy`, `consent`: the same two, by which a leader asks whether its group may fall asleep, and a replica agrees.
 * - `sleep`: the leader falls asleep, and so shall whoever gets this.
 * - `wake`: somebody is awake and needs a leader.
 */
export type BeatType = 'heartbeat' | 'response' | 'drowsy' | 'consent' | 'sleep' | 'wake'

/** One group's part of what two hosts tell each other every few ticks. */
export interface Beat {
  readonly type: BeatType
  readonly group: GroupId
  readonly from: ReplicaId
  /** 0 in a `wake`, which is for whatever replica of the group the other host has. */
  readonly to: ReplicaId
  readonly term: Term
  readonly commit: Index
  /** The number of the leader's round of heartbeats, by which reads are confirmed. */
  readonly context: number
}

/** A heartbeat, or the answer to one, as a beat. */
export function beatOf(group: GroupId, message: Message, type: BeatType): Beat {
  const { from, to, term, commit, context } = message
  return { type, group, from, to, term, commit, context }
}

/** What a beat says to Raft. */
export function messageOf({ type, from, to, term, commit, context }: Beat): Message {
  const raftType = type === 'response' || type === 'consent' ? 'MsgHeartbeatResp' : 'MsgHeartbeat'
  return { ...blankMessage, type: raftType, from, to, term, commit, context }
}

// The list grows at its end.
const types: readonly BeatType[] = ['heartbeat', 'response', 'drowsy', 'consent', 'sleep', 'wake']

const writer = new ByteWriter()

/** The body of a 'beat' frame, to be copied into one at once: the beats of all groups of a pair of hosts. */
export function encodeBeats(beats: Iterable<Beat>): Uint8Array {
  writer.clear()
  for (const { type, group, from, to, term, commit, context } of beats) {
    writer.byte(types.indexOf(type))
    writer.text(group)
    for (const number of [from, to, term, commit, context]) writer.number(number)
  }
  return writer.written()
}

/** Calls back for each beat, in order. Throws MalformedError; beats before the bad one were given. */
export function decodeBeats(body: Uint8Array, each: (beat: Beat) => void): void {
  const reader = new ByteReader(body)
  while (reader.left > 0) {
    const type = asOneOf(reader.byte(), types)
    const group = reader.text()
    const [from, to, term, commit, context] = [
      reader.number(),
      reader.number(),
      reader.number(),
      reader.number(),
      reader.number(),
    ]
    each({ type, group, from, to, term, commit, context })
  }
}
