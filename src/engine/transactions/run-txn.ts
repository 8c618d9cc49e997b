import { equalBytes } from '../../base/bytes.ts'
import { transactionLooksMax } from '../../core/limits.ts'
import type { Item } from '../../core/machine/item.ts'
import { CommandFailure } from '../../core/machine/transaction.ts'
import { encodeValue } from '../../wire/value.ts'
import type { TableTransaction } from './table-transaction.ts'
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

/** Takes note of what is looked at. Throws TOO_LARGE where that is more than one transaction may. */
type Look = (cost: number) => void

/** What is counted, or read, for the price of one key: a node of the map has so many. */
const perLook = 32

/** Runs on every replica. What it gets was checked by `checkTxn` where it was asked for. */
export function runTxn(tx: TableTransaction, txn: Txn): Omit<TxnResult, 'revision'> {
  let left = transactionLooksMax
  const look: Look = cost => {
    left -= cost
    if (left < 0) throw new CommandFailure('TOO_LARGE')
  }
  const ok = (txn.compare ?? []).every(compare => holds(tableOf(tx, compare), compare, look))
  const operations = (ok ? txn.success : txn.failure) ?? []
  return { ok, results: operations.map(operation => perform(tableOf(tx, operation), operation, look)) }
}

function tableOf(tx: TableTransaction, { table }: { readonly table?: string }): TableTransaction {
  return table === undefined ? tx : tx.table(table)
}

function perform(tx: TableTransaction, operation: Operation, look: Look): unknown {
  const read = (item: Item) => {
    look(1 + item.value.length / perLook)
    return tx.shown(item)
  }
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
    case 'get': {
      const item = tx.item(operation.key)
      return item === undefined ? null : read(item)
    }
    case 'scan':
      return Array.from(tx.items(operation.range), read)
    case 'increment':
      return tx.increment(operation.key, operation)
  }
}

/** No value is decoded, and nothing looked at behind the first key that it does not hold of. */
function holds(table: TableTransaction, compare: Compare, look: Look): boolean {
  if ('range' in compare) {
    if ('count' in compare) {
      const count = table.count(compare.range)
      look(1 + count / perLook)
      return compares(count, compare.is, compare.count)
    }
    const name = numberOf(compare)
    for (const item of table.items(compare.range)) {
      look(1)
      if (!numberHolds(item, name, compare)) return false
    }
    return true
  }
  const item = table.item(compare.key)
  if ('exists' in compare) return compare.exists === (item !== undefined)
  if (!('value' in compare)) return numberHolds(item, numberOf(compare), compare)
  const isEqual = item !== undefined && equalBytes(item.value, encodeValue(compare.value))
  return isEqual === (compare.is !== '!=')
}

function numberHolds(item: Item | undefined, name: keyof KeyNumbers, test: NumberTest): boolean {
  const expected = (test as KeyNumbers)[name]
  return compares(item?.[name] ?? 0, test.is, expected)
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
