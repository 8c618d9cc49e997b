import { voteResult } from '../quorum.ts'
import type { Index, ReplicaId, Term } from '../types.ts'
import type { Raft } from './raft.ts'

// A group in which nothing happens may stand still: nobody ticks it, so it sends nothing, and nobody is deposed.
// For Raft that is a pause of every replica at once, and it is safe for the reason that any pause is: no promise
// depends on time, but for the leases that `resume` ends. Who may sleep, and who wakes whom, is the engine's part.

/**
 * So much time passed in which nothing was ticked: the process was suspended, or the group slept. A lease has aged by
 * it. After an election timeout, whatever is in the inbox comes first: a follower campaigns, and a leader counts who
 * answers, only a whole timeout later, or the replica that was away would depose a leader that is well (mutant M147).
 */
export function resume(raft: Raft, ticks: number): void {
  raft.leaderTicks += ticks
  raft.heartbeatElapsed = raft.config.heartbeatTicks
  if (ticks >= raft.config.electionTicks) raft.electionElapsed = 0
}

/**
 * The leader's host cannot be reached any more, as something below Raft has found, which watched it for longer than an
 * election timeout: as good as a whole one without a word of it. What is left is the part that differs between
 * replicas. A promise that depends on time (a lease) is not shortened by hearsay: only where no word came for an
 * election timeout here is none left.
 */
export function leaderLost(raft: Raft, silentTicks: number): void {
  const { electionTicks, readOnly } = raft.config
  if (raft.role === 'follower' && (readOnly === 'safe' || silentTicks > electionTicks))
    raft.electionElapsed = Math.max(raft.electionElapsed, electionTicks)
}

/**
 * Whether nothing is left to do for a leader: all is committed and applied, nobody waits for it, and all replicas that
 * are there, a quorum at least, have everything.
 */
export function isAtRest(raft: Raft, isHere: (id: ReplicaId) => boolean): boolean {
  const { log, conf } = raft
  if (raft.role !== 'leader' || raft.leadTransferee !== 0 || conf.votersOutgoing.length > 0) return false
  const last = log.lastIndex()
  if (log.applied < last || raft.reads.length + raft.earlyReads.length > 0) return false
  const counts = (id: ReplicaId) => id === raft.id || isHere(id)
  if (voteResult(conf, counts) !== 'won') return false
  return raft.progress.every(
    progress => !counts(progress.id) || (progress.state === 'replicate' && progress.match === last),
  )
}

/** Whether a replica follows that leader in that term, and has applied all that the leader has: up to `commit`. */
export function isAtRestBehind(
  raft: Raft,
  leader: { readonly from: ReplicaId; readonly term: Term; readonly commit: Index },
): boolean {
  const { log } = raft
  if (raft.role !== 'follower' || raft.leader !== leader.from || raft.term !== leader.term) return false
  return log.applied === leader.commit && log.lastIndex() === leader.commit
}
