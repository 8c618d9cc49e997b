import type { HostId, Index, Revision } from '../types.ts'

/** What one log entry asks of the state machine, and in whose name. */
export interface Proposal {
  /** 0: no session. The command is then applied as often as it is logged. */
  readonly session: SessionId
  /** Number of the command within its session, from 1. A retry carries the number of the first attempt. */
  readonly seq: number
  /** The client has all results with `seq <= acked`, or wants them no more: they may be forgotten. */
  readonly acked: number
  readonly command: Command
}

/** The index of the entry that opened the session. 0: none. */
export type SessionId = Index

/** Values are opaque: encoded bytes, compared as bytes. */
export type Command =
  | { readonly type: 'open-session'; readonly host: HostId }
  | { readonly type: 'close-session' }
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'insert'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: string }
  | CompareAndSwap
  | { readonly type: 'barrier' }
  /** Changes nothing: it is there to be told of, in the order of the log. */
  | { readonly type: 'broadcast'; readonly topic: string; readonly body: Uint8Array }
  | Call
  | LeaseCommand
  | Fenced

/** Runs the handler that is registered under a name, in a transaction of its own. */
export interface Call {
  readonly type: 'call'
  readonly name: string
  readonly args: Uint8Array
  /** The wall clock of the leader that logged it, ms since 1970; 0 until it is logged. */
  readonly now: number
}

/**
 * Does the command only while the key is still what it was when that revision created it: the holder of a lock names
 * the key of the lock, and what it held up too long does nothing any more.
 */
export interface Fenced {
  readonly type: 'fenced'
  readonly key: string
  readonly createRevision: Revision
  readonly command: Exclude<Command, Fenced>
}

/** The index of the entry that granted the lease. */
export type LeaseId = Index

/**
 * `clock` is the group's clock, stamped by the leader that logs the entry; 0 until then. See `Leases`. An expiry ends
 * all leases and sessions whose time is over by then.
 */
export type LeaseCommand =
  | { readonly type: 'lease-grant'; readonly ttlMs: number; readonly clock: number }
  | { readonly type: 'lease-keep-alive'; readonly leases: readonly LeaseId[]; readonly clock: number }
  | { readonly type: 'lease-revoke'; readonly lease: LeaseId }
  | { readonly type: 'expire'; readonly clock: number }

/** Null stands for "absent": as `expected` the key must not exist, as `value` the item is deleted. */
export interface CompareAndSwap {
  readonly type: 'compare-and-swap'
  readonly key: string
  readonly expected: Uint8Array | null
  readonly value: Uint8Array | null
}

/** The answer to a command. A check that failed is an answer like any other; it changed nothing. */
export type Result =
  | { readonly type: 'session'; readonly session: SessionId }
  /** Of put, barrier, broadcast, close-session, expire: the index of the entry. Of a grant it is the lease, too. */
  | { readonly type: 'written'; readonly revision: Revision }
  | Checked
  /** Of delete and of revoking a lease: whether it existed, and the revision that ended it (0: it did not exist). */
  | { readonly type: 'deleted'; readonly ok: boolean; readonly revision: Revision }
  /** Of a call: what its handler gave. */
  | { readonly type: 'called'; readonly revision: Revision; readonly value: Uint8Array }
  /** Of a call whose handler threw: nothing of it took effect. The same on every replica. */
  | { readonly type: 'failed'; readonly code: string; readonly detail: Uint8Array | null }
  /** Of keeping leases alive: those that are over, in the order they were asked for. */
  | { readonly type: 'kept'; readonly gone: readonly LeaseId[] }
  /** The fence did not hold: nothing was done. */
  | { readonly type: 'fenced' }
  /** The session is closed, evicted or was never opened. Nothing was applied; an earlier attempt may be. */
  | { readonly type: 'session-expired' }
  /** The session has forgotten this number. Nothing was applied; an earlier attempt may be. */
  | { readonly type: 'stale' }

/** Of insert and compare-and-swap. */
export interface Checked {
  readonly type: 'checked'
  readonly ok: boolean
  /** Of this write when it wrote; else the `modRevision` of the item that stands, 0 where there is none. */
  readonly revision: Revision
  /** The value after execution; null: absent. */
  readonly value: Uint8Array | null
}
