import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { isQuorateError } from '../../src/core/error.ts'
import { History } from '../../src/core/machine/history.ts'
import type { Change } from '../../src/core/machine/item.ts'
import { type Bounds, keyFilter } from '../../src/engine/query/key-filter.ts'
import { Watchers } from '../../src/engine/replica/watchers.ts'

const limits = { historyChangesMax: 1000, historyBytesMax: 1_000_000 }

function deletion(revision: number, key: string): Change {
  return { type: 'delete', key, revision, item: null }
}

describe('the watchers of a replica', () => {
  test('hear of exactly what each of them watches, whatever the others watch', () => {
    const random = seededRandom(7)
    const pick = (most: number) => Math.floor(random() * most)
    const word = () => Array.from({ length: 1 + pick(4) }, () => 'ab/'[pick(3)]).join('')
    const kinds: (() => Bounds)[] = [
      () => ({ key: word() }),
      () => ({ prefix: word() }),
      () => ({ gte: word(), lt: word() }),
      () => ({}),
    ]
    const watchers = new Watchers()
    const history = new History(limits, 0)
    const all = new Set<{ told: string[]; expected: string[]; bounds: Bounds; stop: () => void }>()
    for (let revision = 1; revision < 400; revision++) {
      if (pick(3) > 0) {
        const bounds = kinds[pick(kinds.length)]?.() ?? {}
        const told: string[] = []
        const sink = { changes: (list: readonly Change[]) => told.push(...list.map(wordOf)), end: () => {} }
        const stop = watchers.add(history, bounds, revision, sink)
        all.add({ told, expected: [], bounds, stop })
      }
      const keys = new Set(Array.from({ length: 1 + pick(4) }, word))
      const changes = [...keys].sort().map(key => deletion(revision, key))
      for (const change of changes) history.add(change)
      for (const { bounds, expected } of all)
        expected.push(...changes.filter(({ key }) => keyFilter(bounds)(key)).map(wordOf))
      watchers.notify(changes)
      for (const one of all) {
        assert.deepEqual(one.told, one.expected)
        if (pick(10) > 0) continue
        one.stop()
        all.delete(one)
      }
      assert.equal(watchers.size, all.size)
    }
  })

  test('are told once where one is added while the others hear of a revision (mutant M133)', () => {
    const watchers = new Watchers()
    const history = new History(limits, 0)
    const told: string[] = []
    const inner = { changes: (list: readonly Change[]) => told.push(...list.map(wordOf)), end: () => {} }
    let isFirst = true
    const changes = () => {
      if (isFirst) watchers.add(history, { key: 'k' }, 1, inner)
      isFirst = false
    }
    watchers.add(history, { key: 'k' }, 1, { changes, end: () => {} })
    for (let revision = 1; revision <= 2; revision++) {
      const change = deletion(revision, 'k')
      history.add(change)
      watchers.notify([change])
    }
    assert.deepEqual(told, ['k@1', 'k@2'])
  })

  test('are forgotten where their past cannot be told', () => {
    const watchers = new Watchers()
    const history = new History(limits, 0)
    history.add(deletion(1, 'k'))
    const changes = () => {
      throw new Error('too large')
    }
    assert.throws(() => watchers.add(history, {}, 1, { changes, end: () => {} }), /too large/)
    assert.equal(watchers.size, 0)
    watchers.notify([deletion(2, 'k')])
  })

  test('are forgotten when a snapshot takes the place of what they wait for (mutant M142)', () => {
    const watchers = new Watchers()
    const history = new History(limits, 0)
    const ends: unknown[] = []
    const changes = () => assert.fail('it has ended')
    for (let i = 0; i < 600; i++)
      watchers.add(history, { prefix: `k${i}` }, 1, { changes, end: error => ends.push(error) })
    watchers.reset(10)
    assert.equal(watchers.size, 0)
    assert.equal(ends.filter(error => isQuorateError(error, 'COMPACTED')).length, 600)
    watchers.notify([deletion(11, 'k1')])
    watchers.reset(20)
    assert.equal(ends.length, 600)
  })
})

function wordOf({ key, revision }: Change): string {
  return `${key}@${revision}`
}
