import { isQuorateError } from '../../core/error.ts'
import type { GroupId, Revision } from '../../core/types.ts'
import type { Operation, Txn } from '../../engine/transactions/txn.ts'
import type {
  Consistency,
  Deleted,
  KeyRange,
  ReadOptions,
  ScanRange,
  StoreEntry,
} from '../../engine/types.ts'
import { keyOf, type ModelItem, scanItems, shown, txnOnModel } from '../checkers/transaction-model.ts'
import { valueText } from '../checkers/value.ts'
import type { Call } from './calls.ts'
import type { Deed } from './deeds.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'
import { RangeHistory } from './range-history.ts'
import { named } from './txn-calls.ts'

/** In the last one values are long, so that it is read in pages. */
const tables = ['red', 'blue', 'long'] as const

/** Some are the beginning of others, and some are in another order by code points than by code units. */
const keys = ['a', 'a\0', 'aa', 'a\uffff', 'b', 'b\u{10000}', 'b\ue000', 'c'] as const

/** What is between the keys, before them and behind them, too. */
const bounds = [...keys, '\0', 'a\u0001', 'ab', 'bb', 'd'] as const

const consistencies = ['linearizable', 'linearizable', 'session', 'stale'] as const

/** Named tables: what is written, deleted by ranges, read, counted and read in pages there, as a model has it. */
export class TableCalls implements SpecialCalls {
  private readonly desk: Desk
  private readonly histories = new Map<GroupId, RangeHistory>()
  /** What somebody wants to be deleted, and was not told yet, or never will be. */
  private readonly wishes = new Map<GroupId, Set<Deed>>()
  private readonly judged = new Map<GroupId, number>()

  constructor(desk: Desk) {
    this.desk = desk
  }

  call(worker: Worker): Promise<void> {
    const choice = this.desk.random()
    if (choice < 0.35) return this.put(worker)
    if (choice < 0.55) return this.delete(worker)
    if (choice < 0.7) return this.txn(worker)
    return choice < 0.85 ? this.read(worker) : this.pages(worker)
  }

  /** Judges what was deleted since this was asked last. What was put as well is judged by the names of the values. */
  judge(group: GroupId): void {
    const { changes } = this.desk.oracleOf(group)
    let position = this.judged.get(group) ?? 0
    while (position < changes.length) {
      const revision = changes[position]?.revision ?? 0
      const deleted: string[] = []
      let isPut = false
      for (; changes[position]?.revision === revision; position++) {
        const { key = '', value } = changes[position] ?? {}
        if (!isOfTable(key)) continue
        if (value === null) deleted.push(key)
        else isPut = true
      }
      if (deleted.length > 0 && !isPut) this.judgeDeleted(group, revision)
    }
    this.judged.set(group, position)
  }

  private async put(worker: Worker): Promise<void> {
    const { desk } = this
    const table = desk.pick(tables)
    const key = desk.pick(keys)
    const name = desk.name(worker.life)
    const deed: Deed = {
      concerns: isOfTable,
      run: model => {
        model.put(keyOf(table, key), name)
        return { revision: model.revision }
      },
    }
    desk.deeds.expect([name], deed)
    const judge = (call: Call) => {
      if (call.outcome === 'fail') desk.oracleOf(call.group).refused(name)
      if (call.outcome === 'ok') this.answered(call, deed)
    }
    const value = table === 'long' ? desk.long(name) : desk.full(name)
    const put = () => worker.store.table(table).put(key, value, desk.bounds())
    await desk.make(worker, { op: 'table', args: ['put', table, key, name], judge }, put)
  }

