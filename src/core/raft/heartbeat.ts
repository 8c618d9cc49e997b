import { blankMessage } from './message.ts'
import type { Raft } from './raft.ts'

/**
 * Tells every other replica who leads, what is committed, and which reads wait for its answer (Raft paper
 * §5.2).
 */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.reads.beginRound(raft.leaderTicks)
  for (const progress of raft.progress) {
    if (progress.id === raft.id) continue
    // A follower must not commit what it may not hold: only up to where its log is known to match.
    const commit = Math.min(progress.match, raft.log.committed)
    raft.send({
      ...blankMessage,
      type: 'MsgHeartbeat',
      from: raft.id,
      to: progress.id,
      term: raft.term,
      commit,
      context,
    })
    progress.sentCommitIndex(commit)
  }
}
