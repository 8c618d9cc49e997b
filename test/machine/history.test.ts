import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { History } from '../../src/core/machine/history.ts'
import type { Change } from '../../src/core/machine/item.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import { Log, put, remove, smallLimits } from './log.ts'

test('the past is given from any revision that is known', () => {
  const log = new Log()
  log.apply(put('a', '1'))
  log.apply({ type: 'barrier' })
  log.apply(remove('a'))
  assert.deepEqual(typesSince(log.machine.history, 0), ['put 1', 'delete 3'])
  assert.deepEqual(typesSince(log.machine.history, 1), ['delete 3'])
  assert.deepEqual(typesSince(log.machine.history, 3), [])
})

test('what is forgotten is said to be compacted', () => {
  const log = new Log(new Machine({ limits: smallLimits }))
  for (let i = 0; i < 10; i++) log.apply(put('a', '1'))
  assert.equal(log.machine.history.floor, 2)
  assert.equal(log.machine.history.since(1), 'compacted')
  assert.equal(log.machine.history.since(2).length, 8)
})

test('after a restore the past begins at the snapshot', () => {
  const log = new Log()
  log.apply(put('a', '1'))
  log.apply({ type: 'barrier' })
  const restored = new Log(new Machine({ state: log.machine.snapshot() }))
  restored.apply(put('a', '2'))
  assert.equal(restored.machine.history.since(1), 'compacted')
  assert.deepEqual(typesSince(restored.machine.history, 2), ['put 3'])
})

test('changes of one revision are forgotten together', () => {
  const history = new History({ historyChangesMax: 3, historyBytesMax: 1_000_000 }, 0)
  for (const revision of [1, 1, 2, 3]) history.add(change(revision, 1))
  assert.equal(history.floor, 1)
  assert.deepEqual(typesSince(history, 1), ['put 2', 'put 3'])
})

test('the bounds hold in count and bytes, and what is left is the newest without a gap', () => {
  const sizes = fc.array(fc.nat(400), { maxLength: 100, size: 'max' })
  fc.assert(
    fc.property(sizes, sizes => {
      const limits = { historyChangesMax: 10, historyBytesMax: 2000 }
      const history = new History(limits, 0)
      sizes.forEach((size, at) => {
        history.add(change(at + 1, size))
      })
      const kept = history.since(history.floor)
      assert.ok(kept !== 'compacted')
      assert.ok(kept.length <= limits.historyChangesMax)
      assert.ok(
        kept.reduce((sum, change) => sum + (change.item?.value.length ?? 0), 0) <= limits.historyBytesMax,
      )
      assert.deepEqual(
        kept.map(change => change.revision),
        sizes.map((_, at) => at + 1).slice(history.floor),
      )
    }),
  )
})

function change(revision: number, size: number): Change {
  const item = {
    key: 'a',
    value: new Uint8Array(size),
    createRevision: 1,
    modRevision: revision,
    version: 1,
    lease: 0,
  }
  return { type: 'put', key: 'a', revision, item }
}

function typesSince(history: History, revision: number): readonly string[] {
  const changes = history.since(revision)
  assert.ok(changes !== 'compacted')
  return changes.map(change => `${change.type} ${change.revision}`)
}
