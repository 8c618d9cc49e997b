import fs from 'node:fs'
import path from 'node:path'
import type { Snapshot } from '../core/raft/types.ts'
import type { GroupId } from '../core/types.ts'
import { keyFileName, loadKeys, saveKeys } from './file-keys.ts'
import { lockDirectory } from './file-lock.ts'
import { FileLog } from './file-log.ts'
import { corrupt, isLogFile } from './file-segment.ts'
import { isSnapshotFile, SnapshotFiles } from './file-snapshots.ts'
import { makeDirectory, storageError, temporarySuffix } from './file-system.ts'
import { Lifecycle } from './lifecycle.ts'
import { SavedSnapshots } from './saved-snapshots.ts'
import type { Storage, StorageSupport, StoredHost, WriteBatch } from './storage.ts'

export interface FileStorageOptions {
  /** Size at which a file of the log is followed by the next one. Smaller ones are for tests. */
  readonly segmentBytes?: number
}

/**
 * Opens the storage of a host in a directory, which is created where it is missing, and owns it until
 * `close`. Rejects with STORAGE_LOCKED while a living process has it, with STORAGE_FAILED where it cannot be
 * written to.
 */
export async function openFileStorage(directory: string, options: FileStorageOptions = {}): Promise<Storage> {
  const absolute = path.resolve(directory)
  try {
    await makeDirectory(absolute)
    return new FileStorage(absolute, options, await lockDirectory(absolute))
  } catch (error) {
    throw storageError(`cannot keep data in ${absolute}`, error)
  }
}

/** A host's storage as files: a write-ahead log (see `FileLog`), a file per snapshot, and the key pair. */
class FileStorage implements Storage {
  readonly supports: StorageSupport = { durable: true, exclusive: true, opaqueKeys: false }
  private readonly directory: string
  private readonly log: FileLog
  private readonly files: SnapshotFiles
  private readonly saved = new SavedSnapshots()
  private readonly unlock: () => Promise<void>
  private readonly lifecycle: Lifecycle

  constructor(directory: string, { segmentBytes }: FileStorageOptions, unlock: () => Promise<void>) {
    this.directory = directory
    this.lifecycle = new Lifecycle(error => storageError(`cannot use ${directory}`, error))
    this.log = new FileLog(directory, work => this.lifecycle.aside(work), segmentBytes)
    this.files = new SnapshotFiles(directory)
    this.unlock = unlock
  }

  load(): Promise<StoredHost> {
    return this.lifecycle.perform(async () => {
      const files = await fs.promises.readdir(this.directory)
      for (const file of files) {
        if (file.endsWith(temporarySuffix)) await fs.promises.rm(path.join(this.directory, file))
      }
      // The log is the first thing that a new host makes. A host that lost it has lost its votes, and must
      // not go on under its old name as if it had never voted.
      if (!files.some(isLogFile) && files.some(file => file === keyFileName || isSnapshotFile(file)))
        throw corrupt(this.directory, 0, 'the log is missing')
      const { host, named } = await this.log.recover()
      await this.files.recover(new Set([...named.values()].map(({ id }) => id)))
      for (const [group, { snapshot, id }] of named) this.saved.name(group, snapshot, id)
      return host
    })
  }

  write(batch: WriteBatch): Promise<void> {
    return this.lifecycle.perform(() => {
      const operation = this.log.plan(batch, (group, snapshot) => this.saved.id(group, snapshot))
      const obsolete: number[] = []
      for (const [group, { snapshot: named }] of operation.groups) {
        if (named !== undefined) obsolete.push(...this.saved.name(group, named.snapshot, named.id))
      }
      const written = this.log.append(operation)
      if (obsolete.length > 0) this.lifecycle.aside(() => written.then(() => this.files.remove(obsolete)))
      return written
    })
  }

  saveSnapshot(group: GroupId, snapshot: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.lifecycle.perform(async () => {
      const id = await this.files.save(group, snapshot, chunks)
      await this.files.remove(this.saved.add(group, snapshot, id))
    })
  }

  async *readSnapshot(group: GroupId, snapshot: Snapshot): AsyncGenerator<Uint8Array> {
    const id = this.saved.current(group, snapshot)
    try {
      yield* this.files.read(id, group, snapshot)
    } catch (error) {
      // It may have been replaced between the two lines above.
      this.saved.current(group, snapshot)
      throw this.lifecycle.fail(error)
    }
  }

  removeGroup(group: GroupId): Promise<void> {
    return this.lifecycle.perform(async () => {
      const obsolete = this.saved.forget(group)
      await this.log.append({ type: 'remove-group', group })
      await this.files.remove(obsolete)
    })
  }

  loadKeys(): Promise<CryptoKeyPair | undefined> {
    return this.lifecycle.perform(() => loadKeys(this.directory))
  }

  saveKeys(keys: CryptoKeyPair): Promise<void> {
    return this.lifecycle.perform(() => saveKeys(this.directory, keys))
  }

  close(): Promise<void> {
    return this.lifecycle.close(async () => {
      try {
        await this.log.close()
      } finally {
        await this.unlock()
      }
    })
  }
}
