import type { StoreStatus } from '../types.ts'
import type { Replica } from './replica.ts'

/** What a replica knows right now, as its store shows it. */
export function replicaStatus(replica: Replica): StoreStatus {
  const { machine, unknownCommand, diverged } = replica.state
  return {
    group: replica.group,
    role: replica.role(),
    leader: replica.leader,
    replica: replica.id,
    term: replica.term,
    commit: replica.commit,
    applied: machine.appliedIndex,
    asleep: replica.quiescence.isAsleep,
    members: replica.members,
    keys: machine.view().size,
    ...(unknownCommand !== undefined && { unknownCommand }),
    ...(diverged !== undefined && { diverged }),
  }
}
