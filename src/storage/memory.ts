import { crc32c } from '../base/checksum.ts'
import { QuorateError } from '../core/error.ts'
import { packed } from '../core/raft/entry-list.ts'
import { entryOf } from '../core/raft/entry-run.ts'
import type { Entry, Snapshot } from '../core/raft/types.ts'
import type { GroupId } from '../core/types.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { GroupCommit } from './group-commit.ts'
import { callersOwn, Lifecycle } from './lifecycle.ts'
import { type DiskOperation, type DiskOwner, MemoryDisk, type StoredChunk } from './memory-disk.ts'
import { readOperation, writeOperation } from './operation-codec.ts'
import { beginRecord, finishRecord, readRecord } from './record.ts'
import { SavedSnapshots } from './saved-snapshots.ts'
import type { Storage, StorageSupport, StoredHost, WriteBatch } from './storage.ts'
import { type Operation, StoredState, toStoredHost } from './stored-state.ts'

export { MemoryDisk }

/**
 * Opens the storage of a host on a disk in memory. Rejects with STORAGE_LOCKED while another one is open on
 * it.
 */
export async function openMemoryStorage(disk = new MemoryDisk()): Promise<Storage> {
  if (disk.owner !== undefined) throw new QuorateError('STORAGE_LOCKED', 'the disk is in use')
  return new MemoryStorage(disk)
}

const salt = 0
/** The log is rewritten when it is twice as long as it was after the last time, and longer than this. */
const rewriteBytesMin = 256 * 1024

/** Keeps the same records as the file adapter, so that the same recovery meets the same crashes. */
class MemoryStorage implements Storage {
  readonly supports: StorageSupport = { durable: false, exclusive: true, opaqueKeys: true }
  private readonly disk: MemoryDisk
  private readonly owner: DiskOwner = { crashed: false }
  private readonly saved = new SavedSnapshots()
  private state = new StoredState(entryOf)
  private sequence = 0
  private rewriteAt = rewriteBytesMin
  private readonly commit = new GroupCommit<Operation>(operations => this.writeRecord(operations))
  private readonly lifecycle = new Lifecycle(error => error)

  constructor(disk: MemoryDisk) {
    this.disk = disk
    disk.owner = this.owner
  }

  load(): Promise<StoredHost> {
    return this.lifecycle.perform(async () => {
      await this.wait('load', this.disk.log.length)
      this.state = this.recover()
      for (const [group, { snapshot }] of this.state.groups) {
        if (snapshot !== undefined) this.saved.name(group, snapshot.snapshot, snapshot.id)
      }
      const named = new Set([...this.state.groups.values()].map(({ snapshot }) => snapshot?.id))
      this.remove([...this.disk.snapshots.keys()].filter(id => !named.has(id)))
      // Read once more, so that the caller's bytes are its own.
      return toStoredHost(this.recover()) ?? damaged('entries are missing')
    })
  }

  write(batch: WriteBatch): Promise<void> {
    return this.lifecycle.perform(async () => {
      const operation = this.state.plan(batch, (group, snapshot) => this.saved.id(group, snapshot))
      const obsolete: number[] = []
      for (const [group, { snapshot: named }] of operation.groups) {
        if (named !== undefined) obsolete.push(...this.saved.name(group, named.snapshot, named.id))
      }
      await this.append(operation)
      this.remove(obsolete)
    })
  }

  saveSnapshot(group: GroupId, snapshot: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.lifecycle.perform(async () => {
      const stored: StoredChunk[] = []
      let size = 0
      for await (const chunk of callersOwn(chunks)) {
        stored.push({ bytes: chunk.slice(), crc: crc32c(chunk) })
        size += chunk.length
      }
      await this.wait('save-snapshot', size)
      this.disk.admit(size)
      const id = Math.max(0, ...this.disk.snapshots.keys()) + 1
      this.disk.snapshots.set(id, stored)
      this.remove(this.saved.add(group, snapshot, id))
    })
  }

