export { type ErrorCode, isQuorateError, type Outcome, QuorateError } from './core/error.ts'
export type { DeploymentId, GroupId, HostId, Index, ReplicaId, Revision, Term } from './core/types.ts'
export type { Host, StoreOptions } from './engine/host/host.ts'
export type { QuorumRule } from './engine/membership/quorum-rule.ts'
export type { GroupMetrics, HostMetrics } from './engine/metrics.ts'
export type { Attendee } from './engine/recipes/attendance.ts'
export type { Counter, CounterOptions } from './engine/recipes/counter.ts'
export type { Election, Leadership } from './engine/recipes/election.ts'
export type { Holding } from './engine/recipes/holding.ts'
export type { HoldOptions } from './engine/recipes/line.ts'
export type { Lock } from './engine/recipes/lock.ts'
export type { Presence, PresenceRoom } from './engine/recipes/presence.ts'
export type { Message, Queue } from './engine/recipes/queue.ts'
export type { Permit, Semaphore } from './engine/recipes/semaphore.ts'
export type { Lease } from './engine/store/lease.ts'
export type { Live, LiveRange, LiveState } from './engine/store/live.ts'
export type { LogStream } from './engine/store/log-stream.ts'
export type { Store } from './engine/store/store.ts'
export type { Table } from './engine/store/table.ts'
export type { Watch } from './engine/store/watch.ts'
export type { RequestHandler, StoreHooks } from './engine/store-hooks.ts'
export {
  type Command,
  type CommandContext,
  CommandError,
  type Commands,
} from './engine/transactions/command.ts'
export type {
  CommandTransaction,
  Incremented,
  IncrementOptions,
  LeaseOptions,
} from './engine/transactions/command-transaction.ts'
export type { LocalView } from './engine/transactions/local-view.ts'
export type { StoreTransaction } from './engine/transactions/store-transaction.ts'
export type { StoreView } from './engine/transactions/store-view.ts'
export type { TransactOptions } from './engine/transactions/transact.ts'
export type { Compare, Operation, Relation, Txn, TxnResult } from './engine/transactions/txn.ts'
export {
  type Absent,
  absent,
  type Broadcast,
  type BroadcastRange,
  type CallOptions,
  type ChangeOptions,
  type Checked,
  type Consistency,
  type Deleted,
  type Fence,
  type HostEvents,
  type HostInfo,
  type KeyRange,
  type LogEntry,
  type LogRange,
  type Member,
  type MemberList,
  type MemberRole,
  type PutOptions,
  type ReadOptions,
  type ScanRange,
  type StoreCommand,
  type StoreEntry,
  type StoreEvents,
  type StoreHost,
  type StoreStatus,
  type WatchBookmark,
  type WatchEvent,
  type WatchNotice,
  type WatchOptions,
  type WatchRange,
  type WatchReset,
  type WriteOptions,
  type Written,
} from './engine/types.ts'
export type { Storage } from './storage/storage.ts'
export type { Authorize, Path, PeerStatus, Rendezvous, Transport } from './transport/transport.ts'
