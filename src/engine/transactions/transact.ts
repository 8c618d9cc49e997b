import { QuorateError } from '../../core/error.ts'
import { transactTriesDefault } from '../../core/limits.ts'
import { type Call, Pending } from '../calls/call.ts'
import { checkOptions } from '../calls/check-options.ts'
import { Condition } from '../calls/condition.ts'
import { TableKeys } from '../query/table-keys.ts'
import type { StoreCalls } from '../store/store-calls.ts'
import type { Consistency, ReadOptions, WriteOptions } from '../types.ts'
import { txnCommand } from './command.ts'
import { StoreTransaction, TransactionRecord } from './store-transaction.ts'
import { StoreView } from './store-view.ts'
import { checkTxn, type TxnResult } from './txn.ts'

/** How `store.transact` is bounded. `deadlineMs` and `signal` are those of all its tries together. */
export interface TransactOptions extends ReadOptions, Pick<WriteOptions, 'fence'> {
  /** How often the function is run at most. Default 10. */
  readonly tries?: number
  /**
   * Of the first view. With 'session' a transaction that writes saves a question to the leader, and is as safe: what is
   * old is noticed when it writes. One that only reads may then have read what is old.
   */
  readonly consistency?: Consistency
}

/** Pauses before another try are up to this long, twice as long each time, up to the longest. */
const pauseMs = 10
const pauseMsMax = 1000

/** Optimistic concurrency control (Kung and Robinson 1981): reads note what they saw, and the write checks it. */
export async function transact<Value>(
  calls: StoreCalls,
  run: (tx: StoreTransaction) => Promise<Value>,
  options: TransactOptions,
): Promise<Value> {
  checkOptions(options)
  const { tries = transactTriesDefault, fence, consistency } = options
  if (typeof run !== 'function') throw new TypeError('a transaction is a function')
  if (!Number.isSafeInteger(tries) || tries < 1) throw new TypeError('tries must be an integer from 1')
  const { clock } = calls
  const call = calls.start(options)
  const attempt = new Attempt(calls, call, fence)
  for (let tried = 1; ; tried++) {
    // Whoever lost has seen the revision of the one who won: what is as new as that need not be asked for.
    const result = await attempt.make(run, tried === 1 ? consistency : 'session')
    if ('value' in result) return result.value
    if (tried >= tries) throw result.conflict
    const longestMs = Math.min(pauseMs * 2 ** tried, pauseMsMax)
    const ms = Math.min(calls.random() * longestMs, Math.max(0, call.deadline - clock.now()))
    await new Condition().wait(clock, ms, call.signal)
  }
}

type Attempted<Value> = { readonly value: Value } | { readonly conflict: unknown }

class Attempt {
  private readonly calls: StoreCalls
  private readonly call: Call
  private readonly fence: WriteOptions['fence']

  constructor(calls: StoreCalls, call: Call, fence: WriteOptions['fence']) {
    this.calls = calls
    this.call = call
    this.fence = fence
  }

  async make<Value>(
    run: (tx: StoreTransaction) => Promise<Value>,
    consistency: Consistency | undefined,
  ): Promise<Attempted<Value>> {
    const { calls } = this
    const reader = await calls.view({ ...this.options(), ...(consistency && { consistency }) })
    const view = new StoreView(reader, calls, new TableKeys(''))
    const record = new TransactionRecord(view.revision)
    try {
      const value = await this.bounded(run(new StoreTransaction(view, record, () => this.options())))
      const isCommitted = !record.hasWrites || (await this.commit(record))
      return isCommitted ? { value } : { conflict: conflict() }
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'VIEW_EXPIRED') return { conflict: error }
      throw error
    } finally {
      record.end()
      view.close()
    }
  }

  /** The function may wait for what never comes, but nobody has to wait for it. */
  private bounded<Value>(running: Promise<Value>): Promise<Value> {
    const { clock } = this.calls
    const pending = new Pending<Value>(this.call)
    const patienceMs = Math.max(0, this.call.deadline - clock.now())
    const cancel = clock.after(patienceMs, () => pending.reject(late()))
    Promise.resolve(running).then(
      value => pending.resolve(value),
      error => pending.reject(error),
    )
    return pending.promise.finally(cancel)
  }

  private async commit(record: TransactionRecord): Promise<boolean> {
    record.end()
    const { fence } = this
    const { value } = await this.calls.run(txnCommand, checkTxn(record.txn()), {
      ...this.options(),
      ...(fence && { fence }),
    })
    return (value as TxnResult).ok
  }

  /** What is left of the call. */
  private options(): { readonly deadlineMs: number; readonly signal?: AbortSignal } {
    const { deadline, signal } = this.call
    const deadlineMs = deadline - this.calls.clock.now()
    if (deadlineMs <= 0) throw late()
    return { deadlineMs, ...(signal && { signal }) }
  }
}

function conflict(): QuorateError {
  return new QuorateError('CONFLICT', 'others changed what the transaction read, each time it was tried', {
    retryable: true,
  })
}

function late(): QuorateError {
  return new QuorateError('TIMEOUT', 'the transaction did not end before the deadline; nothing was written', {
    retryable: true,
  })
}
