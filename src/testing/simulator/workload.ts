import type { Random } from '../../base/random.ts'
import { isQuorateError } from '../../core/error.ts'
import { viewPageBytes } from '../../core/limits.ts'
import type { GroupId, Revision } from '../../core/types.ts'
import type { Store } from '../../engine/store/store.ts'
import { absent, type CallOptions, type Consistency, type WriteOptions } from '../../engine/types.ts'
import { AttendanceCalls } from './attendance-calls.ts'
import {
  commonCalls,
  extraCalls,
  type Op,
  type SpecialOp,
  sharedKeys,
  specialOps,
  twinKeys,
} from './call-kinds.ts'
import { type Call, Calls, isLinearizable, isOfKey, isRead } from './calls.ts'
import { CountCalls } from './count-calls.ts'
import { Deeds } from './deeds.ts'
import type { Desk, SpecialCall, SpecialCalls, Worker } from './desk.ts'
import { type Answer, Judge, type ScanResult } from './judge.ts'
import { LeaseCalls } from './lease-calls.ts'
import { Lines } from './lines.ts'
import { LockCalls } from './lock-calls.ts'
import type { Oracle } from './oracle.ts'
import { QueueCalls } from './queue-calls.ts'
import type { Scenario } from './scenario.ts'
import { SemaphoreCalls } from './semaphore-calls.ts'
import type { HostLife } from './simulated-host.ts'
import { SnapshotCalls } from './snapshot-calls.ts'
import type { StoreRules } from './store-rules.ts'
import { TableCalls } from './table-calls.ts'
import type { Trace } from './trace.ts'
import { TxnCalls } from './txn-calls.ts'
import { nameOf } from './value-names.ts'
import type { Report } from './violation.ts'
import type { VirtualTimers } from './virtual-timers.ts'

/** Clients at all stores: each calls, waits for the answer, thinks, and calls again. */
export class Workload implements Desk {
  readonly calls: Calls
  readonly deeds: Deeds
  readonly timers: VirtualTimers
  readonly random: Random
  readonly report: Report
  readonly oracleOf: (group: GroupId) => Oracle
  readonly leasesOf: Desk['leasesOf']
  readonly commandAt: Desk['commandAt']
  isStopped = false
  private readonly judgeOf: Judge
  private readonly scenario: Scenario
  private readonly rules: StoreRules
  private readonly counts: CountCalls
  private readonly lines: Lines
  private readonly queues: QueueCalls
  private readonly tables: TableCalls
  private readonly special: Readonly<Record<SpecialOp, SpecialCalls>>
  /** Keys are worked on by more than one kind of calls. */
  private readonly isShared: boolean
  private readonly choices: readonly (readonly [Op, number])[]
  /** What each store was told: nothing that it reads for its session may be older. */
  private readonly seen = new WeakMap<Store, Revision>()
  private clients = 0
  private values = 0

  constructor(parts: {
    readonly timers: VirtualTimers
    readonly random: Random
    readonly scenario: Scenario
    readonly trace: Trace
    readonly report: Report
    readonly rules: StoreRules
    readonly oracleOf: (group: GroupId) => Oracle
    readonly leasesOf: Desk['leasesOf']
    readonly commandAt: Desk['commandAt']
  }) {
    const { timers, trace, scenario } = parts
    this.calls = new Calls(timers, trace)
    this.judgeOf = new Judge(parts)
    this.timers = timers
    this.random = parts.random
    this.scenario = scenario
    this.rules = parts.rules
    this.report = parts.report
    this.oracleOf = parts.oracleOf
    this.leasesOf = parts.leasesOf
    this.commandAt = parts.commandAt
    this.deeds = new Deeds(parts)
    const txn = new TxnCalls(this)
    const count = new CountCalls(this)
    const view = new SnapshotCalls(this, count)
    this.counts = count
    const lease = new LeaseCalls(this)
    this.lines = new Lines(this)
    const lock = new LockCalls(this, this.lines)
    const attendance = new AttendanceCalls(this, this.lines)
    this.queues = new QueueCalls(this, this.lines)
    this.tables = new TableCalls(this)
    this.special = {
      ...{ txn, command: txn, count, view, transact: view, lease, leased: lease, lock, fenced: lock },
      ...{ semaphore: new SemaphoreCalls(this, this.lines), election: attendance, presence: attendance },
      ...{ queue: this.queues, table: this.tables },
    }
    this.isShared = scenario.extraCalls.some(isSpecial)
    const extra = scenario.extraCalls.map(op => [op, extraCalls[op]] as const)
    this.choices = [...(Object.entries(commonCalls) as [Op, number][]), ...extra]
  }

