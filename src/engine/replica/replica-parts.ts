import type { QuorateError } from '../../core/error.ts'
import type { MachineState } from '../../core/machine/state.ts'
import type { Message } from '../../core/raft/message.ts'
import type { ConfState } from '../../core/raft/types.ts'
import type { GroupId, HostId, ReplicaId } from '../../core/types.ts'
import type { StoredGroup } from '../../storage/storage.ts'
import type { EngineOptions, HostParts } from '../parts.ts'
import type { StoreHooks } from '../store-hooks.ts'
import type { Divergence, StoreStatus } from '../types.ts'
import type { Outbox } from './outbox.ts'
import type { Writer } from './writer.ts'

/** What a replica has from its host. `Replica` is a parameter here, because a replica knows this file. */
export interface ReplicaHost<Replica> {
  readonly parts: HostParts
  readonly options: EngineOptions
  readonly outbox: Outbox
  readonly writer: Writer
  /** Connected hosts that run a replica of the group, or have not said yet whether they do. */
  readonly hostsOf: (group: GroupId) => readonly HostId[]
  /** Asks for a turn of the loop. */
  readonly wake: () => void
  readonly hooksOf: (group: GroupId) => StoreHooks
  readonly events: ReplicaEvents<Replica>
}

/** What a replica tells its host. None of them may throw. */
export interface ReplicaEvents<Replica> {
  leaderChanged(replica: Replica): void
  membersChanged(replica: Replica): void
  applied(replica: Replica): void
  /** A command threw, and not to say why it failed. */
  commandFailed(replica: Replica, name: string, error: unknown): void
  /** The group removed this replica: it is over for good. */
  removed(replica: Replica): void
  /** Raft wants the peer to have this replica's snapshot. */
  snapshotWanted(replica: Replica, to: HostId, message: Message): void
  /** So much was applied since the last snapshot that it is time for another one. */
  snapshotDue(replica: Replica): void
}

export interface StoredReplica {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly stored: StoredGroup
  /** It keeps no values (Raft has it as a witness), and serves nobody. */
  readonly isWitness: boolean
  /** The state at the stored snapshot; undefined for a replica that starts empty. */
  readonly state: MachineState | undefined
  /** It was found to differ from others before this host started. */
  readonly diverged?: Divergence | undefined
}

/** What a replica is that ended by this error. */
export function endedRole({ code }: QuorateError): StoreStatus['role'] {
  if (code === 'REMOVED') return 'removed'
  // It made room, and is about to be one again.
  if (code === 'NOT_MEMBER') return 'learner'
  return code === 'CLOSED' ? 'closed' : 'failed'
}

/** What a replica is that goes on. */
export function roleOf(
  { id, isWitness, conf }: { readonly id: ReplicaId; readonly isWitness: boolean; readonly conf: ConfState },
  raftRole: StoreStatus['role'],
): StoreStatus['role'] {
  if (isWitness) return 'witness'
  if (raftRole === 'leader' || raftRole === 'candidate') return raftRole
  return conf.voters.includes(id) ? 'follower' : 'learner'
}
