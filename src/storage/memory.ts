import { crc32c } from '../base/checksum.ts'
import { QuorateError } from '../core/error.ts'
import type { Entry, Snapshot } from '../core/raft/types.ts'
import type { GroupId } from '../core/types.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { GroupCommit } from './group-commit.ts'
import { type DiskOperation, type DiskOwner, MemoryDisk } from './memory-disk.ts'
import { readOperation, writeOperation } from './operation-codec.ts'
import { beginRecord, finishRecord, readRecord } from './record.ts'
import { SavedSnapshots } from './saved-snapshots.ts'
import type { Storage, StorageSupport, StoredHost, WriteBatch } from './storage.ts'
import { type Operation, StoredState, toStoredHost } from './stored-state.ts'

export { MemoryDisk }

/** Opens the storage of a host on a disk in memory. Rejects with STORAGE_LOCKED while another one is open on it. */
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
  private state = new StoredState<Entry>(entry => entry)
  private sequence = 0
  private rewriteAt = rewriteBytesMin
  private readonly commit = new GroupCommit<Operation>(operations => this.writeRecord(operations))
  private failure: unknown
  private closed = false

  constructor(disk: MemoryDisk) {
    this.disk = disk
    disk.owner = this.owner
  }

  async load(): Promise<StoredHost> {
    await this.wait('load', this.disk.log.length)
    this.state = this.recover()
    for (const [group, { snapshot }] of this.state.groups) {
      if (snapshot !== undefined) this.saved.name(group, snapshot.snapshot, snapshot.id)
    }
    const named = new Set([...this.state.groups.values()].map(({ snapshot }) => snapshot?.id))
    for (const id of this.disk.snapshots.keys()) if (!named.has(id)) this.disk.snapshots.delete(id)
    // Read once more, so that the caller's bytes are its own.
    return toStoredHost(this.recover()) ?? damaged('entries are missing')
  }

  async write(batch: WriteBatch): Promise<void> {
    this.refuse()
    const operation = this.state.plan(batch, (group, snapshot) => this.saved.id(group, snapshot))
    const obsolete: number[] = []
    for (const [group, { snapshot: named }] of operation.groups) {
      if (named !== undefined) obsolete.push(...this.saved.name(group, named.snapshot, named.id))
    }
    await this.append(operation)
    for (const id of obsolete) this.disk.snapshots.delete(id)
  }

  async saveSnapshot(group: GroupId, snapshot: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.refuse()
    const stored: { bytes: Uint8Array; crc: number }[] = []
    let size = 0
    for await (const chunk of chunks) {
      stored.push({ bytes: chunk.slice(), crc: crc32c(chunk) })
      size += chunk.length
    }
    await this.wait('save-snapshot', size)
    this.refuse()
    this.guard(() => this.disk.admit(size))
    const id = Math.max(0, ...this.disk.snapshots.keys()) + 1
    this.disk.snapshots.set(id, { group, snapshot, chunks: stored })
    for (const other of this.saved.add(group, snapshot, id)) this.disk.snapshots.delete(other)
  }

  async *readSnapshot(group: GroupId, snapshot: Snapshot): AsyncGenerator<Uint8Array> {
    const stored = this.disk.snapshots.get(this.saved.current(group, snapshot))
    if (stored === undefined) damaged('a snapshot is missing')
    for (const { bytes, crc } of stored.chunks) {
      await this.wait('read-snapshot', bytes.length)
      if (crc32c(bytes) !== crc) damaged('a chunk of a snapshot has a wrong checksum')
      yield bytes.slice()
    }
  }

  async removeGroup(group: GroupId): Promise<void> {
    this.refuse()
    const obsolete = this.saved.forget(group)
    await this.append({ type: 'remove-group', group })
    for (const id of obsolete) this.disk.snapshots.delete(id)
  }

  async loadKeys(): Promise<CryptoKeyPair | undefined> {
    this.refuse()
    return this.disk.keys
  }

  async saveKeys(keys: CryptoKeyPair): Promise<void> {
    this.refuse()
    await this.wait('save-keys', 0)
    this.guard(() => this.disk.admit(0))
    this.disk.keys = keys
  }

  async close(): Promise<void> {
    this.closed = true
    await this.commit.idle()
    if (this.disk.owner === this.owner) this.disk.owner = undefined
  }

  private append(operation: Operation): Promise<void> {
    this.state.apply(operation)
    return this.commit.add(operation)
  }

  private async writeRecord(operations: readonly Operation[]): Promise<void> {
    const record = this.record(operations, this.disk.log.length)
    this.guard(() => this.disk.admit(record.length))
    this.disk.inFlight = record
    await this.wait('write', record.length)
    this.guard(() => this.disk.admit(record.length))
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
      operations.push({ type: 'carry', group, entries: items.filter(entry => entry !== undefined) })
    }
    this.sequence = 0
    this.disk.setLog(this.record(operations, 0))
    this.sequence = 1
    this.rewriteAt = Math.max(rewriteBytesMin, 2 * this.disk.log.length)
  }

  /** The state that the records make. Cuts a torn tail, throws STORAGE_CORRUPT on damage. */
  private recover(): StoredState<Entry> {
    const { disk } = this
    const state = new StoredState<Entry>(entry => entry)
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

  private guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  private refuse(): void {
    if (this.failure !== undefined) throw this.failure
    if (this.closed) throw new QuorateError('CLOSED', 'the storage is closed')
  }
}

function damaged(reason: string): never {
  throw new QuorateError('STORAGE_CORRUPT', `the disk in memory is damaged: ${reason}`)
}
