import { QuorateError } from '../../core/error.ts'
import type { DeploymentId } from '../../core/types.ts'
import type { Divergence } from '../types.ts'

/** The error of a host or store that was closed. */
export function closed(
  outcome: 'none' | 'unknown' = 'none',
  what: 'host' | 'store' | 'view' | 'transaction' | 'watch' = 'host',
): QuorateError {
  return new QuorateError('CLOSED', `the ${what} was closed`, { outcome })
}

/** The error of everything that is asked of a replica whose group removed it. */
export function removed(outcome: 'none' | 'unknown' = 'none'): QuorateError {
  return new QuorateError('REMOVED', 'the group removed this host', { outcome })
}

/** The same where the replica made room for a newcomer's, until the host has joined anew. */
export function evicted(outcome: 'none' | 'unknown' = 'none'): QuorateError {
  const code = outcome === 'none' ? 'NOT_MEMBER' : 'OUTCOME_UNKNOWN'
  const why = 'this host made room for another, and joins anew'
  return new QuorateError(code, why, { retryable: outcome === 'none', outcome })
}

/** The error of forgetting what is stored of a group that has not let this host go, or not so that it is on disk. */
export function notRemoved(group: string, isRemoved: boolean): QuorateError {
  const why = isRemoved
    ? 'has just removed this host, which has not noted it yet'
    : 'has not removed this host'
  return new QuorateError('MEMBERSHIP_REFUSED', `${group} ${why}`, { retryable: isRemoved })
}

/**
 * The error of what needs a replica's state, where that waits for a command which nobody gave to the replica. Another
 * replica can serve, and so can this one once it has it.
 */
export function unknownCommand(name = 'a command', outcome: 'none' | 'unknown' = 'none'): QuorateError {
  return new QuorateError(
    'COMMAND_UNKNOWN',
    `this replica was not opened with ${name}, and can apply nothing more`,
    { outcome, retryable: true },
  )
}

/** The error of what needs the state of a replica that is in quarantine. Another replica can serve. */
export function divergedFrom(
  { revision, isExact, hosts }: Divergence,
  outcome: 'none' | 'unknown' = 'none',
): QuorateError {
  const message = `the states of ${hosts.join(', ')} went their own way ${isExact ? 'at' : 'at or before'} ${revision}`
  return new QuorateError('DIVERGED', message, {
    outcome,
    retryable: true,
    detail: { revision, isExact, hosts },
  })
}

/** Two clusters of one name and secret: what a host of one hears that meets the other. */
export function foreignTo(cluster: string, whom: string, deployment: DeploymentId | undefined): QuorateError {
  const message =
    `${whom} belongs to another founding of cluster ${cluster}. A seed that lost its folder comes back with --join, ` +
    'on an empty one; to join the other cluster, clear the storage of this host'
  return new QuorateError('WRONG_CLUSTER', message, { detail: { deployment } })
}

/** The error of what needs a replica where none runs. */
export function noReplica(group: string): QuorateError {
  return new QuorateError('NOT_MEMBER', `this host has no replica of ${group}`, { retryable: true })
}