  /** A key, or a range of them. */
  private async delete(worker: Worker): Promise<void> {
    const { desk } = this
    const table = desk.pick(tables)
    const key = desk.pick(keys)
    const range = this.range()
    const isRange = desk.random() < 0.6
    const deed: Deed = {
      concerns: isOfTable,
      run: model => {
        const { revision } = model
        if (!isRange) return { ok: model.state.delete(keyOf(table, key)), revision }
        const found = model.scan(range, table)
        for (const item of found) model.state.delete(item.key)
        return { count: found.length, revision }
      },
    }
    const wishes = this.wishes.get(worker.store.name) ?? new Set()
    this.wishes.set(worker.store.name, wishes.add(deed))
    const judge = (call: Call) => {
      this.judge(call.group)
      if (call.outcome !== 'unknown') wishes.delete(deed)
      if (call.outcome !== 'ok') return
      if (isRange || (call.result as Deleted).ok) return this.answered(call, deed)
      const isAbsent = (items: readonly ModelItem[]) => items.every(item => item.key !== keyOf(table, key))
      if (this.historyOf(call.group).find(call.floor, isAbsent) === undefined)
        this.fail(call.group, `${key} of ${table} was not found, and was there since ${call.floor} was known`)
    }
    const args = ['delete', table, isRange ? JSON.stringify(range) : key]
    await desk.make(worker, { op: 'table', args, judge }, () => {
      const here = worker.store.table(table)
      return isRange ? here.deleteRange(range, desk.bounds()) : here.delete(key, desk.bounds())
    })
  }

  /** Whatever branch is taken puts something, whose name tells it. */
  private async txn(worker: Worker): Promise<void> {
    const { desk } = this
    const names = [desk.name(worker.life), desk.name(worker.life)]
    const table = () => desk.pick(['red', 'blue'])
    const branch = (name: string) => [
      ...Array.from({ length: desk.below(4) }, () => this.operation()),
      { type: 'put', table: table(), key: desk.pick(keys), value: name } as const,
      ...Array.from({ length: desk.below(2) }, () => this.reading()),
    ]
    const compare = {
      table: table(),
      range: this.range(),
      count: desk.below(4),
      is: desk.pick(['<', '=', '>']),
    }
    const [success, failure] = names.map(branch)
    const txn = { compare: [compare], success, failure } as Txn
    const deed: Deed = { concerns: isOfTable, run: model => txnOnModel(model, txn) }
    desk.deeds.expect(names, deed)
    const judge = (call: Call) => {
      if (call.outcome === 'fail') for (const name of names) desk.oracleOf(call.group).refused(name)
      if (call.outcome !== 'ok') return
      const { revision, ...answer } = call.result as { readonly revision: number }
      desk.deeds.answered(call, deed, { revision, answer: named(answer) })
    }
    const start = () => worker.store.txn(txn, desk.bounds())
    await desk.make(worker, { op: 'table', args: ['txn', JSON.stringify(txn)], judge }, start)
  }

  private operation(): Operation {
    const { desk } = this
    const table = desk.pick(['red', 'blue'])
    const key = desk.pick(keys)
    const choice = desk.below(4)
    if (choice === 0) return { type: 'delete', table, key }
    return choice === 1 ? { type: 'deleteRange', table, range: this.range() } : this.reading()
  }

  private reading(): Operation {
    const { desk } = this
    const table = desk.pick(['red', 'blue'])
    if (desk.random() < 0.3) return { type: 'get', table, key: desk.pick(keys) }
    return { type: 'scan', table, range: this.scanRange() }
  }

  /** Tells no revision: it must have been so at one. */
  private async read(worker: Worker): Promise<void> {
    const { desk } = this
    const table = desk.pick(tables)
    const range = this.scanRange()
    const { limit, reverse, ...bounded } = range
    const wanted = Array.from({ length: 1 + desk.below(3) }, () => desk.pick(keys))
    const kind = desk.pick(['scan', 'scan', 'count', 'many'] as const)
    const consistency = desk.pick(consistencies)
    const start = async (): Promise<unknown> => {
      const here = worker.store.table(table)
      const options: ReadOptions = { consistency, ...desk.bounds() }
      if (kind === 'scan') return named(await here.scan(range, options))
      if (kind === 'count') return here.count(bounded, options)
      return named((await here.getMany(wanted, options)).map(value => value ?? null))
    }
    const at = (items: readonly ModelItem[]): unknown => {
      if (kind === 'scan') return scanItems(items, range, table).map(item => shown(item, table))
      if (kind === 'count') return scanItems(items, bounded, table).length
      return wanted.map(key => items.find(item => item.key === keyOf(table, key))?.value ?? null)
    }
    const judge = (call: Call) => {
      if (call.outcome !== 'ok') return
      const told = valueText(call.result)
      const state = this.historyOf(call.group).find(
        floorOf(call, consistency),
        items => valueText(at(items)) === told,
      )
      if (state === undefined) this.fail(call.group, `${kind} of ${table} told ${told}, which never was so`)
    }
    const args = [kind, table, JSON.stringify(kind === 'many' ? wanted : range), consistency]
    await desk.make(worker, { op: 'table', args, judge }, start)
  }

