import { type Random, seededRandom } from '../base/random.ts'
import { QuorateError } from '../core/error.ts'

export type DiskOperation = 'load' | 'write' | 'save-snapshot' | 'read-snapshot' | 'save-keys'

export interface MemoryDiskOptions {
  /** Decides what a crash leaves. */
  readonly random?: Random
  /** Bytes of log and snapshots that fit; a write beyond fails as on a full disk. */
  readonly capacityBytes?: number
  /** Resolves when the operation is done: at once, late (a slow disk), or never (one that hangs). */
  readonly delay?: (operation: DiskOperation, bytes: number) => Promise<void>
}

/** Which storage has the disk. One that a crash has ended is `crashed` and stays still for ever. */
export interface DiskOwner {
  crashed: boolean
}

/** A piece of the data of a snapshot. */
export interface StoredChunk {
  readonly bytes: Uint8Array
  readonly crc: number
}

const sectorBytes = 512

/**
 * A disk that outlives the storage that is opened on it, and can do to it what disks do: lose, tear, flip,
 * fail, fill up. For tests and the simulator; nothing here depends on real time or real randomness.
 */
export class MemoryDisk {
  readonly delay: (operation: DiskOperation, bytes: number) => Promise<void>
  readonly snapshots = new Map<number, readonly StoredChunk[]>()
  keys: CryptoKeyPair | undefined
  owner: DiskOwner | undefined
  /** The record that is being written: durable, torn or lost when the process crashes now. */
  inFlight: Uint8Array | undefined
  private readonly random: Random
  private readonly capacityBytes: number
  private fault: string | undefined
  private buffer = new Uint8Array(4096)
  private used = 0

  constructor({ random, capacityBytes, delay }: MemoryDiskOptions = {}) {
    this.random = random ?? seededRandom(1)
    this.capacityBytes = capacityBytes ?? Number.POSITIVE_INFINITY
    this.delay = delay ?? (() => Promise.resolve())
  }

  /** The records of the log, durable. A view: an `append` may leave it behind. */
  get log(): Uint8Array {
    return this.buffer.subarray(0, this.used)
  }

  /** Replaces the whole log at once. */
  setLog(bytes: Uint8Array): void {
    this.buffer = Uint8Array.from(bytes)
    this.used = bytes.length
  }

  append(bytes: Uint8Array): void {
    if (this.used + bytes.length > this.buffer.length) {
      const larger = new Uint8Array(2 * (this.used + bytes.length))
      larger.set(this.log)
      this.buffer = larger
    }
    this.buffer.set(bytes, this.used)
    this.used += bytes.length
  }

  /**
   * Ends the process that has the disk: none of its promises settles any more, and what was under way may be
   * torn.
   */
  crash(): void {
    if (this.owner !== undefined) this.owner.crashed = true
    this.owner = undefined
    const record = this.inFlight
    this.inFlight = undefined
    if (record === undefined) return
    const choice = this.random()
    if (choice < 0.3) return
    if (choice < 0.5) this.append(record)
    else if (choice < 0.75) this.append(record.slice(0, Math.floor(this.random() * record.length)))
    else this.append(this.withoutSectors(record))
  }

  /** Flips one bit of the durable log, at the byte or anywhere. */
  flipBit(byte = Math.floor(this.random() * this.used)): void {
    this.log.set([(this.log[byte] ?? 0) ^ (1 << Math.floor(this.random() * 8))], byte)
  }

  /** Lets every write fail from now on, as a broken disk does; `repair` ends that. */
  fail(reason = 'the disk reports an error'): void {
    this.fault = reason
  }

  repair(): void {
    this.fault = undefined
  }

  /** Throws STORAGE_FAILED where so many more bytes cannot be written. */
  admit(bytes: number): void {
    let { used } = this
    for (const chunks of this.snapshots.values()) for (const chunk of chunks) used += chunk.bytes.length
    const reason = this.fault ?? (used + bytes > this.capacityBytes ? 'the disk is full' : undefined)
    if (reason !== undefined) throw new QuorateError('STORAGE_FAILED', `cannot write to memory: ${reason}`)
  }

  /** Every sector of the record was written or not, and holds zeros if not. */
  private withoutSectors(record: Uint8Array): Uint8Array {
    const torn = record.slice()
    let start = 0
    while (start < torn.length) {
      const end = Math.min(torn.length, start + sectorBytes - ((this.used + start) % sectorBytes))
      if (this.random() < 0.5) torn.fill(0, start, end)
      start = end
    }
    return torn
  }
}