  /** Lets clients work at a store that was opened. */
  attach(life: HostLife, store: Store): void {
    for (let i = 0; i < this.scenario.workersPerStore; i++) this.think(this.worker(life, store))
  }

  /** No new calls. Those that are under way come to their end. */
  stop(): void {
    this.isStopped = true
  }

  ended(life: HostLife): void {
    this.calls.ended(life)
  }

  /** Judges what was answered, by effects that are known now. */
  judge(): void {
    for (const group of this.scenario.groups) {
      this.deeds.judge(group)
      this.counts.judge(group)
      this.lines.judge(group)
      this.queues.judge(group)
      this.tables.judge(group)
      this.leasesOf(group)?.judge()
    }
    for (const call of this.calls.takeAnswered()) this.judgeOf.judge(call)
  }

  /** One write at a store; resolves when it is answered. */
  async writeOnce(life: HostLife, store: Store, deadlineMs: number): Promise<void> {
    const key = this.key()
    const name = this.name(life, 'w')
    const worker = this.worker(life, store)
    const promise = store.put(key, this.full(name), { deadlineMs })
    this.follow(worker, this.begin(worker, 'put', key, [name]), promise)
    await promise
  }

  /** Nobody has a claim to any item any more: what is in the queue of the group is taken, and what comes as well. */
  async emptyQueue(stores: readonly { readonly life: HostLife; readonly store: Store }[]): Promise<void> {
    if (!this.scenario.extraCalls.includes('queue') || stores.length === 0) return
    const [taker, pusher] = [this.pick(stores), this.pick(stores)].map(({ life, store }) =>
      this.worker(life, store),
    )
    if (taker !== undefined && pusher !== undefined) await this.queues.empty(taker, pusher)
  }

  async make(
    worker: Worker,
    { op, key = '', args, judge }: SpecialCall,
    start: () => Promise<unknown>,
  ): Promise<void> {
    if (worker.life.isOver) return
    const call = this.begin(worker, op, key, args, judge)
    try {
      this.calls.settle(call, 'ok', 'ok', await start())
    } catch (error) {
      this.failed(call, error)
    }
  }

  pause(ms: number): Promise<void> {
    return new Promise(resolve => void this.timers.after(ms, () => resolve()))
  }

  below(max: number): number {
    return Math.floor(this.random() * max)
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  /** Some calls are given up early. */
  bounds(): CallOptions {
    const choice = this.random()
    if (choice < 0.04) {
      const ending = new AbortController()
      this.timers.after(this.random() * 500, () => ending.abort(aborted))
      return { signal: ending.signal }
    }
    return choice < 0.08 ? { deadlineMs: 1 + this.below(500) } : {}
  }

  private worker(life: HostLife, store: Store): Worker {
    return { client: `c${++this.clients}`, life, store, lastSeen: new Map() }
  }

  private think(worker: Worker): void {
    const { life, store } = worker
    const ms = this.random() * 2 * this.scenario.thinkMs
    this.timers.after(ms, () => {
      const isOpen = !life.isOver && life.failure === undefined && life.stores.get(store.name) === store
      if (!this.isStopped && isOpen) this.call(worker, this.choose())
    })
  }

  private choose(): Op {
    let left = this.random() * this.choices.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [op, weight] of this.choices) {
      left -= weight
      if (left < 0) return op
    }
    return 'put'
  }

