import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import { encodeArgs, txnCommand } from '../../src/engine/transactions/command.ts'
import type { StoreTransaction } from '../../src/engine/transactions/store-transaction.ts'
import type { StoreView } from '../../src/engine/transactions/store-view.ts'
import { checkTxn, type Txn, type TxnResult } from '../../src/engine/transactions/txn.ts'
import type { WriteOptions } from '../../src/engine/types.ts'
import type { ModelItem } from '../../src/testing/checkers/transaction-model.ts'
import { shown } from '../../src/testing/checkers/transaction-model.ts'
import { CountCalls } from '../../src/testing/simulator/count-calls.ts'
import { SnapshotCalls } from '../../src/testing/simulator/snapshot-calls.ts'
import { TxnCalls } from '../../src/testing/simulator/txn-calls.ts'
import { decodeValue } from '../../src/wire/value.ts'
import { Rehearsal } from './rehearsal.ts'

/** A store that does what it is asked, on one machine. */
function txnOn(rehearsal: Rehearsal, lie: (result: TxnResult) => TxnResult = result => result) {
  return async (txn: Txn, { fence }: WriteOptions = {}): Promise<TxnResult> => {
    const { machine } = rehearsal
    const revision = machine.appliedIndex + 1
    const call = { type: 'call', name: txnCommand, args: encodeArgs(checkTxn(txn)), now: 0 } as const
    const fenced = { type: 'fenced', key: fence?.key ?? '', createRevision: fence?.token ?? 0 } as const
    const command = fence === undefined ? call : { ...fenced, command: call }
    const { result } = machine.apply(revision, { session: 0, seq: 0, acked: 0, command })
    rehearsal.oracle.observe({ id: 1, machine } as never)
    rehearsal.deeds.judge('main')
    if (result.type === 'fenced') throw new QuorateError('FENCED', '')
    if (result.type !== 'called') throw failed('NOT_A_NUMBER')
    return lie({ ...(decodeValue(result.value) as TxnResult), revision })
  }
}

function failed(code: string, outcome: 'none' | 'unknown' = 'none'): QuorateError {
  return new QuorateError('COMMAND_FAILED', '', { detail: { code }, outcome })
}

describe('the judge of transactions', () => {
  const run = async (lie?: (result: TxnResult) => TxnResult, txnFor = txnOn) => {
    const rehearsal = new Rehearsal()
    const calls = new TxnCalls(rehearsal)
    const worker = rehearsal.worker({ txn: txnFor(rehearsal, lie) })
    for (let times = 0; times < 200; times++) await calls.call(worker, 'txn')
    return rehearsal.broken
  }

  test('takes what is right', async () => assert.deepEqual(await run(), []))

  test('sees an answer that is not that of its place in the log', async () => {
    assert.ok((await run(result => ({ ...result, ok: !result.ok }))).includes('serializability'))
    assert.ok((await run(result => ({ ...result, results: [] }))).includes('serializability'))
    assert.ok((await run(result => ({ ...result, revision: 1 }))).includes('linearizability'))
  })

  test('sees a comparison that was not looked at, whoever was answered', async () => {
    const blind = (rehearsal: Rehearsal) => async (txn: Txn) => {
      await txnOn(rehearsal)({ ...txn, compare: [] })
      throw new QuorateError('OUTCOME_UNKNOWN', '', { outcome: 'unknown' })
    }
    assert.ok((await run(undefined, blind)).includes('serializability'))
  })

  test('sees what was written although it is said to have failed', async () => {
    const denied = (rehearsal: Rehearsal) => async (txn: Txn) => {
      await txnOn(rehearsal)(txn)
      throw failed('NOT_A_NUMBER')
    }
    assert.ok((await run(undefined, denied)).includes('denied-write'))
  })
})

