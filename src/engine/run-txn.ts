import { equalBytes } from '../base/bytes.ts'
import { encodeValue } from '../wire/value.ts'
import type { CommandTransaction } from './command-transaction.ts'
import {
  type Compare,
  type KeyNumbers,
  type NumberTest,
  numberNames,
  type Operation,
  type Relation,
  type Txn,
  type TxnResult,
} from './txn.ts'
import type { StoreEntry } from './types.ts'

/** Runs on every replica. What it gets was checked by `checkTxn` where it was asked for. */
export function runTxn(tx: CommandTransaction, txn: Txn): Omit<TxnResult, 'revision'> {
  const ok = (txn.compare ?? []).every(compare => holds(tx, compare))
  const operations = (ok ? txn.success : txn.failure) ?? []
  return { ok, results: operations.map(operation => perform(tableOf(tx, operation), operation)) }
}

function tableOf(tx: CommandTransaction, { table }: { readonly table?: string }): CommandTransaction {
  return table === undefined ? tx : tx.table(table)
}

function perform(tx: CommandTransaction, operation: Operation): unknown {
  switch (operation.type) {
    case 'put':
      tx.put(operation.key, operation.value, operation)
      return null
    case 'delete':
      return tx.delete(operation.key)
    case 'deleteRange':
      return tx.deleteRange(operation.range)
    case 'get':
      return tx.entry(operation.key) ?? null
    case 'scan':
      return tx.scan(operation.range)
    case 'increment':
      return tx.increment(operation.key, operation)
  }
}

function holds(tx: CommandTransaction, compare: Compare): boolean {
  const table = tableOf(tx, compare)
  if ('range' in compare) {
    if ('count' in compare) return compares(table.count(compare.range), compare.is, compare.count)
    return table.scan(compare.range).every(entry => numberHolds(entry, compare))
  }
  const entry = table.entry(compare.key)
  if ('exists' in compare) return compare.exists === (entry !== undefined)
  if (!('value' in compare)) return numberHolds(entry, compare)
  const isEqual = entry !== undefined && equalBytes(encodeValue(entry.value), encodeValue(compare.value))
  return isEqual === (compare.is !== '!=')
}

function numberHolds(entry: StoreEntry | undefined, test: NumberTest): boolean {
  const numbers: Partial<KeyNumbers> = test
  return numberNames.every(name => {
    const expected = numbers[name]
    return expected === undefined || compares(entry?.[name] ?? 0, test.is, expected)
  })
}

function compares(left: number, relation: Relation = '=', right: number): boolean {
  switch (relation) {
    case '=':
      return left === right
    case '!=':
      return left !== right
    case '<':
      return left < right
    case '<=':
      return left <= right
    case '>':
      return left > right
    case '>=':
      return left >= right
  }
}
