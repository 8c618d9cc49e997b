import {
  appendBytesMax,
  inflightBytesMax,
  inflightMessagesMax,
  uncommittedBytesMax,
} from '../../core/limits.ts'
import type { MemoryLog } from '../../core/raft/memory-log.ts'
import { RaftNode } from '../../core/raft/raft-node.ts'
import type { Index, ReplicaId } from '../../core/types.ts'
import type { EngineOptions, HostParts } from '../parts.ts'

/** Raft as every replica runs it. */
export function newRaftNode(replica: {
  readonly id: ReplicaId
  readonly log: MemoryLog
  readonly applied: Index
  readonly parts: HostParts
  readonly options: EngineOptions
}): RaftNode {
  const { id, log, applied, parts, options } = replica
  return new RaftNode({
    id,
    log,
    applied,
    electionTicks: options.electionTicks,
    heartbeatTicks: options.heartbeatTicks,
    random: parts.random,
    asyncStorageWrites: true,
    // One slow disk of three, the leader's own included, then delays no answer.
    applyUnstable: true,
    preVote: true,
    checkQuorum: true,
    readOnly: 'asked',
    appendBytesMax,
    inflightMessagesMax,
    inflightBytesMax,
    uncommittedBytesMax,
    ...options.raft,
    committedBytesMax: options.applyBytesMax,
    // The engine forwards by itself, because the asker must hear when the leader refuses.
    disableProposalForwarding: true,
    stepDownOnRemoval: true,
  })
}
