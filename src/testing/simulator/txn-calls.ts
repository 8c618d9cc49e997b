import { isQuorateError } from '../../core/error.ts'
import { CommandError, type Commands } from '../../engine/transactions/command.ts'
import type { Compare, Operation, Txn } from '../../engine/transactions/txn.ts'
import type { Fence, KeyRange } from '../../engine/types.ts'
import { ModelFailure, type ModelTransaction, txnOnModel } from '../checkers/transaction-model.ts'
import { isRecord } from '../checkers/value.ts'
import { type SpecialOp, sharedKeys } from './call-kinds.ts'
import type { Call } from './calls.ts'
import type { Deed } from './deeds.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'
import { nameOf } from './value-names.ts'

/** A number, unless somebody wrote something else: then nothing can be added until it is deleted. */
export const sharedNumber = 'n shared'

export function isShared(key: string): boolean {
  return key === sharedNumber || (sharedKeys as readonly string[]).includes(key)
}

/** Registered at every store: two that write, and fail where they must, and one that is a mistake. */
export const commands: Commands = {
  'shared.move@1'(tx, args, { host }) {
    const { from, to, value } = args as Move
    tx.put(to, value)
    const moved = from === to ? undefined : tx.get<string>(from)
    // Only now, so that what was written before has to be undone.
    if (moved === undefined) throw new CommandError('NOTHING_THERE', { from })
    tx.delete(from)
    return { moved, host: host ?? null, count: tx.count({ prefix: 'k shared' }) }
  },
  'shared.fail@1'(tx, args) {
    tx.put(sharedKeys[0], (args as Move).value)
    throw new Error('on purpose')
  },
}

interface Move {
  readonly from: string
  readonly to: string
  readonly value: string
}

/** `store.txn` of all kinds, and `store.command`. */
export class TxnCalls implements SpecialCalls {
  private readonly desk: Desk

  constructor(desk: Desk) {
    this.desk = desk
  }

  call(worker: Worker, op: SpecialOp): Promise<void> {
    return op === 'txn' ? this.txn(worker) : this.command(worker)
  }

  private async txn(worker: Worker): Promise<void> {
    const { desk } = this
    const names: string[] = []
    const name = () => {
      names.push(desk.name(worker.life))
      return names.at(-1) ?? ''
    }
    const txn = this.random(worker, name)
    const fence = desk.random() < 0.2 ? this.fence(worker) : undefined
    const deed: Deed = { concerns: isShared, run: model => fencedOnModel(model, fence, txn) }
    desk.deeds.expect(names, deed)
    const options = { ...desk.bounds(), ...(fence && { fence }) }
    const start = () => worker.store.txn(this.withValues(txn), options)
    const judge = (call: Call) => this.judge(call, names, deed, ['NOT_A_NUMBER'])
    await desk.make(worker, { op: 'txn', args: [JSON.stringify(txn)], judge }, start)
  }

  private async command(worker: Worker): Promise<void> {
    const { desk } = this
    const name = desk.name(worker.life)
    const move: Move = { from: desk.pick(sharedKeys), to: desk.pick(sharedKeys), value: name }
    const isMistake = desk.random() < 0.1
    const { id } = worker.life.owner
    const deed: Deed = { concerns: isShared, run: model => moveOnModel(model, move, id, isMistake) }
    desk.deeds.expect([name], deed)
    const kind = isMistake ? 'shared.fail@1' : 'shared.move@1'
    const args = { ...move, value: desk.full(name) }
    const start = () => worker.store.command(kind, args, desk.bounds())
    const codes = isMistake ? ['COMMAND_FAILED'] : ['NOTHING_THERE']
    const judge = (call: Call) => this.judge(call, [name], deed, codes)
    await desk.make(worker, { op: 'command', args: [kind, move.from, move.to, name], judge }, start)
  }

  private judge(call: Call, names: readonly string[], deed: Deed, codes: readonly string[]): void {
    const { desk } = this
    const oracle = desk.oracleOf(call.group)
    if (call.outcome === 'fail') for (const name of names) oracle.refused(name)
    const { detail } = isQuorateError(call.error) ? call.error : {}
    const code = isRecord(detail) ? String(detail.code) : ''
    if (call.code === 'COMMAND_FAILED' && !codes.includes(code))
      desk.report('call', `${call.op} ${call.args.join(' ')} failed with ${code}`)
    if (call.outcome !== 'ok') return
    const { result } = call
    if (call.op === 'txn') {
      const { revision, ...answer } = result as { readonly revision: number }
      desk.deeds.answered(call, deed, { revision, answer: named(answer) })
      return
    }
    // A command's answer tells no revision: the value that it wrote does.
    const revision = oracle.placeOf(names[0] ?? '')
    if (revision === undefined)
      desk.report('lost-write', `${names[0]} is acknowledged, and stands nowhere in ${call.group}`)
    else desk.deeds.answered(call, deed, { revision, answer: named(result) })
  }

