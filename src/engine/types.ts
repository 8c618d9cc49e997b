import type { Unsubscribe } from '../base/emitter.ts'
import type { QuorateError } from '../core/error.ts'
import type { DeploymentId, GroupId, HostId, Index, ReplicaId, Revision, Term } from '../core/types.ts'
import type { PeerStatus, TransportCounters } from '../transport/transport.ts'
import type { HostMetrics } from './metrics.ts'

/** How a call may be bounded. */
export interface CallOptions {
  /**
   * Milliseconds after which the call fails with a typed error. Default: the host's `deadlineMs`. Where another host
   * does it for this one (for a client, say) it may fail up to 50 ms earlier, where nothing else could be tried in
   * time: with that host's reason, which says more than that time is over.
   */
  readonly deadlineMs?: number
  /** Ends the wait: the promise rejects with `signal.reason`. A write that was handed on may still take effect. */
  readonly signal?: AbortSignal
}

/** How a write may be bounded, what it depends on, and who hears of it early. */
export interface WriteOptions extends CallOptions {
  /**
   * Told once, with the revision of the write, when this host learns that it is committed: it is in its place for good,
   * and what came of it follows when it is applied here. (Where the group had forgotten this store, because thousands
   * of others wrote since, the write is tried anew at a later revision, and may fail.) Hosts without values, clients
   * that is and witnesses, are not told; nor is any host of a condition that failed and that came within a snapshot.
   */
  readonly onCommitted?: (revision: Revision) => void
  /** Writes only while this lock is held; where it is not, rejects with FENCED, and nothing was written. */
  readonly fence?: Fence
}

/** A lock that is held: its key, and the revision that made the key, which is its fencing token. */
export interface Fence {
  readonly key: string
  readonly token: Revision
}

/** How a put may be bounded, and what its key goes with. */
export interface PutOptions extends WriteOptions {
  /** The lease that the key goes with: it is deleted when the lease is over. */
  readonly lease?: number
}

/**
 * What a read promises.
 * - `linearizable`: it sees every write that was acknowledged anywhere before the call (Raft thesis §6.4). Default.
 * - `session`: it sees this store's own writes, and never goes back behind what this store has seen.
 * - `lease`: as `linearizable`, but a leader that a quorum answered less than half an election timeout ago (1 s by
 *   default) asks nobody again (Raft thesis §6.4.1). That relies on clocks: no voter's runs a third faster than the
 *   leader's, and a machine that slept, and whose clock stood still meanwhile, sees it from its clock on the wall,
 *   which nobody sets back just then. Where they fail, it may miss what another leader confirmed. A leader without
 *   such an answer, or that hands over, stood still or slept, asks a quorum.
 * - `stale`: whatever this replica holds, at once; from a client, whatever the asked replica holds.
 */
export type Consistency = 'linearizable' | 'lease' | 'session' | 'stale'

/** How a read may be bounded, and how fresh it is. */
export interface ReadOptions extends CallOptions {
  readonly consistency?: Consistency
}

/** A range of keys, by UTF-16 code unit. No bound at all: every key. `prefix` excludes the four other bounds. */
export interface KeyRange {
  readonly prefix?: string
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
}

/** A range of keys and how much of it: the first `limit` entries, or the last ones first (`reverse`). */
export interface ScanRange extends KeyRange {
  readonly limit?: number
  readonly reverse?: boolean
}

/** What is watched, and from where. Without key and bounds: every key of the table. */
export interface WatchRange extends KeyRange {
  /** One key alone. Excludes the bounds. */
  readonly key?: string
  /** The first revision to be told of. Default: whatever comes after the call. */
  readonly from?: Revision
  readonly signal?: AbortSignal
}

/** How a watch goes on where it could not, and what it tells besides changes. */
export interface WatchOptions extends WatchRange {
  /**
   * Tells the state of the range first (unless `from` is given), and tells it anew instead of ending where the history
   * is gone (COMPACTED) or the reader did not keep up (SLOW_CONSUMER), as an event of the type 'reset'.
   */
  readonly resync?: boolean
  /** Tells once a second, where nothing else is to tell, how far the watch is: an event of the type 'bookmark'. */
  readonly bookmarks?: boolean
}

