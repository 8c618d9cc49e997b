import type { Random } from '../../base/random.ts'
import type { Command } from '../../core/machine/command.ts'
import type { GroupId, Revision } from '../../core/types.ts'
import type { Store } from '../../engine/store/store.ts'
import type { CallOptions } from '../../engine/types.ts'
import type { SpecialOp } from './call-kinds.ts'
import type { Call } from './calls.ts'
import type { Deeds } from './deeds.ts'
import type { LeaseChecker } from './lease-checker.ts'
import type { Oracle } from './oracle.ts'
import type { HostLife } from './simulated-host.ts'
import type { Report } from './violation.ts'
import type { VirtualTimers } from './virtual-timers.ts'

/** A client at a store: it calls, waits for the answer, thinks, and calls again. */
export interface Worker {
  readonly client: string
  readonly life: HostLife
  readonly store: Store
  /** What the worker read or wrote last, by key: what it expects when it compares and swaps. */
  readonly lastSeen: Map<string, string>
}

/** What a call is, and who judges it. */
export interface SpecialCall {
  readonly op: SpecialOp
  readonly key?: string
  /** What is shown of it. */
  readonly args: readonly unknown[]
  readonly judge: (call: Call) => void
}

/** What those who know how to make calls of one kind need for it. */
export interface Desk {
  readonly timers: VirtualTimers
  readonly random: Random
  readonly report: Report
  readonly oracleOf: (group: GroupId) => Oracle
  readonly deeds: Deeds
  /** What the entry at that revision asked for, where it is known. */
  readonly commandAt: (group: GroupId, revision: Revision) => Command | undefined
  /** Judges leases, where the clocks are good enough for that. */
  readonly leasesOf: (group: GroupId) => LeaseChecker | undefined
  /** No new calls. */
  readonly isStopped: boolean
  /** Makes a call, and follows it to its end, however it ends. Nothing on a host that is gone. */
  make(worker: Worker, call: SpecialCall, start: () => Promise<unknown>): Promise<void>
  /** A name that no other value has; 'f': of one that is written behind a fence. */
  name(life: HostLife, kind?: 'v' | 'f'): string
  /** A value of that name, as long as the scenario has them. */
  full(name: string): string
  /** As `full`; a few of them are so long that a page holds no more than three. */
  long(name: string): string
  /** Some calls are given up early. */
  bounds(): CallOptions
  /** World time passes for the worker, whatever its host does. */
  pause(ms: number): Promise<void>
  below(max: number): number
  pick<Item>(items: readonly Item[]): Item
}

/** Calls of some kinds. Resolves when the worker may go on to the next one. */
export interface SpecialCalls {
  call(worker: Worker, op: SpecialOp): Promise<void>
}
