import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Machine } from '../../src/core/machine/machine.ts'
import { encodeArgs, txnCommand } from '../../src/engine/transactions/command.ts'
import { CommandTable } from '../../src/engine/transactions/command-table.ts'
import { type Compare, checkTxn, type Operation } from '../../src/engine/transactions/txn.ts'
import type { ScanRange } from '../../src/engine/types.ts'
import { type ModelState, runOnModel, txnOnModel } from '../../src/testing/checkers/transaction-model.ts'
import { valueText } from '../../src/testing/checkers/value.ts'
import { decodeValue } from '../../src/wire/value.ts'

const key = fc.constantFrom('a', 'b', 'c')
const is = fc.constantFrom('=' as const, '!=', '<', '<=', '>', '>=')
const value = fc.oneof(fc.constantFrom('x', 'y'), fc.integer({ min: -3, max: 9 }))
const number = fc.nat(6)
const range: fc.Arbitrary<ScanRange> = fc.oneof(
  fc.constant({}),
  fc.record({ prefix: key }),
  fc.record({ gt: key }),
  fc.record({ gte: key, lt: key }),
  fc.record({ gt: key, lte: key }),
)
const scanned = fc
  .tuple(range, fc.nat(3), fc.boolean())
  .map(([bounds, limit, reverse]) => ({ ...bounds, limit, reverse }))
const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({ key, exists: fc.boolean() }),
  fc.record({ key, value, is: fc.constantFrom('=' as const, '!=') }),
  fc.record({ key, modRevision: number, is }),
  fc.record({ key, createRevision: number, is }),
  fc.record({ key, version: number, is }),
  fc.record({ key, lease: fc.nat(1), is }),
  fc.record({ range, count: number, is }),
  fc.record({ range, modRevision: number, is }),
)
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key, value }),
  fc.record({ type: fc.constant('delete' as const), key }),
  fc.record({ type: fc.constant('deleteRange' as const), range }),
  fc.record({ type: fc.constant('get' as const), key }),
  fc.record({ type: fc.constant('scan' as const), range: scanned }),
  fc.record({
    type: fc.constant('increment' as const),
    key,
    by: fc.integer({ min: -3, max: 3 }),
    min: fc.constant(-4),
    max: fc.constant(4),
    initial: fc.nat(2),
  }),
)
const txn = fc.record({
  compare: fc.array(compare, { maxLength: 2 }),
  success: fc.array(operation, { maxLength: 4 }),
  failure: fc.array(operation, { maxLength: 2 }),
})

test('the model of transactions answers and holds what the store does, one after the other', () => {
  fc.assert(
    fc.property(fc.array(txn, { maxLength: 12 }), txns => {
      const machine = new Machine({ handlers: new CommandTable(() => ({})) })
      let state: ModelState = new Map()
      for (const [at, txn] of txns.entries()) {
        const revision = at + 1
        const args = encodeArgs(checkTxn(txn))
        const command = { type: 'call', name: txnCommand, args, now: 0 } as const
        const { result } = machine.apply(revision, { session: 0, seq: 0, acked: 0, command })
        const outcome = runOnModel(state, revision, model => txnOnModel(model, txn))
        state = outcome.state
        if (result.type === 'failed') assert.equal(outcome.failed, result.code)
        else assert.ok(result.type === 'called')
        if (result.type === 'called')
          assert.equal(valueText(outcome.answer), valueText(decodeValue(result.value)))
        const items = [...machine.view().scan()].map(item => ({ ...item, value: decodeValue(item.value) }))
        const expected = [...state.values()].sort((left, right) => (left.key < right.key ? -1 : 1))
        assert.equal(valueText(expected), valueText(items))
      }
    }),
    { numRuns: 500 },
  )
})