/** A key with its value and its history. `Value` is what the caller says it is; nothing checks it. */
export interface StoreEntry<Value = unknown> {
  readonly key: string
  readonly value: Value
  readonly createRevision: Revision
  readonly modRevision: Revision
  /** Writes since the key was created, from 1. */
  readonly version: number
  /** The lease that the key goes with, where there is one. */
  readonly lease?: number
}

/** What an unconditional write gives. */
export interface Written {
  /** Of the entry of the log that made it. */
  readonly revision: Revision
}

/** The answer of a conditional write. A failed condition is an answer, not an error. */
export interface Checked<Value = unknown> {
  readonly ok: boolean
  /** The value after the call; undefined where the key does not exist. */
  readonly value: Value | undefined
  /**
   * The revision that wrote that value. Where the key does not exist after the call: the one at which this call removed
   * it, and 0 where it was not there before.
   */
  readonly revision: Revision
}

/** The answer of a delete. */
export interface Deleted {
  /** False when there was nothing to delete. */
  readonly ok: boolean
  /** That ended it; 0 where there was nothing to delete. */
  readonly revision: Revision
}

/** "No such key", as an expectation or as the next value of compareAndSwap. */
export const absent: unique symbol = Symbol.for('quorate.absent')
/** The type of `absent`. */
export type Absent = typeof absent

/** One change of one key, as it is after the last write of its revision. */
export type WatchEvent<Value = unknown> = {
  readonly key: string
  readonly revision: Revision
  /**
   * The last change of its revision, in the range that is watched. All changes of one revision are told together: who
   * must not act on a part of what was written at once acts when this is true.
   */
  readonly last: boolean
  /** 0 after a delete. */
  readonly createRevision: Revision
  /** Writes since the key was created, from 1; 0 after a delete. */
  readonly version: number
  /** The lease that the key goes with, where there is one. */
  readonly lease?: number
} & ({ readonly type: 'put'; readonly value: Value } | { readonly type: 'delete'; readonly value: undefined })

/** The state of the whole range, in the place of whatever was told before. What changes afterwards follows. */
export interface WatchReset<Value = unknown> {
  readonly type: 'reset'
  /** In the order of their keys. */
  readonly entries: readonly StoreEntry<Value>[]
  readonly revision: Revision
  /**
   * Why: the watch began, or the changes that come next were gone, or more had piled up than is kept for a reader, or a
   * client's gateway had told of another state than the group's.
   */
  readonly cause: 'start' | 'COMPACTED' | 'SLOW_CONSUMER' | 'DIVERGED'
}

/** Nothing else changed in the range up to this revision: watch again from the next one. */
export interface WatchBookmark {
  readonly type: 'bookmark'
  readonly revision: Revision
}

/** What a watch with `resync` or `bookmarks` tells. */
export type WatchNotice<Value = unknown> = WatchEvent<Value> | WatchReset<Value> | WatchBookmark

/** A part of the log. */
export interface LogRange {
  /** The first revision to be told of. Default: whatever comes after the call. */
  readonly from?: Revision
  /** The last one. Default: there is no end. */
  readonly to?: Revision
  readonly signal?: AbortSignal
}

/** A key of that table, or of none. */
export interface KeyInTable {
  readonly table?: string
  readonly key: string
}

/**
 * What a command asks of a store. A transaction, and what is made of one (`increment`, `deleteRange`, a put with a
 * lease), is a command of the name `$txn@1`, whose arguments are a `Txn`: `compare`, `success` and `failure`, each
 * left out or a list of what has a type, a key or a range, and a table where that has a name. What locks and their kin
 * do are commands whose names begin with `$` as well. Values are what the caller gave; nothing checks what they hold.
 */