  private call(worker: Worker, op: Op): void {
    const { store } = worker
    if (isSpecial(op)) {
      const next = () => this.next(worker)
      const wrong = (error: unknown) => this.report('call', `${op} met ${String(error)}`)
      this.special[op].call(worker, op).then(next, wrong)
      return
    }
    const key = this.key()
    const read = (promise: Promise<unknown>) => this.follow(worker, this.begin(worker, op, key, []), promise)
    switch (op) {
      case 'put':
      case 'insert':
      case 'delete':
      case 'compareAndSwap':
      case 'barrier':
      case 'broadcast':
        return this.write(worker, op, key)
      case 'scan':
      case 'sessionScan':
      case 'staleScan':
        return read(this.scan(store, consistencyOf(op)))
      case 'entry':
      case 'sessionEntry':
      case 'staleEntry':
        return read(this.read(store, key, consistencyOf(op)))
      case 'members':
        return this.members(worker)
      case 'together':
        return this.together(worker)
      case 'request':
        return this.request(worker)
    }
  }

  private write(worker: Worker, op: Op, key: string): void {
    const { store, life, lastSeen } = worker
    const isForbidden = this.scenario.isRuled && this.random() < 0.1
    const name = this.name(life, isForbidden ? 'x' : 'v')
    const value = this.full(name)
    const expected = lastSeen.get(key)
    const isSwap = op === 'compareAndSwap'
    const args = op === 'delete' || op === 'barrier' ? [] : isSwap ? [expected ?? null, name] : [name]
    const call = this.begin(worker, op, key, args)
    const options = this.options(call)
    const before = expected === undefined ? absent : this.full(expected)
    const write = {
      put: () => store.put(key, value, options),
      insert: () => store.insert(key, value, options),
      delete: () => store.delete(key, options),
      compareAndSwap: () => store.compareAndSwap<string>(key, before, value, options),
      barrier: () => store.barrier(options),
      broadcast: () => store.broadcast(key, value, options),
    }[op as 'put' | 'insert' | 'delete' | 'compareAndSwap' | 'barrier' | 'broadcast']
    this.follow(worker, call, write())
  }

  /** Some calls want to hear of the commit. */
  private options(call: Call): WriteOptions {
    const bounds = this.bounds()
    if (this.random() > 0.3) return bounds
    const onCommitted = (revision: Revision) => {
      if (call.committed !== undefined)
        this.report('commit', `${call.args.at(-1)} is told to be committed twice`)
      call.committed = revision
    }
    return { ...bounds, onCommitted }
  }

  private members(worker: Worker): void {
    const call = this.begin(worker, 'members', '', [this.oracleOf(worker.store.name).membersFloor])
    this.follow(worker, call, worker.store.membership())
  }

  /** A transaction. */
  private together(worker: Worker): void {
    const { store, life } = worker
    const names = twinKeys.map(() => this.name(life))
    const call = this.begin(worker, 'together', '', names)
    const success = twinKeys.map(
      (key, at) => ({ type: 'put', key, value: this.full(names[at] ?? '') }) as const,
    )
    this.follow(worker, call, store.txn({ success }, this.options(call)))
  }

  private request(worker: Worker): void {
    const { store, life } = worker
    const id = this.rules.asking(life.owner.id, this.oracleOf(store.name).floor)
    const call = this.begin(worker, 'request', '', [id])
    this.follow(
      worker,
      call,
      store.request('ask', id).then(value => ({ value })),
    )
  }

  private async scan(store: Store, consistency: Consistency): Promise<ScanResult> {
    const entries = await store.scan<string>({ prefix: 'k' }, { consistency })
    return entries.map(({ key, value, modRevision }) => [
      key,
      { value: nameOf(value), revision: modRevision },
    ])
  }

