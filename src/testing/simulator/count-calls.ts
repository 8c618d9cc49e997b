import type { GroupId, Revision } from '../../core/types.ts'
import type { StoreTransaction } from '../../engine/transactions/store-transaction.ts'
import type { Call } from './calls.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'
import type { Oracle } from './oracle.ts'

/** The counter of `store.increment` and of transactions, and that of the recipe as it stands in the store. */
const countKey = 'n count'
const recipeKey = '\0$counter\0count'

interface Counted {
  readonly revision: Revision
  readonly after: number
}

/** What one group counts at one key. */
interface Tally {
  readonly group: GroupId
  readonly key: string
  judged: number
  sum: number
  /** By what was added, which no other call adds. */
  readonly counted: Map<number, Counted>
  readonly called: Set<number>
  readonly denied: Set<number>
}

/**
 * Counters, to which every call adds another number, by more than one way. So the sums in the log tell which calls
 * counted: each that was confirmed once, each that is unknown once at most, and nothing else.
 */
export class CountCalls implements SpecialCalls {
  private readonly desk: Desk
  private readonly tallies = new Map<string, Tally>()
  private added = 0

  constructor(desk: Desk) {
    this.desk = desk
  }

  async call(worker: Worker): Promise<void> {
    const { desk } = this
    const { store } = worker
    if (desk.random() < 0.5) {
      const by = this.next(store.name, recipeKey)
      const add = async () => (await store.counter('count')).add(by, desk.bounds())
      return this.make(worker, recipeKey, by, add)
    }
    const by = this.next(store.name, countKey)
    await this.make(worker, countKey, by, () => store.increment(countKey, { by, ...desk.bounds() }))
  }

  /** The classic way to lose an update: the number is read, waited with, and written. */
  async transact(worker: Worker): Promise<void> {
    const { desk } = this
    const { store } = worker
    const by = this.next(store.name, countKey)
    const count = async (tx: StoreTransaction) => {
      const value = ((await tx.get<number>(countKey)) ?? 0) + by
      if (desk.random() < 0.5) await desk.pause(desk.below(200))
      tx.put(countKey, value)
      return { ok: true, value }
    }
    await this.make(worker, countKey, by, () => store.transact(count, desk.bounds()))
  }

  /** Judges what was counted since this was asked last. */
  judge(group: GroupId): void {
    for (const key of [countKey, recipeKey]) {
      const tally = this.tallies.get(`${group} ${key}`)
      if (tally !== undefined) this.count(tally, this.desk.oracleOf(group))
    }
  }

  private count(tally: Tally, { changes }: Oracle): void {
    for (; tally.judged < changes.length; tally.judged++) {
      const change = changes[tally.judged]
      if (change?.key !== tally.key) continue
      const after = Number(change.value ?? 0)
      const by = after - tally.sum
      const { revision } = change
      const before = tally.counted.get(by)
      if (!tally.called.has(by))
        this.fail(tally, `${by} was added at ${revision}, which nobody ever asked for`)
      if (before) this.fail(tally, `${by} was added at ${before.revision} and at ${revision}`)
      if (tally.denied.has(by))
        this.fail(tally, `${by} was said to have failed, and was added at ${revision}`)
      tally.counted.set(by, { revision, after })
      tally.sum = after
    }
  }

  private async make(
    worker: Worker,
    key: string,
    by: number,
    start: () => Promise<{ readonly ok: boolean; readonly value: number }>,
  ): Promise<void> {
    const judge = (call: Call) => this.answered(call, this.tallyOf(worker.store.name, key), by)
    await this.desk.make(worker, { op: 'count', args: [key.slice(1), by], judge }, start)
  }

  private answered({ group, outcome, result, floor }: Call, tally: Tally, by: number): void {
    this.judge(group)
    const counted = tally.counted.get(by)
    if (outcome === 'fail') {
      tally.denied.add(by)
      if (counted) this.fail(tally, `${by} is said to have failed, and was added at ${counted.revision}`)
    }
    if (outcome !== 'ok') return
    const { ok, value } = result as { readonly ok: boolean; readonly value: number }
    if (!ok || counted?.after !== value)
      return this.fail(tally, `${by} is said to have made ${value}, and made ${counted?.after}`)
    this.desk.oracleOf(group).acknowledged(counted.revision, floor)
  }

  /** Numbers of both signs, no two of which are alike. */
  private next(group: GroupId, key: string): number {
    this.added += 1
    const by = this.added % 3 === 0 ? -this.added : this.added
    this.tallyOf(group, key).called.add(by)
    return by
  }

  private tallyOf(group: GroupId, key: string): Tally {
    const name = `${group} ${key}`
    let tally = this.tallies.get(name)
    if (tally === undefined) {
      tally = { group, key, judged: 0, sum: 0, counted: new Map(), called: new Set(), denied: new Set() }
      this.tallies.set(name, tally)
    }
    return tally
  }

  private fail({ group, key }: Tally, message: string): void {
    this.desk.report('exactly-once', `${group}: ${key}: ${message}`)
  }
}