export type StoreCommand =
  | (KeyInTable & { readonly type: 'put' | 'insert'; readonly value: unknown })
  | (KeyInTable & { readonly type: 'delete' })
  | (KeyInTable & { readonly type: 'compareAndSwap'; readonly expected: unknown; readonly next: unknown })
  | { readonly type: 'broadcast'; readonly topic: string; readonly body: unknown }
  | { readonly type: 'command'; readonly name: string; readonly args: unknown }

/**
 * An entry of the log. A command is here once, in its place, whether its condition held or not: the entries before it
 * tell that. `members` says who was changed, as they are now, and which replicas were removed. `none` is an entry that
 * asks nothing of the store: the first of each leader, a barrier, a session, the second attempt of a command.
 */
export type LogEntry = {
  readonly revision: Revision
  readonly term: Term
  /** The host whose store wrote it, as long as the group remembers: until it has written nothing for a long time. */
  readonly host: HostId | undefined
} & (
  | StoreCommand
  | {
      readonly type: 'members'
      readonly members: readonly Member[]
      readonly removed: readonly ReplicaId[]
    }
  | { readonly type: 'none' }
)

/** A part of the log, of which the broadcasts are told. */
export interface BroadcastRange extends LogRange {
  /** Broadcasts of one topic alone. */
  readonly topic?: string
}

/** A value that every replica was told of, at its place in the log. */
export interface Broadcast<Body = unknown> {
  readonly topic: string
  readonly body: Body
  readonly host: HostId | undefined
  readonly revision: Revision
}

/** Voters decide; learners follow. */
export type MemberRole = 'voter' | 'learner'

/** A host that has a part in the group. */
export interface Member {
  readonly hostId: HostId
  readonly replica: ReplicaId
  /** What the host is now. */
  readonly role: MemberRole
  /**
   * What it shall be. A promoted host stays a learner (a standby) while one more voter would make their number even:
   * an even number tolerates no more failures than the odd one below it, and waits for more acknowledgements.
   */
  readonly wanted: MemberRole
  /**
   * It keeps no values: as a voter it votes and acknowledges, and neither leads nor answers reads. A host is one for
   * life, by `role: 'witness'` when it joins.
   */
  readonly witness: boolean
  /** How much it counts as a voter; more than half of the weight of all voters decides. 1, unless it was set. */
  readonly weight: number
}

/** The members, and the revision of the last change of them. */
export interface MemberList {
  readonly revision: Revision
  readonly members: readonly Member[]
}

/** How a change of members may be bounded. */
export interface ChangeOptions extends CallOptions {
  /**
   * The revision that `store.membership()` had when the change was decided on. It is refused with MEMBERSHIP_CONFLICT
   * when the members changed since; one that stands already is no conflict.
   */
  readonly expectedRevision?: Revision
}

/** What this host knows of a store at this moment. */
export interface StoreStatus {
  readonly group: GroupId
  /**
   * The part of this host: 'client' when it has no replica, 'witness' when its replica keeps no values. Its replica is
   * over when the group 'removed' it, the store or the host was 'closed', or the host 'failed': `host.error` says why.
   */
  readonly role:
    | 'leader'
    | 'follower'
    | 'candidate'
    | 'learner'
    | 'witness'
    | 'client'
    | 'removed'
    | 'closed'
    | 'failed'
  /** A hint: undefined while an election is under way, and where this host hears of none any more. */
  readonly leader: HostId | undefined
  readonly replica: ReplicaId
  readonly term: Term
  readonly commit: Index
  readonly applied: Index
  /** Nothing happened for a while, so the replicas send each other nothing until something does. */
  readonly asleep: boolean
  /** As this replica knows them; `store.members()` asks the group. */
  readonly members: readonly Member[]
  /** Number of keys. */
  readonly keys: number
  /** The command that this replica was not given, and without which it can apply nothing any more. */
  readonly unknownCommand?: string
  /** Replicas have different states, as the latest comparison found. */
  readonly diverged?: Divergence
  /** Other hosts of the group that were opened with other commands than this one. */
  readonly otherCommands?: readonly OtherCommands[]
}

