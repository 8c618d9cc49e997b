import { QuorateError } from '../core/error.ts'
import type { DeploymentId } from '../core/types.ts'

/** The error of a host or store that was closed. */
export function closed(outcome: 'none' | 'unknown' = 'none', what: 'host' | 'store' = 'host'): QuorateError {
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

/** Two clusters of one name and secret: what a host of one hears that meets the other. */
export function foreignTo(cluster: string, whom: string, deployment: DeploymentId | undefined): QuorateError {
  const message =
    `${whom} belongs to another founding of cluster ${cluster}. A seed that lost its folder comes back with --join, ` +
    'on an empty one; to join the other cluster, clear the storage of this host'
  return new QuorateError('WRONG_CLUSTER', message, { detail: { deployment } })
}
