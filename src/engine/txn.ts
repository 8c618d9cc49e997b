import type { Revision } from '../core/types.ts'
import type { IncrementOptions, LeaseOptions } from './command-transaction.ts'
import { checkBounds, checkKey } from './key-filter.ts'
import { checkTableName } from './table-keys.ts'
import type { KeyRange, ScanRange } from './types.ts'

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
 * Values are equal when they hold the same data. Compare `modRevision` where a value may come back.
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

/** Compares, and what is done when all of them hold, or else. */
export interface Txn {
  readonly compare?: readonly Compare[]
  readonly success?: readonly Operation[]
  readonly failure?: readonly Operation[]
}

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
  const { compare = [], success = [], failure = [], ...others } = txn
  const [other] = Object.keys(others)
  if (other !== undefined) throw new TypeError(`a transaction has compare, success and failure, not ${other}`)
  compare.forEach(checkCompare)
  success.forEach(checkOperation)
  failure.forEach(checkOperation)
  return { compare, success, failure }
}

/** What a comparison may look at, of those that are numbers. */
export const numberNames = ['createRevision', 'modRevision', 'version', 'lease'] as const

const relations: readonly unknown[] = ['=', '!=', '<', '<=', '>', '>=']
const tests: readonly string[] = ['exists', 'value', 'count', ...numberNames]

function checkCompare(compare: Compare): void {
  const { table, is = '=' } = compare as Compare & { readonly is?: Relation }
  if (table !== undefined) checkTableName(table)
  if (!relations.includes(is)) throw new TypeError(`a comparison compares by ${relations.join(' ')}`)
  const [name, second] = Object.keys(compare).filter(member => tests.includes(member))
  if (name === undefined || second !== undefined)
    throw new TypeError(`a comparison tests one of ${tests.join(', ')}`)
  const expected = (compare as Readonly<Record<string, unknown>>)[name]
  if ('range' in compare) checkBounds(compare.range)
  else checkKey(compare.key)
  if ('range' in compare && (name === 'exists' || name === 'value'))
    throw new TypeError(`${name} is tested of a key, not of a range`)
  if (name === 'count' && 'key' in compare) throw new TypeError('count is tested of a range, not of a key')
  if (name === 'exists' && typeof expected !== 'boolean') throw new TypeError('exists is true or false')
  if (name !== 'exists' && name !== 'value' && !Number.isSafeInteger(expected))
    throw new TypeError(`${name} is compared with an integer`)
}

function checkOperation(operation: Operation): void {
  const { table } = operation
  if (table !== undefined) checkTableName(table)
  switch (operation.type) {
    case 'deleteRange':
    case 'scan':
      checkBounds(operation.range)
      return
    case 'put':
    case 'delete':
    case 'get':
    case 'increment':
      checkKey(operation.key)
      return
    default:
      throw new TypeError('an operation is a put, delete, deleteRange, get, scan or increment')
  }
}
