/** Stable within a major version. The comment says when it is raised. */
export type ErrorCode =
  | 'NO_LEADER' // no leader was known, or none confirmed itself, before the deadline
  | 'NOT_LEADER' // this host is not (or no longer) the leader of the group
  | 'SYSTEM_BUSY' // a bounded queue is full; try again later
  | 'TIMEOUT' // the deadline passed; nothing was changed
  | 'OUTCOME_UNKNOWN' // a write was handed on, and whether it took effect cannot be known
  | 'CLOSED' // the store or host was closed
  | 'STORAGE_FAILED' // a write to storage failed: this host acknowledges nothing any more
  | 'STORAGE_CORRUPT' // stored data is damaged: the host refuses to start
  | 'STORAGE_LOCKED' // another process or tab owns this storage
  | 'NOT_MEMBER' // this host has no replica of the group, or the named host is no member
  | 'REMOVED' // this host was removed from the group
  | 'LAST_VOTER' // the change would leave the group without a voter
  | 'MEMBERSHIP_PENDING' // another membership change is under way
  | 'MEMBERSHIP_REFUSED' // the change cannot be made; the message says why
  | 'MEMBERSHIP_CONFLICT' // the members are not those any more that the change was made for
  | 'TRANSFER_ABORTED' // the chosen host did not take leadership over
  | 'COMPACTED' // the history asked for is gone; read the present state and go on from there
  | 'SLOW_CONSUMER' // a watcher did not keep up and its buffer is full
  | 'REFUSED' // the leader's `validate` refused the command; the message says why
  | 'REQUEST_UNKNOWN' // the leader has no handler for a request of this name
  | 'REQUEST_FAILED' // the leader's handler failed; what it did before is not undone
  | 'COMMAND_FAILED' // a command threw and left nothing behind; `detail` has its code and data
  | 'COMMAND_UNKNOWN' // the leader, or this replica, was not opened with a command of that name
  | 'CONFLICT' // what a transaction read was changed before it could write, each time it was tried
  | 'VIEW_EXPIRED' // the host that held a view for this one is gone, or let go of it after a while
  | 'DIVERGED' // this replica's state is not what a quorum has, or nobody knows who is right: it serves nothing
  | 'FENCED' // the lock that a write names is not held any more; nothing was written
  | 'LEASE_LOST' // a lease is over, or this host could not keep it alive in time
  | 'LEASE_NOT_FOUND' // the lease is over, or never was
  | 'LIMIT_MISMATCH' // a semaphore is held or waited for with another limit; `detail.limit` has it
  | 'TOO_LARGE' // a key, a value or a proposal is above its limit
  | 'UNAUTHORIZED' // the secret is wrong, or an auth hook refused
  | 'WRONG_CLUSTER' // the stored data or the peer belongs to another cluster or deployment
  | 'NOT_FOUNDED' // another host founds the cluster or the store, and has not shown up or opened it yet
  | 'UNREACHABLE' // no seed and no member could be reached
  | 'UNSUPPORTED' // the peer, or who stored the data, runs another version that knows other things
  | 'INTERNAL' // a mistake of this program stopped the host; nothing it acknowledged is lost
  | 'INSECURE_CONTEXT' // the page is neither https nor localhost: no WebCrypto, no Web Locks

/** What is known of the effect of the failed call. */
export type Outcome = 'none' | 'unknown' | 'applied'

export interface QuorateErrorOptions {
  readonly retryable?: boolean
  readonly outcome?: Outcome
  readonly cause?: unknown
  readonly detail?: unknown
}

/**
 * The only error class of this library. A wrong argument is a plain TypeError instead, and an aborted call rejects
 * with its `signal.reason`.
 */
export class QuorateError extends Error {
  override readonly name = 'QuorateError'
  readonly code: ErrorCode
  /** True when the same call may succeed later without any other change. */
  readonly retryable: boolean
  readonly outcome: Outcome
  readonly detail: unknown

  constructor(code: ErrorCode, message: string, options: QuorateErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.outcome = options.outcome ?? 'none'
    this.detail = options.detail
  }
}

/** Whether it is an error of this library, of that code where one is given. */
export function isQuorateError(error: unknown, code?: ErrorCode): error is QuorateError {
  return error instanceof QuorateError && (code === undefined || error.code === code)
}