describe('the judge of counters', () => {
  const counting = () => {
    const rehearsal = new Rehearsal()
    const calls = new CountCalls(rehearsal)
    let value = 0
    const add = (by: number, times = 1) => {
      for (let i = 0; i < times; i++) {
        value += by
        rehearsal.put('n count', value)
      }
      calls.judge('main')
      return { ok: true, value }
    }
    /** Counts by a store that does so. */
    const count = (increment: (by: number) => { readonly ok: boolean; readonly value: number }) => {
      const counter = { add: async (by: number) => ({ ok: true, value: by }) }
      const store = {
        increment: async (_key: string, { by = 1 } = {}) => increment(by),
        counter: async () => counter as never,
        transact: (async (run: (tx: StoreTransaction) => Promise<unknown>) => {
          const written = { by: 0 }
          await run({ get: async () => 0, put: (_key: string, by: number) => (written.by = by) } as never)
          return increment(written.by)
        }) as never,
      }
      return calls.transact(rehearsal.worker(store))
    }
    return { rehearsal, add, count }
  }

  test('takes what is right: confirmed ones once, unknown ones once or never', async () => {
    const { rehearsal, add, count } = counting()
    await count(by => add(by))
    await count(by => {
      add(by)
      throw failed('', 'unknown')
    })
    await count(() => {
      throw failed('', 'unknown')
    })
    await count(by => add(by))
    assert.deepEqual(rehearsal.broken, [])
  })

  test('sees what is counted twice, or not at all, or although it failed, or was never asked for', async () => {
    const wrong: readonly ((
      add: (by: number, times?: number) => { ok: boolean; value: number },
    ) => (by: number) => { readonly ok: boolean; readonly value: number })[] = [
      add => by => add(by, 2),
      () => by => ({ ok: true, value: by }),
      add => by => {
        add(by)
        throw failed('')
      },
      add => by => add(by + 1000),
      add => by => ({ ...add(by), value: -1 }),
    ]
    for (const [at, make] of wrong.entries()) {
      const { rehearsal, add, count } = counting()
      await count(make(add))
      assert.ok(rehearsal.broken.includes('exactly-once'), `mistake ${at}`)
    }
  })
})

describe('the judge of views and of functional transactions', () => {
  /** Reads the state of the machine as it is at each read, or always that of one revision. */
  const readable = ({ oracle }: Rehearsal, revisionOf: () => number) => {
    const items = (wants: (key: string) => boolean) => oracle.itemsAt(revisionOf(), wants)
    return {
      entry: async (key: string) => shown(oracle.itemAt(key, revisionOf())) ?? undefined,
      scan: async (range: { prefix?: string; limit?: number; reverse?: boolean }) => {
        const found = items(key => key.startsWith(range.prefix ?? 'k')) as ModelItem[]
        return (range.reverse ? found.reverse() : found).slice(0, range.limit).map(item => shown(item))
      },
      count: async ({ lte = '' }) => items(key => key.startsWith('k') && key <= lte).length,
    }
  }
  const write = (rehearsal: Rehearsal) =>
    rehearsal.put(`k shared ${rehearsal.below(4)}`, `w${rehearsal.machine.appliedIndex}`)

  const views = async (isTorn: boolean, lag = 0) => {
    const rehearsal = new Rehearsal()
    for (let i = 0; i < 30; i++) write(rehearsal)
    const calls = new SnapshotCalls(rehearsal, new CountCalls(rehearsal))
    const pause = async () => void write(rehearsal)
    Object.assign(rehearsal, { pause })
    const read = async () => {
      const revision = rehearsal.machine.appliedIndex - lag
      const now = () => (isTorn ? rehearsal.machine.appliedIndex : revision)
      return {
        ...readable(rehearsal, now),
        revision,
        local: undefined,
        close: () => {},
      } as unknown as StoreView
    }
    for (let i = 0; i < 20; i++) {
      rehearsal.oracle.acknowledged(write(rehearsal), 0)
      await calls.call(rehearsal.worker({ read }), 'view')
    }
    return rehearsal.broken
  }

  test('takes views of one revision, and sees those that are torn or too old', async () => {
    assert.deepEqual(await views(false), [])
    assert.ok((await views(true)).includes('serializability'))
    assert.ok((await views(false, 5)).includes('serializability'))
  })

  const transacts = async (isChecked: boolean) => {
    const rehearsal = new Rehearsal()
    const calls = new SnapshotCalls(rehearsal, new CountCalls(rehearsal))
    const transact = async (run: (tx: StoreTransaction) => Promise<unknown>) => {
      const revision = rehearsal.machine.appliedIndex
      const writes: [string, unknown][] = []
      const put = (key: string, value: unknown) => void writes.push([key, value])
      const now = { ...readable(rehearsal, () => revision), get: async () => 0, revision, put }
      const value = await run(now as unknown as StoreTransaction)
      // Somebody else was faster.
      if (!isChecked) write(rehearsal)
      for (const [key, value] of writes) rehearsal.put(key, value)
      return value
    }
    const worker = rehearsal.worker({ transact: transact as never })
    for (let i = 0; i < 60; i++) await calls.call(worker, 'transact')
    return rehearsal.broken.filter(rule => rule !== 'exactly-once')
  }

  test('takes what was read when it was written, and sees what was changed in between', async () => {
    assert.deepEqual(await transacts(true), [])
    assert.ok((await transacts(false)).includes('serializability'))
  })
})
