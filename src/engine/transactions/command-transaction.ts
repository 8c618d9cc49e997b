import type { Revision } from '../../core/types.ts'
import type { KeyRange, ScanRange, StoreEntry } from '../types.ts'

/** What a key goes with. A put that names no lease takes the key off the one it had. */
export interface LeaseOptions {
  /** The lease that the key goes with: it is deleted when the lease is over. See `store.lease`. */
  readonly lease?: number
}

/** What is added, within which bounds. All of it safe integers. */
export interface IncrementOptions {
  /** What is added: an integer. Default 1. */
  readonly by?: number
  /** Bounds of the sum, which stays as it is beyond them. Default: those of safe integers. */
  readonly min?: number
  readonly max?: number
  /** What a key counts as that does not exist. Default 0. */
  readonly initial?: number
}

/** What became of an increment. */
export interface Incremented {
  /** False when the sum would leave its bounds: nothing was written. */
  readonly ok: boolean
  /** The number that stands after the call. */
  readonly value: number
}

/**
 * What a command reads and writes of one table: all of it or nothing, at one revision. Nothing here waits. It sees its
 * own writes. Keys and values are those of `Table`. One command writes at most 10 000 keys and 8 MiB (its caller gets
 * TOO_LARGE), and with leases that are there (LEASE_NOT_FOUND). After the command it writes nothing any more.
 */
export interface CommandTransaction {
  /** Of everything that this command writes. */
  readonly revision: Revision
  /** Undefined where the key does not exist. */
  get<Value = unknown>(key: string): Value | undefined
  /** With what it is known by. What this command wrote has its revision. */
  entry<Value = unknown>(key: string): StoreEntry<Value> | undefined
  has(key: string): boolean
  /** In the order of the keys, as they are at this call. */
  scan<Value = unknown>(range?: ScanRange): StoreEntry<Value>[]
  count(range?: KeyRange): number
  put(key: string, value: unknown, options?: LeaseOptions): void
  /** False, and nothing is written, when the key exists. */
  insert(key: string, value: unknown, options?: LeaseOptions): boolean
  /** False when the key did not exist. */
  delete(key: string): boolean
  /** How many keys were deleted. */
  deleteRange(range: KeyRange): number
  /** Adds to a number. Ends the command with NOT_A_NUMBER where something else stands. */
  increment(key: string, options?: IncrementOptions): Incremented
  /** The same for another table of the store. */
  table(name: string): CommandTransaction
}
