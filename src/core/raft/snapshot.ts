import { switchConfiguration } from './conf-change.ts'
import { replicasOf } from './membership.ts'
import { blankMessage, type Message } from './message.ts'
import { appliedTo } from './proposal.ts'
import type { Raft } from './raft.ts'
import type { Snapshot } from './types.ts'

/** The receiver's side of InstallSnapshot (Raft paper §7). */
export function handleSnapshot(raft: Raft, message: Message): void {
  const { snapshot } = message
  const isInstalled = snapshot !== null && install(raft, snapshot)
  raft.sendAfterAppend({
    ...blankMessage,
    type: 'MsgAppResp',
    from: raft.id,
    to: message.from,
    term: raft.term,
    // Refused, it still tells the leader from where on entries will do.
    index: isInstalled ? raft.log.lastIndex() : raft.log.committed,
  })
}

function install(raft: Raft, snapshot: Snapshot): boolean {
  const { log } = raft
  // Older than what is committed here: a delayed message, and the state would go back.
  if (snapshot.index <= log.committed) return false
  // The replica need not be a member of it: a newcomer may get a snapshot from before it joined, and the
  // entry by which it joined comes behind that. (etcd refuses such a snapshot, and then needs a newer one to
  // be made.) The log holds the position, so everything up to it is the same and committed, and what lies
  // behind it is kept.
  if (log.matchTerm(snapshot.index, snapshot.term)) {
    log.commitTo(snapshot.index)
    return false
  }
  log.restore(snapshot)
  // The configuration of the snapshot replaces the own one whole; what was known of replicas belongs to the
  // old log.
  switchConfiguration(raft, { conf: snapshot.conf, renewed: replicasOf(snapshot.conf) })
  return true
}

/** The snapshot is durable and the state machine holds it. */
export function snapshotApplied(raft: Raft, snapshot: Snapshot): void {
  raft.log.unstable.stableSnapshotTo(snapshot.index)
  appliedTo(raft, snapshot.index, 0)
}