  async *readSnapshot(group: GroupId, snapshot: Snapshot): AsyncGenerator<Uint8Array> {
    const stored = this.disk.snapshots.get(this.saved.current(group, snapshot))
    if (stored === undefined) damaged('a snapshot is missing')
    for (const { bytes, crc } of stored) {
      await this.wait('read-snapshot', bytes.length)
      if (crc32c(bytes) !== crc) damaged('a chunk of a snapshot has a wrong checksum')
      yield bytes.slice()
    }
  }

  removeGroup(group: GroupId): Promise<void> {
    return this.lifecycle.perform(async () => {
      const obsolete = this.saved.forget(group)
      await this.append({ type: 'remove-group', group })
      this.remove(obsolete)
    })
  }

  loadKeys(): Promise<CryptoKeyPair | undefined> {
    return this.lifecycle.perform(async () => this.disk.keys)
  }

  saveKeys(keys: CryptoKeyPair): Promise<void> {
    return this.lifecycle.perform(async () => {
      await this.wait('save-keys', 0)
      this.disk.admit(0)
      this.disk.keys = keys
    })
  }

  close(): Promise<void> {
    return this.lifecycle.close(async () => {
      if (this.disk.owner === this.owner) this.disk.owner = undefined
    })
  }

  private remove(ids: readonly number[]): void {
    for (const id of ids) this.disk.snapshots.delete(id)
  }

  private append(operation: Operation): Promise<void> {
    this.state.apply(operation)
    return this.commit.add(operation)
  }

  private async writeRecord(operations: readonly Operation[]): Promise<void> {
    const record = this.record(operations, this.disk.log.length)
    this.disk.admit(record.length)
    this.disk.inFlight = record
    await this.wait('write', record.length)
    this.disk.admit(record.length)
    this.disk.inFlight = undefined
    this.disk.append(record)
    this.sequence += 1
    if (this.disk.log.length > this.rewriteAt) this.rewrite()
  }

  private record(operations: readonly Operation[], offset: number): Uint8Array {
    const writer = new ByteWriter()
    beginRecord(writer)
    for (const operation of operations) writeOperation(writer, operation)
    finishRecord(writer, { offset, sequence: this.sequence, salt })
    return writer.written().slice()
  }

  /** Puts what lives in the log in the place of the log. */
  private rewrite(): void {
    const state = this.recover()
    const operations: Operation[] = [state.checkpoint()]
    for (const [group, { items }] of state.groups) {
      const entries = packed(items.filter(entry => entry !== undefined))
      operations.push({ type: 'carry', group, entries })
    }
    this.sequence = 0
    this.disk.setLog(this.record(operations, 0))
    this.sequence = 1
    this.rewriteAt = Math.max(rewriteBytesMin, 2 * this.disk.log.length)
  }

  /** The state that the records make. Cuts a torn tail, throws STORAGE_CORRUPT on damage. */
  private recover(): StoredState<Entry> {
    const { disk } = this
    const state = new StoredState(entryOf)
    let offset = 0
    for (this.sequence = 0; ; this.sequence++) {
      const reading = readRecord(disk.log, { offset, sequence: this.sequence, salt })
      if (reading.type === 'damaged') damaged(`the log at byte ${offset}: ${reading.reason}`)
      if (reading.type !== 'record') break
      const reader = new ByteReader(reading.payload)
      while (reader.left > 0) state.apply(readOperation(reader))
      offset = reading.end
    }
    disk.setLog(disk.log.subarray(0, offset))
    return state
  }

  /** Never resolves once the disk has crashed: the process that waits is gone. */
  private async wait(operation: DiskOperation, bytes: number): Promise<void> {
    await this.disk.delay(operation, bytes)
    if (this.owner.crashed) await new Promise(() => undefined)
  }
}

function damaged(reason: string): never {
  throw new QuorateError('STORAGE_CORRUPT', `the disk in memory is damaged: ${reason}`)
}
