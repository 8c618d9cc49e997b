import { seededRandom } from '../../src/base/random.ts'
import type { Command, Result } from '../../src/core/machine/command.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import type { Replica } from '../../src/engine/replica/replica.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { CommandTable } from '../../src/engine/transactions/command-table.ts'
import type { Call } from '../../src/testing/simulator/calls.ts'
import { Deeds } from '../../src/testing/simulator/deeds.ts'
import type { Desk, SpecialCall, Worker } from '../../src/testing/simulator/desk.ts'
import { Oracle } from '../../src/testing/simulator/oracle.ts'
import type { HostLife } from '../../src/testing/simulator/simulated-host.ts'
import { commands } from '../../src/testing/simulator/txn-calls.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { encodeValue } from '../../src/wire/value.ts'

/** One machine, whose effects an oracle sees, and calls whose answers are made up: for judges of the simulator. */
export class Rehearsal implements Desk {
  readonly machine = new Machine({ handlers: new CommandTable(() => commands) })
  readonly timers = new VirtualTimers()
  readonly random = seededRandom(5)
  /** The rules that were found to be broken. */
  readonly broken: string[] = []
  readonly report = (rule: string) => void this.broken.push(rule)
  readonly oracle = new Oracle('main', this.report)
  readonly oracleOf = () => this.oracle
  readonly deeds = new Deeds(this)
  readonly leasesOf: Desk['leasesOf'] = () => undefined
  readonly isStopped = false
  private readonly commands = new Map<number, Command>()
  readonly commandAt = (_group: string, revision: number) => this.commands.get(revision)
  /** Of what was applied last. */
  result: Result | undefined
  private names = 0

  /** Has an entry applied. Returns its revision. */
  apply(command: Command, within = { session: 0, seq: 0, acked: 0 }): number {
    const revision = this.machine.appliedIndex + 1
    this.commands.set(revision, command)
    this.result = this.machine.apply(revision, { ...within, command }).result
    this.oracle.observe({ id: 1, machine: this.machine } as unknown as Replica)
    this.deeds.judge('main')
    return revision
  }

  put(key: string, value: unknown): number {
    return this.apply({ type: 'put', key, value: encodeValue(value) })
  }

  worker(store: Partial<Store>): Worker {
    const life = { owner: { id: 'h1' } } as HostLife
    const whole = { name: 'main', ...store } as unknown as Store
    return { client: 'c1', life, store: whole, lastSeen: new Map() }
  }

  async make(
    worker: Worker,
    { op, key = '', args, judge }: SpecialCall,
    start: () => Promise<unknown>,
  ): Promise<void> {
    const { floor } = this.oracle
    const call: Call = {
      ...{ client: worker.client, group: 'main', op, key, args, floor, seen: 0, judge, call: 0, return: 0 },
      ...{ outcome: 'ok', code: 'ok', result: undefined, error: undefined, committed: undefined },
    }
    try {
      call.result = await start()
    } catch (error) {
      const { outcome, code } = error as { readonly outcome: string; readonly code: string }
      Object.assign(call, { error, code, outcome: outcome === 'none' ? 'fail' : 'unknown' })
    }
    judge(call)
  }

  name(): string {
    this.names += 1
    return `v${this.names}`
  }

  full(name: string): string {
    return name
  }

  long(name: string): string {
    return name
  }

  bounds() {
    return {}
  }

  async pause(): Promise<void> {}

  below(max: number): number {
    return Math.floor(this.random() * max)
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }
}