  private async read(store: Store, key: string, promised: Consistency): Promise<Answer> {
    // What a lease promises where clocks are as good as leases need them.
    const mayTrustLease = this.scenario.extraCalls.includes('lease') && promised === 'linearizable'
    const consistency = mayTrustLease && this.random() < 0.5 ? 'lease' : promised
    const entry = await store.entry<string>(key, { consistency })
    return { value: entry?.value ?? null, modRevision: entry?.modRevision ?? 0 }
  }

  /** A name that no other value has. */
  name(life: HostLife, kind: 'v' | 'w' | 'x' | 'f' = 'v'): string {
    const name = `${kind}${++this.values}`
    this.rules.writing(name, life.owner.id)
    return name
  }

  /** A value of that name, as long as the scenario has them. */
  full(name: string): string {
    const { valueBytes } = this.scenario
    return valueBytes === 0 ? name : `${name}.${'x'.repeat(valueBytes)}`
  }

  long(name: string): string {
    return this.random() < longRate ? `${name}.${longText}` : this.full(name)
  }

  private begin(
    worker: Worker,
    op: Op,
    key: string,
    args: readonly unknown[],
    judge?: (call: Call) => void,
  ): Call {
    const { client, life, store } = worker
    const group = store.name
    const { floor } = this.oracleOf(group)
    const seen = this.seen.get(store) ?? 0
    return this.calls.begin(life, { client, group, op, key, args, floor, seen, judge })
  }

  private follow(worker: Worker, call: Call, promise: Promise<unknown>): void {
    promise.then(
      result => {
        const named = withName(result)
        if (this.calls.settle(call, 'ok', 'ok', named)) this.learn(worker, call, named)
        this.next(worker)
      },
      error => {
        this.failed(call, error)
        this.next(worker)
      },
    )
  }

  private next(worker: Worker): void {
    if (!this.isStopped && worker.life.failure === undefined) this.think(worker)
  }

  private failed(call: Call, error: unknown): void {
    const isKnown = isQuorateError(error)
    if (!isKnown && error !== aborted) this.report('call', `${call.op} failed with ${String(error)}`)
    const isUnknown = !(isKnown && error.outcome === 'none') && !isRead(call)
    call.error = error
    this.calls.settle(call, isUnknown ? 'unknown' : 'fail', isKnown ? error.code : 'aborted')
  }

  /** What the worker and its store know from an answer on. */
  private learn({ store, lastSeen }: Worker, call: Call, result: unknown): void {
    const { value, revision = 0, modRevision = 0 } = result as Answer
    const isOfOne = isOfKey(call) || call.op.endsWith('Entry')
    if (typeof value === 'string') lastSeen.set(call.key, value)
    else if (isOfOne && call.op !== 'put') lastSeen.delete(call.key)
    if (call.op === 'members' || call.op === 'request') return
    const scanned = Array.isArray(result) ? (result as ScanResult).map(([, item]) => item.revision) : []
    const floor = isLinearizable(call) ? call.floor : 0
    const seen = Math.max(this.seen.get(store) ?? 0, floor, revision, modRevision, ...scanned)
    if (!call.op.startsWith('stale')) this.seen.set(store, seen)
  }

  private key(): string {
    if (this.isShared && this.random() < 0.2) return this.pick(sharedKeys)
    return `k${Math.floor(this.random() * this.scenario.keys)}`
  }
}

function isSpecial(op: Op): op is SpecialOp {
  return (specialOps as readonly Op[]).includes(op)
}

const longRate = 0.05

/** A third of a page of a scan, and a little more. */
const longText = 'x'.repeat(Math.ceil(viewPageBytes / 3))

/** Why a call was given up. */
const aborted = new Error('given up')

function consistencyOf(op: string): Consistency {
  return op.startsWith('session') ? 'session' : op.startsWith('stale') ? 'stale' : 'linearizable'
}

/** The answer, with the name of the value in its place. */
function withName(result: unknown): unknown {
  const { value } = result as Answer
  return typeof value === 'string' ? { ...(result as Answer), value: nameOf(value) } : result
}