/**
 * Replicas that applied the same log have different states: a command did not do the same on each of them, or memory
 * or storage lied. Such replicas are found by comparing what came of each entry.
 */
export interface Divergence {
  /** The first revision that had different outcomes. */
  readonly revision: Revision
  /** False: it is that one or an earlier one, of which nothing is known any more. */
  readonly isExact: boolean
  /**
   * The hosts whose states differ from what a quorum of the voters has. Where no quorum is known to have the same (a
   * tie, or hosts are away): all that were compared, until there is one.
   */
  readonly hosts: readonly HostId[]
  /**
   * This host is one of them. Its replica is in quarantine: it goes on voting and acknowledging, because its log is
   * right; it neither leads nor answers anything from its state (DIVERGED).
   */
  readonly isQuarantined: boolean
}

/** Names of commands that one of two hosts of a group was opened with and the other one was not. */
export interface OtherCommands {
  readonly hostId: HostId
  /** What the other host has, and this one has not. */
  readonly missingHere: readonly string[]
  /** What this host has, and the other one has not. */
  readonly missingThere: readonly string[]
}

/** What `store.on` tells of. */
export interface StoreEvents {
  /** The leader, or this replica's part, changed. */
  leader: { readonly leader: HostId | undefined; readonly role: StoreStatus['role'] }
  members: readonly Member[]
  /** Entries were applied up to this revision. */
  applied: Revision
}

/** What `host.on` tells of, about all stores of the host. */
export interface HostEvents {
  connected: PeerStatus
  disconnected: { readonly hostId: HostId; readonly reason: string }
  /** The leader of a group, or this host's part in it, changed. `leader` is undefined while none is known. */
  leader: {
    readonly group: GroupId
    readonly leader: HostId | undefined
    readonly role: StoreStatus['role']
    readonly term: Term
  }
  /** The members of a group changed, as this host has applied it. */
  members: { readonly group: GroupId; readonly members: readonly Member[] }
  /** A command of the application threw what is no CommandError, here as on every replica: it did nothing. */
  commandFailed: { readonly group: GroupId; readonly name: string; readonly error: unknown }
  /** States of replicas differ, as this host learned; told anew when it learns more. See `Divergence`. */
  diverged: Divergence & { readonly group: GroupId }
  /** Another host of a group was opened with other commands, or with the same ones as this host again: no names. */
  commandsDiffer: OtherCommands & { readonly group: GroupId }
  /** The host cannot go on: its storage failed, or it belongs to another cluster. Every call fails with this error. */
  error: unknown
  /**
   * A seed or a host of the same cluster, by name and secret, is of another founding (WRONG_CLUSTER): two clusters go
   * on beside each other, and this host has no part in the other one. Usually a seed lost its folder and founded anew.
   */
  foreign: QuorateError
}

/** What this host knows of itself and of the others at this moment. */
export interface HostInfo {
  readonly hostId: HostId
  readonly cluster: string
  readonly deployment: DeploymentId | undefined
  readonly peers: readonly PeerStatus[]
  /** Hosts of the cluster that a seed sees right now, without this one. */
  readonly present: readonly HostId[]
  readonly stores: readonly StoreStatus[]
  /** Frames that were refused or dropped, by reason. */
  readonly counters: TransportCounters
}

/**
 * The host of a store, as the store shows it: all of `Host` but the opening of further stores, for which one keeps the
 * host itself.
 */
export interface StoreHost {
  readonly id: HostId
  readonly cluster: string
  readonly deployment: DeploymentId | undefined
  readonly error: QuorateError | undefined
  info(): HostInfo
  metrics(): HostMetrics
  on<Name extends keyof HostEvents>(name: Name, listener: (event: HostEvents[Name]) => void): Unsubscribe
  ping(peer: HostId, options?: CallOptions): Promise<number>
  reconnect(): void
  handOver(): Promise<void>
  close(): Promise<void>
}
