import type { RaftNode } from '../../src/core/raft/index.ts'
import type { ReplicaId } from '../../src/core/types.ts'

// What others who embed Raft may tell it, and the engine does not.

/** A follower forgets its leader, and grants votes at once. Not with lease reads, whose promise it would break. */
export function forgetLeader({ raft }: RaftNode): void {
  if (raft.role === 'follower' && raft.config.readOnly !== 'lease') raft.leader = 0
}

/** A message could not be delivered to the replica: pipelining would only add to the loss. */
export function reportUnreachable({ raft }: RaftNode, id: ReplicaId): void {
  const progress = raft.role === 'leader' ? raft.progressOf(id) : undefined
  if (progress?.state === 'replicate') progress.becomeProbe()
}
