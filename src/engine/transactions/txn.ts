import type { Revision } from '../../core/types.ts'
import { checkBounds, checkDeleted, checkScan } from '../query/key-filter.ts'
import { checkTableName, TableKeys } from '../query/table-keys.ts'
import type { KeyRange, ScanRange } from '../types.ts'
import type { IncrementOptions, LeaseOptions } from './command-transaction.ts'

/** How two numbers compare. */
export type Relation = '=' | '!=' | '<' | '<=' | '>' | '>='

/** What is known of a key by number; all of them are 0 for a key that does not exist. */
export interface KeyNumbers {
  readonly createRevision: Revision
  readonly modRevision: Revision
  readonly version: number
  readonly lease: number
}

export type NumberTest = {
  [Name in keyof KeyNumbers]: { readonly [Only in Name]: number } & { readonly is?: Relation }
}[keyof KeyNumbers]

/**
 * What must hold: of a key, or of every key of a range, or of how many those are. `is` is '=' where it is left out.
 * Values are equal when they hold the same data, and `exists` takes no `is`. Compare `modRevision` where a value may
 * come back.
 */
export type Compare = { readonly table?: string } & (
  | ({ readonly key: string } & (
      | { readonly exists: boolean }
      | { readonly value: unknown; readonly is?: '=' | '!=' }
      | NumberTest
    ))
  | ({ readonly range: KeyRange } & ({ readonly count: number; readonly is?: Relation } | NumberTest))
)

/** What is done, and what it gives in `results`. */
export type Operation = { readonly table?: string } & (
  | ({ readonly type: 'put'; readonly key: string; readonly value: unknown } & LeaseOptions) // null
  | { readonly type: 'delete'; readonly key: string } // whether it existed
  | { readonly type: 'deleteRange'; readonly range: KeyRange } // how many
  | { readonly type: 'get'; readonly key: string } // the entry, or null
  | { readonly type: 'scan'; readonly range: ScanRange } // the entries
  | ({ readonly type: 'increment'; readonly key: string } & IncrementOptions) // { ok, value }
)

/**
 * Compares, and what is done when all of them hold, or else: in order, each seeing what those before it did. An
 * increment that its bounds refuse is a result (`ok: false`) and undoes nothing. It writes 8 MiB and 10 000 keys at
 * most; its results are one entry with the largest value, or 1 MiB together; the keys that it compares by ranges are
 * 262 144. Above that it does nothing (TOO_LARGE).
 */
export interface Txn {
  readonly compare?: readonly Compare[]
  readonly success?: readonly Operation[]
  readonly failure?: readonly Operation[]
}

/** What a transaction did. */
export interface TxnResult {
  /** Whether all comparisons held, and so which branch was taken. */
  readonly ok: boolean
  /** Of this entry of the log. */
  readonly revision: Revision
  /** One for each operation of that branch. */
  readonly results: readonly unknown[]
}

/** The transaction with nothing in it but what it says. Throws TypeError on what is none, TOO_LARGE. */
export function checkTxn(txn: Txn): Txn {
  if (typeof txn !== 'object' || txn === null) throw new TypeError('a transaction is an object')
  checkNames(txn as Fields, ['compare', 'success', 'failure'])
  const { compare = [], success = [], failure = [] } = txn
  const lists = { compare, success, failure }
  for (const [name, list] of Object.entries(lists)) {
    if (!Array.isArray(list)) throw new TypeError(`${name} must be an array`)
    for (const one of list) {
      if (typeof one !== 'object' || one === null) throw new TypeError(`${name} holds objects`)
      if (name === 'compare') checkCompare(one)
      else checkOperation(one)
    }
  }
  return lists
}

/** What a comparison may look at, of those that are numbers. */
export const numberNames = ['createRevision', 'modRevision', 'version', 'lease'] as const

const relations: readonly unknown[] = ['=', '!=', '<', '<=', '>', '>=']
const tests = ['exists', 'value', 'count', ...numberNames] as const
const numbersOfIncrement = ['by', 'min', 'max', 'initial'] as const

/** What an operation says, beside its type and table. */
const operands: Readonly<Record<Operation['type'], readonly string[]>> = {
  put: ['key', 'value', 'lease'],
  delete: ['key'],
  deleteRange: ['range'],
  get: ['key'],
  scan: ['range'],
  increment: ['key', ...numbersOfIncrement],
}

type Fields = Readonly<Record<string, unknown>>

function checkCompare(compare: Compare): void {
  const fields = compare as Fields
  checkNames(fields, ['table', 'key', 'range', 'is', ...tests])
  checkPlace(compare)
  const [name, second] = tests.filter(test => test in fields)
  if (name === undefined || second !== undefined)
    throw new TypeError(`a comparison tests one of ${tests.join(', ')}`)
  const isOfKey = 'key' in compare
  if (name === 'count' && isOfKey) throw new TypeError('count is tested of a range, not of a key')
  if ((name === 'exists' || name === 'value') && !isOfKey)
    throw new TypeError(`${name} is tested of a key, not of a range`)
  const { is = '=', [name]: expected } = fields
  // On its way it would be left out, and nothing would be tested.
  if (expected === undefined) throw new TypeError(`${name} is undefined; what is not there has exists: false`)
  // Values have no order that would be everybody's.
  const possible = name === 'exists' ? ['='] : name === 'value' ? ['=', '!='] : relations
  if (!possible.includes(is)) throw new TypeError(`${name} is compared by ${possible.join(' ')}`)
  if (name === 'exists' && typeof expected !== 'boolean') throw new TypeError('exists is true or false')
  if (name !== 'exists' && name !== 'value') checkInteger(expected, name)
}

function checkOperation(operation: Operation): void {
  const { type } = operation
  if (!Object.hasOwn(operands, type))
    throw new TypeError(`an operation is a ${Object.keys(operands).join(', ')}`)
  checkNames(operation as Fields, ['type', 'table', ...operands[type]])
  checkPlace(operation, type === 'scan' ? checkScan : type === 'deleteRange' ? checkDeleted : undefined)
  if (type === 'put' && operation.value === undefined) throw new TypeError('a put has a value')
  if (type === 'put' && operation.lease !== undefined) checkInteger(operation.lease, 'lease')
  if (type !== 'increment') return
  for (const name of numbersOfIncrement)
    if (operation[name] !== undefined) checkInteger(operation[name], name)
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = operation
  if (min > max) throw new TypeError('min is above max')
}

/** The table, and either a key or a range of it. */
function checkPlace(place: Compare | Operation, check: (range: KeyRange) => KeyRange = checkBounds): void {
  const { table } = place
  if (table !== undefined) checkTableName(table)
  const keys = new TableKeys(table ?? '')
  if ('key' in place === 'range' in place) throw new TypeError('what is meant is a key or a range')
  if ('key' in place) keys.inStore(place.key)
  else keys.range(check(place.range))
}

function checkNames(fields: Fields, names: readonly string[]): void {
  const other = Object.keys(fields).find(name => !names.includes(name))
  if (other !== undefined) throw new TypeError(`${other} means nothing here`)
}

function checkInteger(value: unknown, name: string): void {
  if (!Number.isSafeInteger(value)) throw new TypeError(`${name} must be an integer`)
}
