import { QuorateError } from '../../src/core/error.ts'
import type { Command, Result } from '../../src/core/machine/command.ts'
import { keyInTable } from '../../src/engine/query/table-keys.ts'
import {
  enterCommand,
  keyOf,
  prefixOf,
  type RecipeTable,
  setCommand,
  takeCommand,
} from '../../src/engine/recipes/places.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { encodeArgs } from '../../src/engine/transactions/command.ts'
import type { Fence, WriteOptions } from '../../src/engine/types.ts'
import type { Worker } from '../../src/testing/simulator/desk.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { Lines } from '../../src/testing/simulator/lines.ts'
import { decodeValue, encodeValue } from '../../src/wire/value.ts'
import { Rehearsal } from './rehearsal.ts'

/** Something that is held as the log has it. */
export interface HeldOnMachine extends Fence {
  readonly lease: number
  readonly signal: AbortSignal
  readonly release: () => Promise<void>
}

/** What recipes write, done on one machine in the name of h1: for judges of the simulator. */
export class RecipeStore {
  readonly rehearsal = new Rehearsal()
  readonly lines = new Lines(this.rehearsal)
  private readonly session: number
  private seq = 0

  constructor() {
    this.session = this.rehearsal.apply({ type: 'open-session', host: 'h1' })
  }

  apply(command: Command): { readonly revision: number; readonly result: Result } {
    this.seq += 1
    const within = { session: this.session, seq: this.seq, acked: this.seq - 1 }
    const revision = this.rehearsal.apply(command, within)
    this.lines.judge('main')
    return { revision, result: this.rehearsal.result as Result }
  }

  run(name: string, args: unknown, fence?: Fence): { readonly revision: number; readonly value: unknown } {
    const call = { type: 'call', name, args: encodeArgs(args), now: 0 } as const
    const { revision, result } = this.apply(fence === undefined ? call : fenced(fence, call))
    if (result.type !== 'called') throw new QuorateError('FENCED', '')
    return { revision, value: decodeValue(result.value) }
  }

  lease(): number {
    return this.apply({ type: 'lease-grant', ttlMs: 1000, clock: 0 }).revision
  }

  /** Undefined where it was told that nothing is free. */
  enter(
    table: RecipeTable,
    name: string,
    limit: number | null,
    options: { readonly value?: unknown; readonly waits?: boolean } = {},
  ): HeldOnMachine | undefined {
    const { value = null, waits = true } = options
    const lease = this.lease()
    const entered = this.run(enterCommand, [table, name, limit, value, lease, waits])
    const [why, key] = entered.value as [string, string]
    return why === 'entered' ? this.held(`\0${table}\0${key}`, entered.revision, lease) : undefined
  }

  /** A place that nobody was asked for. */
  forge(table: RecipeTable, name: string, limit: number): HeldOnMachine {
    const revision = this.rehearsal.machine.appliedIndex + 1
    const key = `\0${table}\0${keyOf(prefixOf(name), revision)}`
    this.put(key, ['h1', limit, null])
    return this.held(key, revision, 0)
  }

  take(
    name: string,
    lease: number | null,
  ): { readonly held: HeldOnMachine; readonly value: unknown } | undefined {
    const { value, revision } = this.run(takeCommand, [name, lease])
    if (value === null) return undefined
    const [, claim, item] = value as [string, string, unknown]
    return { held: this.held(`\0$queue\0${claim}`, revision, lease ?? 0), value: item }
  }

  say({ key, token }: Fence, table: RecipeTable, value: unknown): { readonly revision: number } {
    return { revision: this.run(setCommand, [table, keyInTable(key).key, value], { key, token }).revision }
  }

  put(key: string, value: unknown, { fence }: WriteOptions = {}): { readonly revision: number } {
    const put = { type: 'put', key, value: encodeValue(value) } as const
    const { revision, result } = this.apply(fence === undefined ? put : fenced(fence, put))
    if (result.type === 'fenced') throw new QuorateError('FENCED', '')
    return { revision }
  }

  worker(store: Partial<Record<keyof Store, unknown>>): Worker {
    const put = async (key: string, value: unknown, options: WriteOptions) => this.put(key, value, options)
    const txn = async (
      { success }: { readonly success: readonly [{ readonly key: string; readonly value: unknown }] },
      options: WriteOptions,
    ) => this.put(success[0].key, success[0].value, options)
    const worker = this.rehearsal.worker({ put, txn, ...store } as Partial<Store>)
    Object.assign(worker.life, { clock: new HostClock(this.rehearsal.timers) })
    return worker
  }

  private held(key: string, token: number, lease: number): HeldOnMachine {
    const ending = new AbortController()
    const release = async () => {
      ending.abort(new QuorateError('LEASE_LOST', 'the lease was revoked'))
      this.apply({ type: 'lease-revoke', lease })
    }
    return { key, token, lease, signal: ending.signal, release }
  }
}

function fenced({ key, token }: Fence, command: Exclude<Command, { readonly type: 'fenced' }>): Command {
  return { type: 'fenced', key, createRevision: token, command }
}
