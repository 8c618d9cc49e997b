import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Command, Fenced, Proposal } from '../../src/core/machine/command.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import { hashState } from '../../src/core/machine/state-hash.ts'
import { decodeProposal, encodeProposal } from '../../src/wire/proposal-codec.ts'
import { encodeSnapshot, SnapshotDecoder } from '../../src/wire/snapshot-codec.ts'
import { smallLimits, write, writeAll } from './log.ts'
import { Model } from './model.ts'

const key = fc.constantFrom('a', 'b', 'c', '\u{1F600}')
const value = fc.uint8Array({ maxLength: 6, max: 2 })
const maybeValue = fc.option(value)
const clock = fc.nat(5000)
/** The index of some early entry: it is a lease where one was granted there. */
const lease = fc.integer({ min: 1, max: 40 })
const plain: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key, value }),
  fc.record({ type: fc.constant('insert' as const), key, value }),
  fc.record({ type: fc.constant('delete' as const), key }),
  fc.record({ type: fc.constant('compare-and-swap' as const), key, expected: maybeValue, value: maybeValue }),
  fc.constant<Command>({ type: 'barrier' }),
  fc.record({ type: fc.constant('broadcast' as const), topic: key, body: value }),
  fc
    .record({
      writes: fc.array(fc.tuple(key, fc.option(fc.constantFrom('x', 'y'))), { maxLength: 4 }),
      lease: lease,
      fails: fc.boolean(),
    })
    .map(write),
  fc.record({
    type: fc.constant('lease-grant' as const),
    clock,
    ttlMs: fc.integer({ min: 1000, max: 3000 }),
  }),
  fc.record({
    type: fc.constant('lease-keep-alive' as const),
    clock,
    leases: fc.array(lease, { maxLength: 3 }),
  }),
  fc.record({ type: fc.constant('lease-revoke' as const), lease }),
  fc.record({ type: fc.constant('expire' as const), clock }),
)
/** Now and then one that holds: keys are created at low indexes. */
const fenced: fc.Arbitrary<Command> = fc.record({
  type: fc.constant('fenced' as const),
  key,
  createRevision: fc.integer({ min: 1, max: 30 }),
  command: plain as fc.Arbitrary<Fenced['command']>,
})
const command = fc.oneof({ weight: 5, arbitrary: plain }, { weight: 1, arbitrary: fenced })

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
      const machine = new Machine({ limits: smallLimits, handlers: writeAll })
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
      const machine = new Machine({ limits: smallLimits, handlers: writeAll })
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
      const machine = new Machine({ limits: smallLimits, handlers: writeAll })
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
  const before = new Map(model.items)
  const applied = machine.apply(index, decodeProposal(encodeProposal(proposal)))
  assert.deepEqual(applied.result, model.apply(index, proposal))
  const items = [...machine.view().scan()]
  assert.deepEqual(items, [...model.items.values()].sort(byKey))
  assert.deepEqual(machine.leases.size, model.leases.size)
  const changed = [...new Set([...before.keys(), ...model.items.keys()])]
    .filter(key => before.get(key) !== model.items.get(key))
    .map(key => ({ key, item: model.items.get(key) ?? null }))
  assert.deepEqual(applied.changes.map(({ key, item }) => ({ key, item })).sort(byKey), changed.sort(byKey))
  for (const { type, item, revision } of applied.changes)
    assert.deepEqual([type, revision], [item === null ? 'delete' : 'put', index])
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
  const copy = new Machine({ state: decoder.end(), limits: smallLimits, handlers: writeAll })
  assert.equal(hashState(copy), hashState(machine))
  return copy
}

function byKey(left: { key: string }, right: { key: string }): number {
  return left.key < right.key ? -1 : 1
}
