import type { Command } from '../../core/machine/command.ts'
import type { Entry } from '../../core/raft/types.ts'
import type { Index, Revision } from '../../core/types.ts'
import type { Lease } from '../../engine/store/lease.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { decodeProposal, encodeProposal } from '../../wire/proposal-codec.ts'
import type { Oracle } from './oracle.ts'
import type { HostLife } from './simulated-host.ts'
import type { Report } from './violation.ts'
import type { VirtualTimers } from './virtual-timers.ts'

/** Clocks of hosts are this much fast or slow at most, where leases are judged: together less than a tenth. */
export const driftMax = 0.045

/** Late by so much a host may be to hear of anything once it goes on as it should: the timers of a hidden tab. */
const settleMs = 1500

/** The clock of the group is in whole ms. */
const roundingMs = 2

interface Stamp {
  readonly clock: number
  /** The world's time at which the leader logged the entry. */
  readonly atMs: number
}

interface Held {
  readonly ttlMs: number
  /** When it was granted or kept alive last, as the log says. */
  readonly atMs: number
}

/**
 * Leases by the world's time, which no host knows: none may end before its time has passed since it was granted or kept
 * alive for the last time, through all changes of leaders; and no holder may be told so before it knows by itself.
 */
export class LeaseChecker {
  private readonly timers: VirtualTimers
  private readonly report: Report
  private readonly oracle: Oracle
  private readonly entryAt: (index: Index) => Entry | undefined
  private readonly tickMs: number
  private readonly stamps = new Map<string, Stamp>()
  private readonly leases = new Map<number, Held>()
  private readonly sessions = new Map<number, { floor: number; readonly done: Set<number> }>()
  private latest: Stamp | undefined
  private judged: Index = 0

  constructor(parts: {
    readonly timers: VirtualTimers
    readonly report: Report
    readonly oracle: Oracle
    /** The committed entry. */
    readonly entryAt: (index: Index) => Entry | undefined
    readonly tickMs: number
  }) {
    this.timers = parts.timers
    this.report = parts.report
    this.oracle = parts.oracle
    this.entryAt = parts.entryAt
    this.tickMs = parts.tickMs
  }

  /** A leader has just logged it. */
  readonly logged = (entry: Entry): void => {
    const command = leaseCommandOf(entry)
    if (command !== undefined && 'clock' in command)
      this.stamps.set(keyOf(entry), { clock: command.clock, atMs: this.timers.now() })
  }

  /** Judges what was applied since this was asked last. */
  judge(): void {
    while (this.judged < this.oracle.upTo) {
      this.judged += 1
      const entry = this.entryAt(this.judged)
      if (entry === undefined || entry.type !== 'normal' || entry.data.length === 0) continue
      if (!this.isApplied(entry)) continue
      const command = leaseCommandOf(entry)
      if (command !== undefined) this.take(entry.index, command, this.stamps.get(keyOf(entry)))
    }
  }

  /** A store was told that it holds a lease. */
  holds(life: HostLife, lease: Pick<Lease, 'signal'>, ttlMs: number): void {
    const { signal } = lease
    signal.addEventListener('abort', () => {
      const { message } = signal.reason as Error
      if (/gone|over/.test(message) && this.knowsInTime(life, ttlMs))
        this.report('lease', `${life.owner.id} was told of the end of a lease that it held: ${message}`)
    })
  }

  /** Whether a holder knows of the end of its lease before anybody else does: by its own clock, however slow it is. */
  knowsInTime(life: HostLife, ttlMs: number): boolean {
    const { clock } = life
    if (life.isOver || life.isClosing || life.failure !== undefined || !clock.isSteadyFor(settleMs))
      return false
    return (0.9 * ttlMs + 2 * this.tickMs) / clock.slowest < ttlMs / (1 + driftMax)
  }

  /** Not what was logged a second time, nor what its session has given up or closed by then. */
  private isApplied({ data }: Entry): boolean {
    const reader = new ByteReader(data, 1)
    const id = reader.number()
    const seq = reader.number()
    const acked = reader.number()
    if (id === 0) return true
    const session = this.sessions.get(id) ?? { floor: 0, done: new Set() }
    this.sessions.set(id, session)
    session.floor = Math.max(session.floor, data[0] === closeByte ? Number.POSITIVE_INFINITY : acked)
    if (seq <= session.floor || session.done.has(seq)) return false
    session.done.add(seq)
    return true
  }

  private take(index: Index, command: Command, stamp: Stamp | undefined): void {
    if (stamp === undefined) return
    const { clock, atMs } = stamp
    const { latest } = this
    if (latest !== undefined && clock - latest.clock > (atMs - latest.atMs) * (1 + driftMax) + roundingMs)
      this.report('lease', `the group's clock went on by ${clock - latest.clock} in ${atMs - latest.atMs} ms`)
    // Time that was told once must not be given to all leases again.
    if (latest !== undefined && clock < latest.clock)
      this.report('lease', `the group's clock went back from ${latest.clock} to ${clock} at ${index}`)
    this.latest = stamp
    if (command.type === 'lease-grant') this.leases.set(index, { ttlMs: command.ttlMs, atMs })
    else if (command.type === 'expire') this.expired(index, atMs)
    else if (command.type === 'lease-keep-alive') {
      for (const id of command.leases) {
        const lease = this.leases.get(id)
        if (lease !== undefined) this.leases.set(id, { ...lease, atMs })
      }
    }
  }

  /** The keys that went tell which leases ended. */
  private expired(revision: Revision, atMs: number): void {
    const { changes, positionOf } = this.oracle
    for (let at = positionOf(revision); changes[at]?.revision === revision; at++) {
      const { key = '' } = changes[at] ?? {}
      const id = this.oracle.itemAt(key, revision - 1)?.lease ?? 0
      const lease = this.leases.get(id)
      if (lease === undefined) {
        if (id === 0) this.report('lease', `${key} went at ${revision}, and went with no lease`)
        continue
      }
      const passed = atMs - lease.atMs
      if (passed * (1 + driftMax) + roundingMs < lease.ttlMs)
        this.report('lease', `lease ${id} of ${lease.ttlMs} ms ended at ${revision}, after ${passed} ms`)
    }
  }
}

function firstByteOf(command: Command, session = 0): number | undefined {
  return encodeProposal({ session, seq: session, acked: 0, command })[0]
}

const closeByte = firstByteOf({ type: 'close-session' }, 1)

/** Few others have to be decoded. */
const leaseBytes: ReadonlySet<number | undefined> = new Set([
  firstByteOf({ type: 'lease-grant', ttlMs: 1000, clock: 0 }),
  firstByteOf({ type: 'lease-keep-alive', leases: [], clock: 0 }),
  firstByteOf({ type: 'expire', clock: 0 }),
])

function leaseCommandOf({ change, data }: Entry): Command | undefined {
  if (change !== null || !leaseBytes.has(data[0])) return undefined
  return decodeProposal(data).command
}

function keyOf({ term, index }: Entry): string {
  return `${term} ${index}`
}
