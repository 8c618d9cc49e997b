import type { Random } from '../base/random.ts'
import type { Clock } from '../clock/clock.ts'
import {
  applyBytesMax,
  heldLogBytesMax,
  membersMax,
  silentMs,
  snapshotBytesEvery,
  snapshotEntriesEvery,
  trailingEntries,
} from '../core/limits.ts'
import type { MachineLimits } from '../core/machine/machine.ts'
import type { RaftConfig } from '../core/raft/config.ts'
import type { DeploymentId, HostId } from '../core/types.ts'
import type { Deflate, Storage } from '../storage/storage.ts'
import type { Rendezvous, Transport } from '../transport/transport.ts'

/** What a host is made of: the adapters that a platform, or a test, wires together. */
export interface HostParts {
  readonly id: HostId
  readonly storage: Storage
  readonly transport: Transport
  readonly rendezvous: Rendezvous
  readonly clock: Clock
  readonly random: Random
  /** Where the platform has it: snapshots are deflated, on disk and on their way. */
  readonly deflate?: Deflate | undefined
  /** A new random deployment: 32 hexadecimal digits. */
  readonly newDeployment: () => DeploymentId
}

/** Bounds of `core/limits.ts` that every replica keeps to. */
export type RaftBounds = Pick<
  RaftConfig,
  'appendBytesMax' | 'inflightMessagesMax' | 'inflightBytesMax' | 'uncommittedBytesMax'
>

export interface EngineOptions {
  readonly cluster: string
  /**
   * A member holds a replica of every store it opens; a client works through hosts that do. A witness does so, too, and
   * has a replica that keeps no values.
   */
  readonly role: 'member' | 'client' | 'witness'
  /** How much this host shall lead, from 0: see `HostOptions`. */
  readonly priority: number
  /** Bound of a call that names none. */
  readonly deadlineMs: number
  readonly tickMs: number
  readonly heartbeatTicks: number
  /** The election timeout is drawn between this many ticks and twice as many, anew each time (Raft paper §5.2). */
  readonly electionTicks: number
  /** A group falls asleep when it had nothing to do for so many ticks: more than an election could take. */
  readonly quiesceTicks: number
  /** Longest stretch of applying without a pause: a page must stay responsive. */
  readonly applySliceMs: number
  readonly snapshotEntriesEvery: number
  readonly snapshotBytesEvery: number
  readonly trailingEntries: number
  /** What a leader keeps of its log for followers that need it. */
  readonly heldLogBytesMax: number
  readonly applyBytesMax: number
  /** A leader lets nobody in beyond that, and who was away for so long may have to make room. */
  readonly membersMax: number
  readonly silentMs: number
  /** Bounds of the state machine that tests and simulations set low: alike on all hosts. */
  readonly machine?: Partial<MachineLimits>
  /** Bounds of Raft that tests and simulations set low. */
  readonly raft?: Partial<RaftBounds>
}

/**
 * A leader is given up after 2 to 4 s of silence: a browser tab's timers are late by up to a second as soon as it is
 * hidden, and a seed and its tabs must agree on what silence is.
 */
export const engineDefaults: Omit<EngineOptions, 'cluster'> = {
  role: 'member',
  priority: 1,
  deadlineMs: 10_000,
  tickMs: 100,
  heartbeatTicks: 3,
  electionTicks: 20,
  quiesceTicks: 50,
  applySliceMs: 1,
  snapshotEntriesEvery,
  snapshotBytesEvery,
  trailingEntries,
  heldLogBytesMax,
  applyBytesMax,
  membersMax,
  silentMs,
}