  /** As if a key were a lock: one that is there, or was, or is made anew by then. */
  private fence({ store }: Worker): Fence {
    const key = this.desk.pick(sharedKeys)
    const item = this.desk.oracleOf(store.name).latest(key).item
    return { key, token: item?.createRevision ?? 1 }
  }

  private random({ store }: Worker, name: () => string): Txn {
    const { desk } = this
    const some = <Item>(most: number, make: () => Item) => Array.from({ length: desk.below(most + 1) }, make)
    // Something is known of the latest state, so that comparisons hold now and then.
    const oracle = desk.oracleOf(store.name)
    const known = (key: string) => oracle.latest(key).item
    const compare = () => this.compare(known)
    const operation = () => this.operation(name)
    return { compare: some(2, compare), success: some(4, operation), failure: some(2, operation) }
  }

  private compare(known: (key: string) => ReturnType<ModelTransaction['state']['get']>): Compare {
    const { desk } = this
    const key = desk.pick(sharedKeys)
    const item = known(key)
    const is = desk.pick(['=', '!=', '<', '<=', '>', '>='] as const)
    switch (desk.below(7)) {
      case 0:
        return { key, exists: desk.random() < 0.5 }
      case 1:
        return { key, value: item?.value ?? 'nothing', is: desk.pick(['=', '!=']) }
      case 2:
        return { key, modRevision: item?.modRevision ?? 0, is }
      case 3:
        return { key, createRevision: item?.createRevision ?? 0, is }
      case 4:
        return { key, version: item?.version ?? 0, is }
      case 5:
        return { range: this.range(), count: desk.below(5), is }
      default:
        return { range: this.range(), modRevision: item?.modRevision ?? 0, is }
    }
  }

  private operation(name: () => string): Operation {
    const { desk } = this
    const key = desk.random() < 0.1 ? sharedNumber : desk.pick(sharedKeys)
    switch (desk.below(10)) {
      case 0:
        return { type: 'delete', key }
      case 1:
        return { type: 'deleteRange', range: this.range() }
      case 2:
        return { type: 'get', key }
      case 3:
        return {
          type: 'scan',
          range: { ...this.range(), reverse: desk.random() < 0.5, limit: 1 + desk.below(4) },
        }
      case 4:
        return { type: 'increment', key: sharedNumber, by: desk.below(9) - 4, max: 9 }
      default:
        return { type: 'put', key, value: name() }
    }
  }

  private range(): KeyRange {
    const { desk } = this
    const key = desk.pick(sharedKeys)
    return desk.pick<KeyRange>([{ prefix: 'k shared' }, { gte: key, lt: 'k t' }, { gt: 'k s', lte: key }])
  }

  /** The transaction with whole values in the place of their names. */
  private withValues({ compare = [], success = [], failure = [] }: Txn): Txn {
    const { desk } = this
    const full = <Part extends Compare | Operation>(part: Part): Part =>
      'value' in part && part.value !== 'nothing' && typeof part.value === 'string'
        ? { ...part, value: desk.full(part.value) }
        : part
    return { compare: compare.map(full), success: success.map(full), failure: failure.map(full) }
  }
}

function fencedOnModel(model: ModelTransaction, fence: Fence | undefined, txn: Txn): unknown {
  if (fence !== undefined && model.state.get(fence.key)?.createRevision !== fence.token)
    throw new ModelFailure('FENCED')
  return txnOnModel(model, txn)
}

function moveOnModel(model: ModelTransaction, { from, to, value }: Move, host: string, isMistake: boolean) {
  if (isMistake) throw new ModelFailure('COMMAND_FAILED')
  model.put(to, value)
  const moved = from === to ? undefined : model.state.get(from)?.value
  if (moved === undefined) throw new ModelFailure('NOTHING_THERE')
  model.state.delete(from)
  return { moved, host, count: model.scan({ prefix: 'k shared' }).length }
}

/** An answer, with names in the place of values. */
export function named(answer: unknown): unknown {
  if (typeof answer === 'string') return nameOf(answer)
  if (Array.isArray(answer)) return answer.map(named)
  if (!isRecord(answer)) return answer
  return Object.fromEntries(Object.entries(answer).map(([name, value]) => [name, named(value)]))
}
