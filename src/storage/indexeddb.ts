import { entryOf } from '../core/raft/entry-run.ts'
import type { Snapshot } from '../core/raft/types.ts'
import type { GroupId } from '../core/types.ts'
import { GroupCommit } from './group-commit.ts'
import { lockDatabase } from './indexeddb-lock.ts'
import {
  corrupt,
  groupChanges,
  loadRows,
  removalChanges,
  seal,
  unseal,
  valueChanges,
} from './indexeddb-rows.ts'
import { below, IndexedDbStore, type RowChange } from './indexeddb-store.ts'
import { callersOwn, Lifecycle } from './lifecycle.ts'
import { SavedSnapshots } from './saved-snapshots.ts'
import type { Storage, StorageSupport, StoredHost, WriteBatch } from './storage.ts'
import { StoredState, toStoredHost } from './stored-state.ts'

export interface IndexedDbStorageOptions {
  /** Default: that of the page. */
  readonly factory?: IDBFactory
  /** Decides which tab of the profile has the storage. Default: the Web Locks of the page. */
  readonly locks?: LockManager
  /** The release of the database's lock, for whoever has taken it already (`lockDatabase`). */
  readonly release?: () => void
}

/**
 * Opens the storage of a host in the IndexedDB database of that name, and owns it until `close` or the end of
 * the tab. Rejects with STORAGE_LOCKED while another tab has it, with INSECURE_CONTEXT where there are no Web
 * Locks, with UNSUPPORTED where a newer version of this library wrote it.
 */
export async function openIndexedDbStorage(
  name: string,
  options: IndexedDbStorageOptions = {},
): Promise<Storage> {
  const { factory = indexedDB, locks, release = await lockDatabase(name, locks) } = options
  try {
    return new IndexedDbStorage(await IndexedDbStore.open(factory, name), release)
  } catch (error) {
    release()
    throw error
  }
}

/**
 * Chunks of a snapshot go into one transaction up to so many bytes: enough to be fast, few enough to be held.
 */
const transactionBytes = 1024 * 1024
/** Chunks that are read at once. */
const readChunks = 16

class IndexedDbStorage implements Storage {
  readonly supports: StorageSupport = { durable: true, exclusive: true, opaqueKeys: true }
  private readonly store: IndexedDbStore
  private readonly release: () => void
  private readonly lifecycle = new Lifecycle(error => error)
  private readonly saved = new SavedSnapshots()
  private readonly commit: GroupCommit<readonly RowChange[]>
  private readonly state = new StoredState(({ term }) => ({ term }))
  private lastSnapshotId = 0

  constructor(store: IndexedDbStore, release: () => void) {
    this.store = store
    this.release = release
    this.commit = new GroupCommit(changes => store.change(changes.flat()))
  }

  load(): Promise<StoredHost> {
    return this.lifecycle.perform(async () => {
      const entries = new StoredState(entryOf)
      for (const operation of await loadRows(this.store)) {
        entries.apply(operation)
        this.state.apply(operation)
      }
      for (const [group, { snapshot }] of entries.groups) {
        if (snapshot !== undefined) this.saved.name(group, snapshot.snapshot, snapshot.id)
      }
      await this.removeUnnamed(new Set([...entries.groups.values()].map(({ snapshot }) => snapshot?.id)))
      const host = toStoredHost(entries)
      if (host === undefined) throw corrupt('entries are missing')
      return host
    })
  }

  write(batch: WriteBatch): Promise<void> {
    return this.lifecycle.perform(() => {
      const operation = this.state.plan(batch, (group, snapshot) => this.saved.id(group, snapshot))
      const before = new Map([...operation.groups.keys()].map(group => [group, this.state.outline(group)]))
      this.state.apply(operation)
      const changes = valueChanges(operation.values)
      for (const [group, write] of operation.groups) {
        const after = this.state.outline(group)
        if (after !== undefined) changes.push(...groupChanges(group, write, before.get(group), after))
        const { snapshot: named } = write
        if (named === undefined) continue
        changes.push(...snapshotRemovals(this.saved.name(group, named.snapshot, named.id)))
      }
      return this.commit.add(changes)
    })
  }

  saveSnapshot(group: GroupId, snapshot: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.lifecycle.perform(async () => {
      this.lastSnapshotId += 1
      const id = this.lastSnapshotId
      let rows: RowChange[] = []
      let [count, bytes] = [0, 0]
      for await (const chunk of callersOwn(chunks)) {
        rows.push({ type: 'put', key: ['snapshot', id, count], value: seal(writer => writer.raw(chunk)) })
        count += 1
        bytes += chunk.length
        if (bytes < transactionBytes) continue
        await this.commit.add(rows)
        rows = []
        bytes = 0
      }
      rows.push({ type: 'put', key: ['snapshot', id, count], value: count })
      await this.commit.add(rows)
      await this.commit.add(snapshotRemovals(this.saved.add(group, snapshot, id)))
    })
  }

  async *readSnapshot(group: GroupId, snapshot: Snapshot): AsyncGenerator<Uint8Array> {
    const id = this.saved.current(group, snapshot)
    for (let next = 0; ; ) {
      const rows = await this.readChunks(id, next)
      // It may have been replaced, and its rows removed, since the last time.
      this.saved.current(group, snapshot)
      if (rows.length === 0) throw this.lifecycle.fail(corrupt('the end of a snapshot is missing'))
      for (const row of rows) {
        if (row === next) return
        yield this.chunk(row)
        next += 1
      }
    }
  }

  removeGroup(group: GroupId): Promise<void> {
    return this.lifecycle.perform(() => {
      this.state.apply({ type: 'remove-group', group })
      return this.commit.add([...removalChanges(group), ...snapshotRemovals(this.saved.forget(group))])
    })
  }

  loadKeys(): Promise<CryptoKeyPair | undefined> {
    return this.lifecycle.perform(async () => {
      const [keys] = await this.store.values(IDBKeyRange.only(keysKey))
      return keys as CryptoKeyPair | undefined
    })
  }

  saveKeys(keys: CryptoKeyPair): Promise<void> {
    return this.lifecycle.perform(() => this.commit.add([{ type: 'put', key: keysKey, value: keys }]))
  }

  close(): Promise<void> {
    return this.lifecycle.close(async () => {
      this.store.close()
      this.release()
    })
  }

  private async readChunks(id: number, from: number): Promise<unknown[]> {
    try {
      const range = IDBKeyRange.bound(['snapshot', id, from], ['snapshot', id, []], false, true)
      return await this.store.values(range, readChunks)
    } catch (error) {
      throw this.lifecycle.fail(error)
    }
  }

  private chunk(row: unknown): Uint8Array {
    try {
      return unseal(row, reader => reader.raw(reader.left))
    } catch (error) {
      throw this.lifecycle.fail(error)
    }
  }

  private async removeUnnamed(named: ReadonlySet<number | undefined>): Promise<void> {
    const ids = new Set<number>()
    for (const key of await this.store.keys(below('snapshot'))) {
      if (Array.isArray(key) && typeof key[1] === 'number') ids.add(key[1])
    }
    this.lastSnapshotId = Math.max(0, ...ids)
    await this.commit.add(snapshotRemovals([...ids].filter(id => !named.has(id))))
  }
}

const keysKey = ['keys']

function snapshotRemovals(ids: readonly number[]): RowChange[] {
  return ids.map(id => ({ type: 'delete', range: below('snapshot', id) }))
}
