import { equalBytes } from '../base/bytes.ts'
import { CommandFailure } from '../core/machine/transaction.ts'
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
    case 'put': {
      const { key, value, lease = 0 } = operation
      tx.put(key, value, { lease })
      return null
    }
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
    const name = numberOf(compare)
    return table.scan(compare.range).every(entry => numberHolds(entry, name, compare))
  }
  const entry = table.entry(compare.key)
  if ('exists' in compare) return compare.exists === (entry !== undefined)
  if (!('value' in compare)) return numberHolds(entry, numberOf(compare), compare)
  const isEqual = entry !== undefined && equalBytes(encodeValue(entry.value), encodeValue(compare.value))
  return isEqual === (compare.is !== '!=')
}

function numberHolds(entry: StoreEntry | undefined, name: keyof KeyNumbers, test: NumberTest): boolean {
  const expected = (test as KeyNumbers)[name]
  return compares(entry?.[name] ?? 0, test.is, expected)
}

/** Which number is tested. A comparison that came without what it tests must not hold. */
function numberOf(test: Compare): keyof KeyNumbers {
  const name = numberNames.find(name => name in test)
  if (name === undefined) throw new CommandFailure('COMMAND_FAILED')
  return name
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
