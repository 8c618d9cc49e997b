import type { Revision } from '../core/types.ts'
import type { HostMetrics } from '../engine/metrics.ts'
import type {
  CallOptions,
  ChangeOptions,
  Checked,
  Deleted,
  HostInfo,
  Member,
  MemberList,
  ReadOptions,
  ScanRange,
  StoreEntry,
  StoreStatus,
  WatchEvent,
  WatchRange,
  Written,
} from '../engine/types.ts'

/** What the HTTP API asks of a store. A `Store` is one; a test needs no more than this. */
export interface ServedStore {
  entry(key: string, options?: ReadOptions): Promise<StoreEntry | undefined>
  put(key: string, value: unknown, options?: CallOptions): Promise<Written>
  insert(key: string, value: unknown, options?: CallOptions): Promise<Checked>
  delete(key: string, options?: CallOptions): Promise<Deleted>
  scan(range?: ScanRange, options?: ReadOptions): Promise<readonly StoreEntry[]>
  watch(range?: WatchRange): AsyncIterable<WatchEvent>
  membership(options?: CallOptions): Promise<MemberList>
  promote(hosts: readonly string[], options?: ChangeOptions): Promise<readonly Member[]>
  demote(host: string, options?: ChangeOptions): Promise<readonly Member[]>
  remove(host: string, options?: ChangeOptions): Promise<readonly Member[]>
  setWeights(weights: Readonly<Record<string, number>>, options?: ChangeOptions): Promise<readonly Member[]>
  transferLeadership(host: string, options?: CallOptions): Promise<void>
  status(): StoreStatus
}

/** What the HTTP API asks of a host. */
export interface ServedHost {
  readonly error: { readonly code: string; readonly message: string } | undefined
  info(): HostInfo
  metrics(): HostMetrics
}

/** What the HTTP API tells of the signaling server beside it. */
export interface ServedSignaling {
  hosts(): readonly string[]
  counters(): Readonly<Record<string, number>>
}

/** What stands behind the HTTP API at this moment. */
export type Served =
  | { readonly type: 'starting' }
  | { readonly type: 'signal-only' }
  | { readonly type: 'host'; readonly host: ServedHost; readonly store: ServedStore }

/** Where a watch without any wish begins: right behind what the store has applied now. */
export function nextRevision(status: StoreStatus): Revision | undefined {
  return status.role === 'client' || status.role === 'witness' ? undefined : status.applied + 1
}