  /** A view, read in pages, while others write. */
  private async pages(worker: Worker): Promise<void> {
    const { desk } = this
    const table = desk.pick(['red', 'long', 'long'] as const)
    const range = this.scanRange()
    const consistency = desk.pick(consistencies)
    const start = async () => {
      const view = await worker.store.read({ consistency, ...desk.bounds() })
      const found: StoreEntry[] = []
      try {
        for await (const entry of view.table(table).iterate(range)) {
          found.push(entry)
          if (desk.random() < 0.2) await desk.pause(desk.below(100))
        }
      } catch (error) {
        if (view.local !== undefined && isQuorateError(error, 'VIEW_EXPIRED'))
          this.fail(worker.store.name, 'a view of the own replica was let go of')
        throw error
      } finally {
        view.close()
      }
      return { revision: view.revision, found: named(found) }
    }
    const judge = (call: Call) => {
      if (call.outcome !== 'ok') return
      const { revision, found } = call.result as { readonly revision: Revision; readonly found: unknown }
      const floor = floorOf(call, consistency)
      if (revision < floor) this.fail(call.group, `pages of ${revision} began after ${floor} was known`)
      const { items } = this.historyOf(call.group).at(revision)
      const expected = valueText(scanItems(items, range, table).map(item => shown(item, table)))
      const told = valueText(found)
      if (told !== expected)
        this.fail(call.group, `pages of ${table} told ${told} at ${revision}, where ${expected} is right`)
    }
    const args = ['pages', table, JSON.stringify(range), consistency]
    await desk.make(worker, { op: 'table', args, judge }, start)
  }

  private answered(call: Call, deed: Deed): void {
    const { revision } = call.result as { readonly revision: Revision }
    this.desk.deeds.answered(call, deed, { revision, answer: call.result })
  }

  /** Somebody must have wanted just that; whoever was answered is judged by the answer. */
  private judgeDeleted(group: GroupId, revision: Revision): void {
    for (const deed of this.wishes.get(group) ?? [])
      if (this.desk.deeds.explains(group, revision, deed)) return
    this.fail(group, `keys were deleted at ${revision}, and nobody wanted just these to be`)
  }

  private range(): KeyRange {
    const { desk } = this
    if (desk.random() < 0.3) return { prefix: desk.pick(['', 'a', 'b', 'aa', 'd']) }
    const names = (['gt', 'gte', 'lt', 'lte'] as const).filter(() => desk.random() < 0.4)
    return Object.fromEntries(names.map(name => [name, desk.pick(bounds)]))
  }

  private scanRange(): ScanRange {
    const { desk } = this
    const limit = desk.random() < 0.5 ? { limit: 1 + desk.below(4) } : {}
    return { ...this.range(), ...limit, ...(desk.random() < 0.4 && { reverse: true }) }
  }

  private historyOf(group: GroupId): RangeHistory {
    const history = this.histories.get(group) ?? new RangeHistory(this.desk.oracleOf(group), isOfTable)
    this.histories.set(group, history)
    return history
  }

  private fail(group: GroupId, message: string): void {
    this.desk.report('table', `${group}: ${message}`)
  }
}

function isOfTable(key: string): boolean {
  return /^\0(red|blue|long)\0/.test(key)
}

function floorOf({ floor, seen }: Call, consistency: Consistency): Revision {
  return consistency === 'linearizable' ? floor : consistency === 'session' ? seen : 0
}
