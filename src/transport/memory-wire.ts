import type { Random } from '../base/random.ts'
import { peerQueueBytesMax } from '../core/limits.ts'
import type { Timers } from './timers.ts'
import type { Lane } from './transport.ts'

/** What a memory network does to frames. Rates are probabilities from 0 to 1, per frame. */
export interface MemoryFaults {
  /** Each frame takes at least this long, and up to `jitterMs` longer; a lane keeps its order all the same. */
  readonly latencyMs: number
  readonly jitterMs: number
  readonly lossRate: number
  /** A duplicate breaks the contract of a transport on purpose: what stands above must bear it. */
  readonly duplicateRate: number
  /** A frame that leaves the order of its lane, and arrives up to `reorderMs` later than the others. */
  readonly reorderRate: number
  readonly reorderMs: number
}

export const noFaults: MemoryFaults = {
  latencyMs: 1,
  jitterMs: 0,
  lossRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
  reorderMs: 0,
}

export interface MemoryWireOptions {
  readonly timers: Timers
  readonly random: Random
  readonly faults: () => MemoryFaults
  /** Whether frames are lost in this direction right now. */
  readonly isCut: () => boolean
  readonly deliver: (lane: Lane, frame: Uint8Array) => void
}

/** One direction of a link in memory: frames that are under way, and what happens to them. */
export class MemoryWire {
  private readonly options: MemoryWireOptions
  // Invariant: a lane's timers are as many as its queued frames. Each one delivers the oldest, whichever frame it was
  // started for, so the order holds however the latencies fall.
  private readonly queues: Record<Lane, Uint8Array[]> = { control: [], log: [], bulk: [] }
  private readonly bytes: Record<Lane, number> = { control: 0, log: 0, bulk: 0 }
  private closed = false

  constructor(options: MemoryWireOptions) {
    this.options = options
  }

  get queuedBytes(): number {
    return this.bytes.control + this.bytes.log + this.bytes.bulk
  }

  /** Takes the frame, which must be the wire's own; false when the lane is full. */
  send(lane: Lane, frame: Uint8Array): boolean {
    if (this.bytes[lane] + frame.length > peerQueueBytesMax) return false
    const { random, faults, isCut } = this.options
    const { lossRate, duplicateRate, reorderRate, reorderMs } = faults()
    if (isCut() || chance(random, lossRate)) return true
    if (chance(random, duplicateRate)) this.deliverLater(lane, frame.slice(), random() * reorderMs)
    if (chance(random, reorderRate)) {
      this.deliverLater(lane, frame, random() * reorderMs)
      return true
    }
    this.queues[lane].push(frame)
    this.bytes[lane] += frame.length
    this.options.timers.after(this.delay(), () => this.deliverOldest(lane))
    return true
  }

  /** Delivers at once what is still under way: the last act of a graceful close. */
  flush(): void {
    for (const lane of ['control', 'log', 'bulk'] as const) {
      while (this.queues[lane].length > 0) this.deliverOldest(lane)
    }
  }

  close(): void {
    this.closed = true
  }

  private delay(): number {
    const { latencyMs, jitterMs } = this.options.faults()
    return jitterMs === 0 ? latencyMs : latencyMs + this.options.random() * jitterMs
  }

  private deliverOldest(lane: Lane): void {
    const frame = this.queues[lane].shift()
    if (frame === undefined) return
    this.bytes[lane] -= frame.length
    this.deliver(lane, frame)
  }

  private deliverLater(lane: Lane, frame: Uint8Array, extraMs: number): void {
    this.options.timers.after(this.delay() + extraMs, () => this.deliver(lane, frame))
  }

  private deliver(lane: Lane, frame: Uint8Array): void {
    if (!this.closed && !this.options.isCut()) this.options.deliver(lane, frame)
  }
}

// A rate of zero draws no number, so that switching a fault on does not change the schedule of all others.
function chance(random: Random, rate: number): boolean {
  return rate > 0 && random() < rate
}
