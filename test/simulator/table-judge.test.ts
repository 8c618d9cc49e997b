import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeArgs, txnCommand } from '../../src/engine/transactions/command.ts'
import { checkTxn, type Operation, type Txn } from '../../src/engine/transactions/txn.ts'
import type { KeyRange, ScanRange } from '../../src/engine/types.ts'
import { keyOf, type ModelItem, scanItems, shown } from '../../src/testing/checkers/transaction-model.ts'
import { TableCalls } from '../../src/testing/simulator/table-calls.ts'
import { RecipeStore } from './recipe-store.ts'

/** What a table does; each part may be told to do something else. `at` is the revision that is read. */
interface Deeds {
  readonly txn: (txn: Txn) => { readonly results: readonly unknown[]; readonly revision: number }
  readonly scan: (table: string, range: ScanRange, at: number) => readonly unknown[]
  readonly count: (table: string, range: KeyRange) => number
  readonly getMany: (table: string, keys: readonly string[]) => readonly unknown[]
}

/** Many calls at tables that do what they should, but for what is said. */
async function run(wrong: (store: RecipeStore, right: Deeds) => Partial<Deeds> = () => ({})) {
  const store = new RecipeStore()
  const { rehearsal } = store
  const calls = new TableCalls(rehearsal)
  const now = () => rehearsal.machine.appliedIndex
  const itemsAt = (at: number) => rehearsal.oracle.itemsAt(at, key => key.startsWith('\0'))
  const right: Deeds = {
    txn: txn => {
      const { revision, value } = store.run(txnCommand, checkTxn(txn))
      return { ...(value as { readonly results: readonly unknown[] }), revision }
    },
    scan: (table, range, at) => scanItems(itemsAt(at), range, table).map(item => shown(item, table)),
    count: (table, range) => scanItems(itemsAt(now()), range, table).length,
    getMany: (table, keys) => {
      const found = new Map(itemsAt(now()).map((item: ModelItem) => [item.key, item.value]))
      return keys.map(key => found.get(keyOf(table, key)))
    },
  }
  const deeds = { ...right, ...wrong(store, right) }
  const one = (operation: Operation) => {
    const { results, revision } = deeds.txn({ success: [operation] })
    return { result: results[0], revision }
  }
  const table = (name: string) => ({
    put: async (key: string, value: unknown) => {
      return { revision: one({ type: 'put', table: name, key, value }).revision }
    },
    delete: async (key: string) => {
      const { result, revision } = one({ type: 'delete', table: name, key })
      return { ok: result, revision: result === true ? revision : 0 }
    },
    deleteRange: async (range: KeyRange) => {
      const { result, revision } = one({ type: 'deleteRange', table: name, range })
      return { count: result, revision }
    },
    scan: async (range: ScanRange) => deeds.scan(name, range, now()),
    count: async (range: KeyRange) => deeds.count(name, range),
    getMany: async (keys: readonly string[]) => deeds.getMany(name, keys),
  })
  const read = async () => {
    const revision = now()
    const iterate = async function* (name: string, range: ScanRange) {
      yield* deeds.scan(name, range, revision)
    }
    const viewOf = (name: string) => ({ iterate: (range: ScanRange) => iterate(name, range) })
    return { revision, local: undefined, table: viewOf, close: () => {} }
  }
  const worker = store.worker({ table, read, txn: async (txn: Txn) => deeds.txn(txn) })
  for (let i = 0; i < 200; i++) {
    await calls.call(worker)
    calls.judge('main')
  }
  return rehearsal.broken
}

/** The transaction with other ranges to delete. */
function deleting(txn: Txn, change: (range: KeyRange) => KeyRange): Txn {
  const changed = (operation: Operation): Operation =>
    operation.type === 'deleteRange' ? { ...operation, range: change(operation.range) } : operation
  return {
    ...txn,
    success: (txn.success ?? []).map(changed),
    failure: (txn.failure ?? []).map(changed),
  }
}

describe('the judge of tables', () => {
  test('takes what is right', async () => assert.deepEqual(await run(), []))

  test('sees a range that is deleted in another table, or more of it than was asked for', async () => {
    const wider = await run((_, { txn }) => ({ txn: asked => txn(deleting(asked, () => ({}))) }))
    assert.ok(wider.includes('serializability'))
    const nothing = await run((_, { txn }) => ({
      txn: asked => txn(deleting(asked, () => ({ prefix: 'z' }))),
    }))
    assert.ok(nothing.includes('serializability'))
  })

  test('sees keys that go and that nobody wanted to be deleted', async () => {
    let times = 0
    const gone = await run((store, { count }) => ({
      count: (table, range) => {
        const [item] = [...store.rehearsal.machine.view().scan({ prefix: `\0${table}\0` })]
        if (item !== undefined) store.apply({ type: 'delete', key: item.key })
        times += 1
        return count(table, range)
      },
    }))
    assert.ok(times > 0 && gone.includes('table'))
  })

  test('sees a scan that leaves something out, is in another order, or is of more than one revision', async () => {
    const short = await run((_, { scan }) => ({ scan: (...of) => scan(...of).slice(1) }))
    assert.ok(short.includes('table'))
    const reversed = await run((_, { scan }) => ({ scan: (...of) => [...scan(...of)].reverse() }))
    assert.ok(reversed.includes('table'))
    const torn = await run((store, { scan }) => ({
      scan: (table, range, at) => {
        const first = scan(table, range, at).slice(0, 1)
        const value = `v${store.rehearsal.machine.appliedIndex}000`
        const put = { type: 'put', table, key: 'c', value } as const
        store.apply({ type: 'call', name: txnCommand, args: encodeArgs({ success: [put] }), now: 0 })
        const rest = scan(table, range, store.rehearsal.machine.appliedIndex).slice(1)
        return [...first, ...rest]
      },
    }))
    assert.ok(torn.includes('table'))
  })

  test('sees a wrong count, and values of other keys', async () => {
    assert.ok((await run((_, { count }) => ({ count: (...of) => count(...of) + 1 }))).includes('table'))
    const other = await run((_, { getMany }) => ({ getMany: (_table, keys) => getMany('long', keys) }))
    assert.ok(other.includes('table'))
  })

  test('sees what a transaction wrote elsewhere than it says', async () => {
    const other = await run(({ rehearsal }, { txn }) => ({
      txn: asked => {
        const answer = txn(asked)
        return { ...answer, revision: rehearsal.machine.appliedIndex - 1 }
      },
    }))
    assert.ok(other.includes('linearizability') || other.includes('serializability'))
  })
})
