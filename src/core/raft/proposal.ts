import { emptyBytes } from '../../base/bytes.ts'
import type { Index, ReplicaId, Term } from '../types.ts'
import { type ChangeRefusal, changeRefusal } from './conf-change.ts'
import { type Entries, EntryList, packed } from './entry-list.ts'
import { payloadsBytes } from './entry-size.ts'
import { blankMessage } from './message.ts'
import type { Raft } from './raft.ts'
import { broadcastAppend } from './replication.ts'
import type { ConfChange, Entry } from './types.ts'

/**
 * What became of a proposal. Only a committed entry is agreed on; neither 'proposed' nor 'forwarded' promises
 * that.
 */
export type ProposeResult =
  /** This leader appended it: the first entry is at `index`, the others follow, all of `term`. */
  | { readonly type: 'proposed'; readonly index: Index; readonly term: Term }
  /** It was sent to the leader, which may still refuse it, without an answer. */
  | { readonly type: 'forwarded'; readonly leader: ReplicaId }
  | { readonly type: 'refused'; readonly reason: ProposeRefusal }

export type ProposeRefusal =
  | 'no-leader' // no leader of this term is known
  | 'not-leader' // another replica leads, and forwarding is disabled
  | 'removed' // this leader is not in the configuration any more
  | 'transferring' // leadership is being handed over
  | 'busy' // too much waits for its commit already
  | ChangeRefusal

/** An entry that has no place in the log yet. Those of one proposal have ascending indexes, and can be one run. */
export function draftEntry(data: Uint8Array, index = 0): Entry {
  return { term: 0, index, type: 'normal', data, change: null }
}

export function draftChange(change: ConfChange): Entry {
  return { term: 0, index: 0, type: 'conf-change', data: emptyBytes, change }
}

/** Appends on the leader, forwards on a follower, refuses elsewhere. */
export function propose(raft: Raft, drafts: Entries, from: ReplicaId): ProposeResult {
  if (raft.role === 'leader') return proposeAsLeader(raft, drafts)
  // A candidate knows no leader, so this covers all other roles.
  if (raft.leader === 0) return refused('no-leader')
  if (raft.config.disableProposalForwarding) return refused('not-leader')
  raft.send({ ...blankMessage, type: 'MsgProp', from, to: raft.leader, entries: drafts })
  return { type: 'forwarded', leader: raft.leader }
}

function proposeAsLeader(raft: Raft, drafts: Entries): ProposeResult {
  if (raft.progressOf(raft.id) === undefined) return refused('removed')
  if (raft.leadTransferee !== 0) return refused('transferring')
  let pending = raft.pendingConfIndex
  const first = raft.log.lastIndex() + 1
  const checked = () =>
    [...drafts].map((draft, i) => {
      if (draft.change === null) return draft
      // The others of the same message keep their places: a change that cannot be made becomes an entry without
      // effect.
      if (changeRefusal(raft, draft.change, pending) !== null) return draftEntry(emptyBytes, draft.index)
      pending = first + i
      return draft
    })
  const hasChange = drafts.runs.some(run => run.type === 'conf-change')
  if (!appendEntries(raft, hasChange ? packed(checked()) : drafts)) return refused('busy')
  raft.pendingConfIndex = pending
  broadcastAppend(raft)
  return { type: 'proposed', index: first, term: raft.term }
}

/**
 * Gives drafts their places at the end of the leader's log. False when the quota of uncommitted payload is
 * used up; what has no payload (a no-op, a membership change) always fits, and so does anything when nothing
 * waits.
 */
export function appendEntries(raft: Raft, drafts: Entries): boolean {
  const bytes = payloadsBytes(drafts)
  const wouldExceed = raft.uncommittedBytes + bytes > raft.config.uncommittedBytesMax
  if (raft.uncommittedBytes > 0 && bytes > 0 && wouldExceed) return false
  raft.uncommittedBytes += bytes

  const { term } = raft
  const placed = new EntryList(raft.log.lastIndex() + 1)
  for (const run of drafts.runs) placed.runs.push({ ...run, term, first: placed.end })
  raft.log.append(placed)
  // The leader counts itself only when its own entries are durable (Raft thesis §10.2.1): its acknowledgement
  // waits for the write like that of a follower.
  raft.sendAfterAppend({
    ...blankMessage,
    type: 'MsgAppResp',
    from: raft.id,
    to: raft.id,
    term,
    index: raft.log.lastIndex(),
  })
  return true
}

/** The state machine has applied everything up to `entries`' last. */
export function entriesApplied(raft: Raft, entries: Entries, bytes: number): void {
  if (entries.length === 0) return
  appliedTo(raft, entries.end - 1, bytes)
  raft.uncommittedBytes = Math.max(0, raft.uncommittedBytes - payloadsBytes(entries))
}

/** The state machine holds `index`, whether by entries or by a snapshot. */
export function appliedTo(raft: Raft, index: Index, bytes: number): void {
  const applied = Math.max(index, raft.log.applied)
  raft.log.appliedTo(applied, bytes)
  leaveJointWhenDue(raft)
}

/**
 * The leader proposes to leave a joint configuration that leaves by itself, as soon as that is in force. When
 * it cannot (during a transfer, say), the next tick tries again, and so does the next leader.
 */
export function leaveJointWhenDue(raft: Raft): void {
  if (raft.role !== 'leader' || !raft.conf.autoLeave || raft.log.applied < raft.pendingConfIndex) return
  propose(raft, packed([draftChange({ transition: 'auto', steps: [], context: emptyBytes })]), raft.id)
}

function refused(reason: ProposeRefusal): ProposeResult {
  return { type: 'refused', reason }
}
