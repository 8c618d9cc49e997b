import type { Snapshot } from '../../core/raft/types.ts'
import type { GroupId } from '../../core/types.ts'
import type { Storage, StoredHost, WriteBatch } from '../../storage/storage.ts'

/** Who hears what a host gives to its disk, and when it is safe there. */
export interface StorageObserver {
  loaded(stored: StoredHost): void
  /** All that is stored of a group is about to be given up. */
  removing(group: GroupId): void
  /** It is gone for good. */
  removed(group: GroupId): void
  writing(batch: WriteBatch): void
  /** Before the host hears of it. */
  written(batch: WriteBatch): void
}

/** A storage that is listened to. */
export class StorageTap implements Storage {
  private readonly storage: Storage
  private readonly observer: StorageObserver

  constructor(storage: Storage, observer: StorageObserver) {
    this.storage = storage
    this.observer = observer
  }

  get supports() {
    return this.storage.supports
  }

  async load(): Promise<StoredHost> {
    const stored = await this.storage.load()
    this.observer.loaded(stored)
    return stored
  }

  write(batch: WriteBatch): Promise<void> {
    this.observer.writing(batch)
    return this.storage.write(batch).then(() => this.observer.written(batch))
  }

  saveSnapshot(group: GroupId, snapshot: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.storage.saveSnapshot(group, snapshot, chunks)
  }

  readSnapshot(group: GroupId, snapshot: Snapshot): AsyncIterable<Uint8Array> {
    return this.storage.readSnapshot(group, snapshot)
  }

  removeGroup(group: GroupId): Promise<void> {
    this.observer.removing(group)
    return this.storage.removeGroup(group).then(() => this.observer.removed(group))
  }

  loadKeys(): Promise<CryptoKeyPair | undefined> {
    return this.storage.loadKeys()
  }

  saveKeys(keys: CryptoKeyPair): Promise<void> {
    return this.storage.saveKeys(keys)
  }

  close(): Promise<void> {
    return this.storage.close()
  }
}
