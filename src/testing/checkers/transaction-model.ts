import type { Compare, NumberTest, Operation, Txn } from '../../engine/transactions/txn.ts'
import type { KeyRange, ScanRange } from '../../engine/types.ts'

/** A key of the model. Its value is a number, or the name of one. */
export interface ModelItem {
  readonly key: string
  readonly value: string | number
  readonly createRevision: number
  readonly modRevision: number
  readonly version: number
  readonly lease: number
}

export type ModelState = ReadonlyMap<string, ModelItem>

/** What came of it: what is answered, and the state after it. */
export interface ModelOutcome {
  /** The code of a failure, which leaves the state as it is. */
  readonly failed?: string
  readonly answer: unknown
  readonly state: ModelState
}

/** Ends what a model does: nothing of it took place. */
export class ModelFailure extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/**
 * A store of one process: what a transaction or a command does when it is alone. Said anew, in the plainest words, so
 * that it shares no mistake with the one under examination. Its keys are those of the store: see `keyOf`.
 */
export class ModelTransaction {
  readonly revision: number
  state: Map<string, ModelItem>

  constructor(state: ModelState, revision: number) {
    this.state = new Map(state)
    this.revision = revision
  }

  put(key: string, value: string | number, lease = 0): void {
    const { revision } = this
    const before = this.state.get(key)
    const isFirst = before?.modRevision !== revision
    this.state.set(key, {
      key,
      value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: before === undefined ? 1 : before.version + (isFirst ? 1 : 0),
      lease,
    })
  }

  scan(range: ScanRange, table = ''): ModelItem[] {
    return scanItems(this.state.values(), range, table)
  }
}

/** Those of a table that are in a range, in the order of the keys, or against it. */
export function scanItems(
  items: Iterable<ModelItem>,
  { limit, reverse, ...range }: ScanRange,
  table = '',
): ModelItem[] {
  const found = [...items].filter(({ key }) => isOf(table, key) && isIn(range, keyIn(table, key)))
  found.sort((left, right) => (left.key < right.key ? -1 : 1))
  if (reverse === true) found.reverse()
  return found.slice(0, limit)
}

/** A key of a table as one of the store; '' is the table without a name. */
export function keyOf(table: string, key: string): string {
  return table === '' ? key : `\0${table}\0${key}`
}

function keyIn(table: string, key: string): string {
  return key.slice(keyOf(table, '').length)
}

function isOf(table: string, key: string): boolean {
  return table === '' ? !key.startsWith('\0') : key.startsWith(keyOf(table, ''))
}

/** Runs something on a copy of the state. */
export function runOnModel(
  state: ModelState,
  revision: number,
  run: (transaction: ModelTransaction) => unknown,
): ModelOutcome {
  const transaction = new ModelTransaction(state, revision)
  try {
    const answer = run(transaction)
    return { answer, state: transaction.state }
  } catch (error) {
    if (!(error instanceof ModelFailure)) throw error
    return { failed: error.code, answer: undefined, state }
  }
}

/** What `store.txn` answers, but for the revision. */
export function txnOnModel(model: ModelTransaction, txn: Txn): unknown {
  const ok = (txn.compare ?? []).every(compare => holds(model, compare))
  const operations = (ok ? txn.success : txn.failure) ?? []
  return { ok, results: operations.map(operation => perform(model, operation)) }
}

function perform(model: ModelTransaction, operation: Operation): unknown {
  const { state } = model
  const { table } = operation
  switch (operation.type) {
    case 'put':
      model.put(keyOf(table ?? '', operation.key), operation.value as string, operation.lease ?? 0)
      return null
    case 'delete':
      return state.delete(keyOf(table ?? '', operation.key))
    case 'deleteRange': {
      const found = model.scan(operation.range, table)
      for (const { key } of found) state.delete(key)
      return found.length
    }
    case 'get':
      return shown(state.get(keyOf(table ?? '', operation.key)), table)
    case 'scan':
      return model.scan(operation.range, table).map(item => shown(item, table))
    case 'increment': {
      const { by = 1, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER, initial = 0 } = operation
      const key = keyOf(table ?? '', operation.key)
      const before = state.get(key)?.value ?? initial
      if (typeof before !== 'number') throw new ModelFailure('NOT_A_NUMBER')
      const sum = before + by
      if (sum < min || sum > max) return { ok: false, value: before }
      model.put(key, sum, state.get(key)?.lease)
      return { ok: true, value: sum }
    }
  }
}

/** As the store shows it, or that table of it. */
export function shown(item: ModelItem | undefined, table = ''): unknown {
  if (item === undefined) return null
  const { lease, ...entry } = { ...item, key: keyIn(table, item.key) }
  return lease === 0 ? entry : { ...entry, lease }
}

function holds(model: ModelTransaction, compare: Compare): boolean {
  if ('range' in compare) {
    const found = model.scan(compare.range, compare.table)
    if ('count' in compare) return relates(found.length, compare.is, compare.count)
    return found.every(item => numberHolds(item, compare))
  }
  const item = model.state.get(keyOf(compare.table ?? '', compare.key))
  if ('exists' in compare) return (item !== undefined) === compare.exists
  if ('value' in compare) return (item?.value === compare.value) !== (compare.is === '!=')
  return numberHolds(item, compare)
}

function numberHolds(item: ModelItem | undefined, compare: NumberTest): boolean {
  if ('createRevision' in compare)
    return relates(item?.createRevision ?? 0, compare.is, compare.createRevision)
  if ('modRevision' in compare) return relates(item?.modRevision ?? 0, compare.is, compare.modRevision)
  if ('version' in compare) return relates(item?.version ?? 0, compare.is, compare.version)
  return relates(item?.lease ?? 0, compare.is, compare.lease)
}

function relates(left: number, relation: string | undefined, right: number): boolean {
  const sign = Math.sign(left - right)
  const signs = { '=': [0], '!=': [-1, 1], '<': [-1], '<=': [-1, 0], '>': [1], '>=': [0, 1] }
  return signs[(relation ?? '=') as keyof typeof signs].includes(sign)
}

function isIn({ prefix = '', gt, gte, lt, lte }: KeyRange, key: string): boolean {
  if (!key.startsWith(prefix)) return false
  if ((gt !== undefined && !(key > gt)) || (gte !== undefined && !(key >= gte))) return false
  return !((lt !== undefined && !(key < lt)) || (lte !== undefined && !(key <= lte)))
}
