import { isQuorateError } from '../../core/error.ts'
import type { Revision } from '../../core/types.ts'
import type { StoreTransaction } from '../../engine/transactions/store-transaction.ts'
import type { StoreView } from '../../engine/transactions/store-view.ts'
import type { ScanRange } from '../../engine/types.ts'
import { shown } from '../checkers/transaction-model.ts'
import { valueText } from '../checkers/value.ts'
import { isNamedKey, type SpecialOp, sharedKeys } from './call-kinds.ts'
import type { Call } from './calls.ts'
import type { CountCalls } from './count-calls.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'
import type { Oracle } from './oracle.ts'
import { named } from './txn-calls.ts'

/** Something that was read, and how it was at any revision. */
interface Read {
  readonly what: string
  readonly found: unknown
  /** At another revision the same was there, as far as the reader could tell. */
  readonly at: (oracle: Oracle, revision: Revision) => unknown
}

interface Run {
  /** That everything was read at. */
  readonly revision: Revision
  readonly reads: readonly Read[]
}

type Readable = Pick<StoreView, 'entry' | 'scan' | 'count' | 'get'>

/** Whatever reads many things at one revision: views, and the functions of `store.transact`. */
export class SnapshotCalls implements SpecialCalls {
  private readonly desk: Desk
  private readonly counts: CountCalls

  constructor(desk: Desk, counts: CountCalls) {
    this.desk = desk
    this.counts = counts
  }

  call(worker: Worker, op: SpecialOp): Promise<void> {
    return op === 'view' ? this.view(worker) : this.transact(worker)
  }

  /** One revision is looked at for a while, at more than one place, while others write. */
  private async view(worker: Worker): Promise<void> {
    const { desk } = this
    const { store } = worker
    const consistency = desk.pick(['linearizable', 'linearizable', 'session', 'stale'] as const)
    const look = async (): Promise<Run & { readonly isLocal: boolean }> => {
      const view = await store.read({ consistency, ...desk.bounds() })
      const isLocal = view.local !== undefined
      const { revision } = view
      const reads: Read[] = []
      try {
        for (let left = 2 + desk.below(4); left > 0 && !desk.isStopped; left--) {
          reads.push(await this.read(view))
          await desk.pause(desk.below(300))
        }
      } catch (error) {
        if (isLocal && isQuorateError(error, 'VIEW_EXPIRED'))
          desk.report('view', 'a view of the own replica was let go of')
        throw error
      } finally {
        view.close()
      }
      return { revision, reads, isLocal }
    }
    const judge = (call: Call) => {
      if (call.outcome !== 'ok') return
      const run = call.result as Run
      const floor = consistency === 'linearizable' ? call.floor : consistency === 'session' ? call.seen : 0
      this.judgeRun(call, run, floor)
    }
    await desk.make(worker, { op: 'view', args: [consistency], judge }, look)
  }

  /** Reads something and writes what depends on it: no other may have come between. */
  private async transact(worker: Worker): Promise<void> {
    const { desk } = this
    if (desk.random() < 0.3) return this.counts.transact(worker)
    const name = desk.name(worker.life)
    const isReading = desk.random() < 0.2
    const reads = 1 + desk.below(3)
    let last: Run = { revision: 0, reads: [] }
    const run = async (tx: StoreTransaction): Promise<Run> => {
      const noted: Read[] = []
      last = { revision: tx.revision, reads: noted }
      for (let left = reads; left > 0; left--) {
        noted.push(await this.read(tx))
        if (desk.random() < 0.3) await desk.pause(desk.below(200))
      }
      if (!isReading) tx.put(desk.pick(sharedKeys), desk.full(name))
      return last
    }
    const judge = (call: Call) => {
      const oracle = desk.oracleOf(call.group)
      if (call.outcome === 'fail') oracle.refused(name)
      const at = oracle.placeOf(name)
      if (at === undefined) {
        if (call.outcome !== 'ok') return
        if (!isReading)
          desk.report('lost-write', `${name} is acknowledged, and stands nowhere in ${call.group}`)
        return this.judgeRun(call, last, call.floor)
      }
      this.judgeRun(call, last, call.floor)
      if (call.outcome === 'ok') oracle.acknowledged(at, call.floor)
      for (const { what, at: stateAt } of last.reads) {
        const [before, then] = [stateAt(oracle, last.revision), stateAt(oracle, at - 1)].map(valueText)
        if (before !== then)
          this.fail(
            call,
            `${name} came at ${at}, and ${what} was ${before} at ${last.revision} and ${then} then`,
          )
      }
    }
    const options = desk.bounds()
    await desk.make(worker, { op: 'transact', args: [name], judge }, () =>
      worker.store.transact(run, options),
    )
  }

  /** All of it stood so at one revision, which is as new as it has to be. */
  private judgeRun(call: Call, { revision, reads }: Run, floor: Revision): void {
    const oracle = this.desk.oracleOf(call.group)
    if (revision < floor) this.fail(call, `${call.op} of ${revision} began after ${floor} was known`)
    for (const { what, found, at } of reads) {
      const expected = valueText(at(oracle, revision))
      const told = valueText(found)
      if (told !== expected) this.fail(call, `${what} was ${told} at ${revision}, where ${expected} is right`)
    }
    oracle.floor = Math.max(oracle.floor, revision)
  }

  private async read(from: Readable): Promise<Read> {
    const { desk } = this
    const key = desk.random() < 0.7 ? desk.pick(sharedKeys) : `k${desk.below(3)}`
    const limit = 1 + desk.below(6)
    const isReverse = desk.random() < 0.3
    switch (desk.below(4)) {
      case 0: {
        const found = named(await from.scan({ prefix: 'k shared' }))
        const wants = (other: string) => other.startsWith('k shared')
        return {
          what: 'a scan',
          found,
          at: (oracle, revision) => oracle.itemsAt(revision, wants).map(item => shown(item)),
        }
      }
      case 1: {
        const range: ScanRange = { gte: 'k', lt: 'l', limit, reverse: isReverse }
        const found = named(await from.scan(range))
        const at = (oracle: Oracle, revision: Revision) => {
          const items = oracle.itemsAt(revision, isNamedKey)
          return (isReverse ? items.reverse() : items).slice(0, limit).map(item => shown(item))
        }
        return { what: 'a part of a scan', found, at }
      }
      case 2: {
        const found = await from.count({ gte: 'k', lte: key })
        const wants = (other: string) => isNamedKey(other) && other <= key
        return { what: 'a count', found, at: (oracle, revision) => oracle.itemsAt(revision, wants).length }
      }
      default: {
        const found = named((await from.entry(key)) ?? null)
        return { what: key, found, at: (oracle, revision) => shown(oracle.itemAt(key, revision)) }
      }
    }
  }

  private fail({ group }: Call, message: string): void {
    this.desk.report('serializability', `${group}: ${message}`)
  }
}
