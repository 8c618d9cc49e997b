import type { Entries } from '../core/raft/entry-list.ts'
import type { Entry, HardState, Snapshot } from '../core/raft/types.ts'
import type { GroupId, Index } from '../core/types.ts'

/**
 * The storage of one host, shared by all its groups. The contract, which `quorate/testing` exports as a suite that
 * every adapter passes:
 *
 * 1. `write` is atomic and durable: when its promise resolves, the whole batch survives a crash of the process and
 *    (where `supports.durable` says so) of the machine; when it never resolves, either all of it survives or nothing.
 * 2. Batches take effect in the order of the calls. A caller need not wait for one before it hands over the next.
 * 3. Any failure is final: the promise rejects with `STORAGE_FAILED`, and so does every later call. Nothing that was
 *    acknowledged before is lost.
 * 4. Damage is never hidden. A torn tail (an unfinished last write) is cut; damage before it makes `load` reject with
 *    `STORAGE_CORRUPT`.
 * 5. One owner at a time: opening storage that another process or tab owns rejects with `STORAGE_LOCKED`.
 * 6. What is handed in is copied or written before the promise resolves, and never changed; what is handed out is
 *    the caller's. The caller does not change what it handed in before the promise settles.
 */
export interface Storage {
  readonly supports: StorageSupport
  /** Reads everything that was stored. Called once, before any other method. */
  load(): Promise<StoredHost>
  write(batch: WriteBatch): Promise<void>
  /**
   * Stores the data of a snapshot; resolves when it is durable. It becomes the group's snapshot only through a later
   * `write` that names it in `GroupWrite.snapshot`; until then `readSnapshot` gives the one before, and an unnamed one
   * is gone after a restart. Storing the same index and term again replaces the unnamed one. A chunk is taken when
   * there is room for it, and chunks may come as slowly as a network brings them: no write waits for them.
   */
  saveSnapshot(group: GroupId, snapshot: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<void>
  /** The data of the group's snapshot, in the chunks in which it was stored, each one verified. */
  readSnapshot(group: GroupId, snapshot: Snapshot): AsyncIterable<Uint8Array>
  /** Forgets all that is stored of a group: log, hard state, snapshot and bootstrap record, atomically. */
  removeGroup(group: GroupId): Promise<void>
  /** The host's key pair, undefined before the first `saveKeys`. */
  loadKeys(): Promise<CryptoKeyPair | undefined>
  saveKeys(keys: CryptoKeyPair): Promise<void>
  /** Waits for the writes under way, then gives the storage up. Idempotent. */
  close(): Promise<void>
}

export interface StorageSupport {
  /** Survives the end of the process. */
  readonly durable: boolean
  /** Refuses a second owner. */
  readonly exclusive: boolean
  /** The key pair need not be extractable to be stored. */
  readonly opaqueKeys: boolean
}

/** Everything that a host had stored when it stopped. */
export interface StoredHost {
  readonly groups: ReadonlyMap<GroupId, StoredGroup>
  /** Small named values of the host: cluster, deployment, hints. */
  readonly values: ReadonlyMap<string, Uint8Array>
}

export interface StoredGroup {
  readonly hardState: HardState
  /** The snapshot that the log stands on, if there is one. */
  readonly snapshot: Snapshot | undefined
  /** Consecutive. The first may lie at or before `snapshot.index`; there is no gap between the two. */
  readonly entries: readonly Entry[]
  /** What the host wrote about its part in the group: opaque here. */
  readonly bootstrap: Uint8Array | undefined
}

/** Everything that has to become durable together, over all groups of the host (group commit). */
export interface WriteBatch {
  readonly groups: ReadonlyMap<GroupId, GroupWrite>
  /** Values to set, or to delete where undefined. */
  readonly values?: ReadonlyMap<string, Uint8Array | undefined>
}

/** Applied in the order of the fields. */
export interface GroupWrite {
  readonly bootstrap?: Uint8Array
  /**
   * Makes a saved snapshot the group's own. Where the log does not hold (snapshot.index, snapshot.term) it is
   * discarded whole; where it does, what lies behind is kept (Raft paper §7).
   */
  readonly snapshot?: Snapshot
  /** Forgets entries up to and including this index. Never beyond the snapshot's index. */
  readonly compactTo?: Index
  /** Appends; entries from the first one's index on that were stored before are overwritten and truncated. */
  readonly entries?: Entries
  readonly hardState?: HardState
}

/**
 * Deflate (RFC 1951), as a platform has it: browsers have it in streams alone, and what a thread of its own does has no
 * place on virtual time. A host without it deflates nothing.
 */
export interface Deflate {
  deflate(bytes: Uint8Array): Promise<Uint8Array>
  /** The reverse. Rejects where that gives more than `bytesMax`, or the bytes are none that were deflated. */
  inflate(bytes: Uint8Array, bytesMax: number): Promise<Uint8Array>
}
