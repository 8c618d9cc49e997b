import type { Random } from '../../base/random.ts'
import { isQuorateError } from '../../core/error.ts'
import type { GroupId, Revision } from '../../core/types.ts'
import type { Store } from '../../engine/store.ts'
import { absent } from '../../engine/types.ts'
import { nameOf, type Oracle } from './oracle.ts'
import type { Scenario } from './scenario.ts'
import type { HostLife } from './simulated-host.ts'
import type { Trace } from './trace.ts'
import type { Report } from './violation.ts'
import type { VirtualTimers } from './virtual-timers.ts'

/** One call of a client: a line of the history. Times are the world's virtual milliseconds. */
export interface Call {
  readonly client: string
  readonly group: GroupId
  readonly op: string
  readonly key: string
  readonly args: readonly unknown[]
  readonly call: number
  return: number | null
  /** Undefined while it is under way. */
  outcome: 'ok' | 'fail' | 'unknown' | undefined
  result: unknown
  /** What had been answered before it began. */
  readonly floor: Revision
  /** The code of the error it ended with, or 'ok'. */
  code: string
}

interface Worker {
  readonly client: string
  readonly life: HostLife
  readonly store: Store
  /** What the worker read or wrote last, by key: what it expects when it compares and swaps. */
  readonly lastSeen: Map<string, string>
}

type Answer = {
  readonly ok?: boolean
  readonly value?: unknown
  readonly revision?: Revision
  modRevision?: Revision
}

type ScanResult = readonly (readonly [string, { readonly value: string; readonly revision: Revision }])[]

/** Clients at all stores: each calls, waits for the answer, thinks, and calls again. */
export class Workload {
  readonly history: Call[] = []
  private readonly underWay = new Map<Call, HostLife>()
  /** Answered within this event: judged once the event is over, when its effects are known. */
  private answered: Call[] = []
  private readonly timers: VirtualTimers
  private readonly random: Random
  private readonly scenario: Scenario
  private readonly trace: Trace
  private readonly report: Report
  private readonly oracleOf: (group: GroupId) => Oracle
  private isStopped = false
  private clients = 0
  private values = 0

  constructor(parts: {
    readonly timers: VirtualTimers
    readonly random: Random
    readonly scenario: Scenario
    readonly trace: Trace
    readonly report: Report
    readonly oracleOf: (group: GroupId) => Oracle
  }) {
    this.timers = parts.timers
    this.random = parts.random
    this.scenario = parts.scenario
    this.trace = parts.trace
    this.report = parts.report
    this.oracleOf = parts.oracleOf
  }

  /** Lets clients work at a store that was opened. */
  attach(life: HostLife, store: Store): void {
    for (let i = 0; i < this.scenario.workersPerStore; i++) this.think(this.worker(life, store))
  }

  /** No new calls. Those that are under way come to their end. */
  stop(): void {
    this.isStopped = true
  }

  /** The host is gone, and with it all that waited there. */
  ended(life: HostLife): void {
    for (const [call, where] of this.underWay) {
      if (where === life) this.settle(call, isRead(call) ? 'fail' : 'unknown', 'gone')
    }
  }

  get pending(): readonly Call[] {
    return [...this.underWay.keys()]
  }

  /** Judges what was answered, by effects that are known now. */
  judge(): void {
    if (this.answered.length === 0) return
    const calls = this.answered
    this.answered = []
    for (const call of calls) this.judgeCall(call)
  }

  /** One write at a store; resolves when it is answered. */
  async writeOnce(life: HostLife, store: Store, deadlineMs: number): Promise<void> {
    const key = this.key()
    const name = `w${++this.values}`
    const worker = this.worker(life, store)
    const promise = store.put(key, this.full(name), { deadlineMs })
    this.follow(worker, this.begin(worker, 'put', key, [name]), promise)
    await promise
  }

  private worker(life: HostLife, store: Store): Worker {
    return { client: `c${++this.clients}`, life, store, lastSeen: new Map() }
  }

  private think(worker: Worker): void {
    const ms = this.random() * 2 * this.scenario.thinkMs
    this.timers.after(ms, () => {
      if (!this.isStopped && !worker.life.isOver) this.call(worker)
    })
  }

  private call(worker: Worker): void {
    const { store, life } = worker
    const key = this.key()
    const name = `v${++this.values}`
    const value = this.full(name)
    const choice = this.random()
    const expected = worker.lastSeen.get(key)
    const begin = (op: string, ...args: readonly unknown[]) => this.begin(worker, op, key, args)
    if (life.failure !== undefined) return
    if (choice < 0.35) this.follow(worker, begin('put', name), store.put(key, value))
    else if (choice < 0.45) this.follow(worker, begin('insert', name), store.insert(key, value))
    else if (choice < 0.55) this.follow(worker, begin('delete'), store.delete(key))
    else if (choice < 0.7) {
      const call = begin('compareAndSwap', expected ?? null, name)
      const before = expected === undefined ? absent : this.full(expected)
      this.follow(worker, call, store.compareAndSwap<string>(key, before, value))
    } else if (choice < 0.75) this.follow(worker, begin('scan'), this.scan(store))
    else if (choice < 0.95) this.follow(worker, begin('entry'), this.read(store, key, 'linearizable'))
    else this.follow(worker, begin('staleEntry'), this.read(store, key, 'stale'))
  }

