import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Command, Proposal } from '../../src/core/machine/command.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import { hashState } from '../../src/core/machine/state-hash.ts'
import { decodeProposal, encodeProposal } from '../../src/wire/proposal-codec.ts'
import { encodeSnapshot, SnapshotDecoder } from '../../src/wire/snapshot-codec.ts'
import { smallLimits } from './log.ts'
import { Model } from './model.ts'

const key = fc.constantFrom('a', 'b', 'c', '\u{1F600}')
const value = fc.uint8Array({ maxLength: 6, max: 2 })
const maybeValue = fc.option(value)
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key, value }),
  fc.record({ type: fc.constant('insert' as const), key, value }),
  fc.record({ type: fc.constant('delete' as const), key }),
  fc.record({ type: fc.constant('compare-and-swap' as const), key, expected: maybeValue, value: maybeValue }),
  fc.constant<Command>({ type: 'barrier' }),
  fc.record({ type: fc.constant('broadcast' as const), topic: key, body: value }),
)

/**
 * Sessions are named by their place among those opened so far; numbers repeat, jump and come out of order.
 */
const entry = fc.oneof(
  { weight: 1, arbitrary: fc.constant('noop' as const) },
  { weight: 1, arbitrary: fc.constant('open' as const) },
  { weight: 1, arbitrary: fc.record({ close: fc.nat(5) }) },
  { weight: 3, arbitrary: command },
  {
    weight: 12,
    arbitrary: fc.record({
      session: fc.nat(5),
      seq: fc.integer({ min: 1, max: 9 }),
      lag: fc.nat(9),
      command,
    }),
  },
)
const entries = fc.array(entry, { maxLength: 80, size: 'max' })

test('the machine answers and holds what the model does, through all retries and evictions', () => {
  fc.assert(
    fc.property(entries, entries => {
      const machine = new Machine(smallLimits)
      const model = new Model(smallLimits)
      for (const [at, proposal] of proposalsOf(entries).entries()) {
        const index = at + 1
        if (proposal === undefined) machine.applyNoop(index)
        else checkStep(machine, model, index, proposal)
      }
    }),
    { numRuns: 300 },
  )
})

test('a machine restored from its snapshot at any point is the same machine for ever after', () => {
  fc.assert(
    fc.property(entries, fc.nat(80), fc.integer({ min: 1, max: 200 }), (entries, cut, chunkBytes) => {
      const machine = new Machine(smallLimits)
      const proposals = proposalsOf(entries)
      let copy: Machine | undefined
      for (const [at, proposal] of proposals.entries()) {
        if (at === cut % proposals.length) copy = copyOf(machine, chunkBytes)
        const applied = applyTo(machine, at + 1, proposal)
        if (copy === undefined) continue
        assert.deepEqual(applyTo(copy, at + 1, proposal), applied)
        assert.equal(hashState(copy), hashState(machine))
      }
    }),
    { numRuns: 200 },
  )
})

test('a snapshot and a view that were taken stay the same while applying goes on', () => {
  fc.assert(
    fc.property(entries, entries, (before, after) => {
      const machine = new Machine(smallLimits)
      const proposals = proposalsOf([...before, ...after])
      proposals.slice(0, before.length).forEach((proposal, at) => {
        applyTo(machine, at + 1, proposal)
      })
      const view = machine.view()
      const items = [...view.scan()]
      const snapshot = machine.snapshot()
      const chunks = [...encodeSnapshot(snapshot)]
      proposals.slice(before.length).forEach((proposal, at) => {
        applyTo(machine, before.length + at + 1, proposal)
      })
      assert.deepEqual([...view.scan()], items)
      assert.deepEqual([...encodeSnapshot(snapshot)], chunks)
    }),
    { numRuns: 100 },
  )
})

function checkStep(machine: Machine, model: Model, index: number, proposal: Proposal): void {
  const { key } = { key: undefined, ...proposal.command }
  const previous = key === undefined ? undefined : model.items.get(key)
  const applied = machine.apply(index, decodeProposal(encodeProposal(proposal)))
  assert.deepEqual(applied.result, model.apply(index, proposal))
  assert.deepEqual([...machine.view().scan()], [...model.items.values()].sort(byKey))
  const item = key === undefined ? undefined : model.items.get(key)
  if (item === previous) assert.deepEqual(applied.changes, [])
  else {
    const type = item === undefined ? 'delete' : 'put'
    const change = { type, key, revision: index, item: item ?? null }
    assert.deepEqual(applied.changes, [change])
  }
}

function proposalsOf(entries: readonly (typeof entry extends fc.Arbitrary<infer Entry> ? Entry : never)[]) {
  const opened: number[] = []
  return entries.map((entry, at): Proposal | undefined => {
    const none = { session: 0, seq: 0, acked: 0 }
    if (entry === 'noop') return undefined
    if (entry === 'open') {
      opened.push(at + 1)
      return { ...none, command: { type: 'open-session', host: `host${at}` } }
    }
    if ('close' in entry) {
      return {
        session: opened.at(-1 - entry.close) ?? 1000,
        seq: 1,
        acked: 0,
        command: { type: 'close-session' },
      }
    }
    if ('type' in entry) return { ...none, command: entry }
    const { seq, command } = entry
    return {
      session: opened.at(-1 - entry.session) ?? 1000,
      seq,
      acked: Math.max(0, seq - 1 - entry.lag),
      command,
    }
  })
}

function applyTo(machine: Machine, index: number, proposal: Proposal | undefined) {
  return proposal === undefined ? machine.applyNoop(index) : machine.apply(index, proposal)
}

function copyOf(machine: Machine, chunkBytes: number): Machine {
  const decoder = new SnapshotDecoder()
  for (const chunk of encodeSnapshot(machine.snapshot(), chunkBytes)) decoder.push(chunk)
  const copy = Machine.restore(decoder.end(), smallLimits)
  assert.equal(hashState(copy), hashState(machine))
  return copy
}

function byKey(left: { key: string }, right: { key: string }): number {
  return left.key < right.key ? -1 : 1
}