  private async scan(store: Store): Promise<unknown> {
    const entries = await store.scan<string>({ prefix: 'k' })
    return entries.map(({ key, value, modRevision }) => [
      key,
      { value: nameOf(value), revision: modRevision },
    ])
  }

  /** A value of that name, as long as the scenario has them. */
  private full(name: string): string {
    const { valueBytes } = this.scenario
    return valueBytes === 0 ? name : `${name}.${'x'.repeat(valueBytes)}`
  }

  private async read(store: Store, key: string, consistency: 'linearizable' | 'stale'): Promise<Answer> {
    const entry = await store.entry<string>(key, { consistency })
    return { value: entry?.value ?? null, modRevision: entry?.modRevision ?? 0 }
  }

  private begin(worker: Worker, op: string, key: string, args: readonly unknown[]): Call {
    const { client, life, store } = worker
    const group = store.name
    const { floor } = this.oracleOf(group)
    const times = { call: this.timers.now(), return: null, outcome: undefined, result: undefined }
    const call: Call = { client, group, op, key, args, ...times, floor, code: '' }
    this.history.push(call)
    this.underWay.set(call, life)
    this.trace.note(life.owner.id, 'call', this.values, () => `${client} ${op} ${key} ${args.join(' ')}`)
    return call
  }

  private follow(worker: Worker, call: Call, promise: Promise<unknown>): void {
    const next = () => {
      if (!this.isStopped && worker.life.failure === undefined) this.think(worker)
    }
    promise.then(
      result => {
        const named = withName(result)
        this.settle(call, 'ok', 'ok', named)
        const { value } = named as Answer
        if (typeof value === 'string') worker.lastSeen.set(call.key, value)
        else if (call.op !== 'put' && call.op !== 'scan') worker.lastSeen.delete(call.key)
        next()
      },
      error => {
        if (!isQuorateError(error)) this.report('call', `${call.op} failed with ${String(error)}`)
        const isUnknown = isQuorateError(error) && error.outcome !== 'none' && !isRead(call)
        this.settle(call, isUnknown ? 'unknown' : 'fail', isQuorateError(error) ? error.code : 'error')
        next()
      },
    )
  }

  private settle(call: Call, outcome: 'ok' | 'fail' | 'unknown', code: string, result?: unknown): void {
    const life = this.underWay.get(call)
    if (life === undefined) return
    this.underWay.delete(call)
    call.outcome = outcome
    call.code = code
    call.return = this.timers.now()
    call.result = result
    this.answered.push(call)
    this.trace.note(life.owner.id, 'return', call.floor, () =>
      [call.client, call.op, call.key, ...call.args, '->', code, JSON.stringify(result) ?? ''].join(' '),
    )
  }

  private judgeCall(call: Call): void {
    const oracle = this.oracleOf(call.group)
    const { key, op, args, floor } = call
    const value = String(args.at(-1))
    if (call.outcome === 'fail' && !isRead(call) && op !== 'delete') oracle.refused(value)
    if (call.outcome !== 'ok') return
    if (op === 'scan') return oracle.scanned(new Map(call.result as ScanResult), floor)
    const { ok = true, revision = 0, modRevision = 0, ...rest } = call.result as Answer
    const found = (rest.value ?? null) as string | null
    switch (op) {
      case 'put':
        oracle.wrote(key, revision, value, floor)
        break
      case 'delete':
        if (ok) oracle.wrote(key, revision, null, floor)
        else oracle.found(key, null, 0, floor)
        break
      case 'insert':
      case 'compareAndSwap': {
        const expected = op === 'insert' ? null : (args[0] as string | null)
        if (!ok) {
          oracle.found(key, found, revision, floor)
          if (found === expected)
            this.report('condition', `${op} of ${key} failed, and found what it expected`)
          break
        }
        const before = oracle.wrote(key, revision, value, floor)
        if (before !== expected)
          this.report('condition', `${op} of ${key} expected ${expected}, and met ${before}`)
        break
      }
      case 'entry':
        oracle.found(key, found, modRevision, floor)
        oracle.floor = Math.max(oracle.floor, modRevision)
        break
      case 'staleEntry':
        oracle.found(key, found, modRevision, 0)
    }
  }

  private key(): string {
    return `k${Math.floor(this.random() * this.scenario.keys)}`
  }
}

function isRead({ op }: Call): boolean {
  return op === 'entry' || op === 'staleEntry' || op === 'scan'
}

/** The answer, with the name of the value in its place. */
function withName(result: unknown): unknown {
  const { value } = result as Answer
  return typeof value === 'string' ? { ...(result as Answer), value: nameOf(value) } : result
}
