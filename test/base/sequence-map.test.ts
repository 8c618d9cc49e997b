import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SequenceMap } from '../../src/base/sequence-map.ts'
import { collectGarbage } from '../run/collect-garbage.ts'

/** Mostly one behind the other, sometimes far off, as the numbers of sessions and of openings are. */
const numbers = fc.oneof(
  { weight: 8, arbitrary: fc.nat(40) },
  { weight: 2, arbitrary: fc.integer({ min: 8000, max: 8400 }) },
  { weight: 1, arbitrary: fc.maxSafeNat() },
)

describe('a map of numbers that come close to each other', () => {
  test('holds what a map would, whatever is set and deleted', () => {
    const step = fc.record({ isSet: fc.boolean(), number: numbers, base: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const map = new SequenceMap<number>()
        const model = new Map<number, number>()
        for (const [at, { isSet, number, base }] of steps.entries()) {
          const key = Math.min(Number.MAX_SAFE_INTEGER, number + base * 5000)
          if (isSet) {
            map.set(key, at)
            model.set(key, at)
          } else {
            assert.equal(map.delete(key), model.delete(key))
          }
          assert.equal(map.size, model.size)
          assert.equal(map.get(key), model.get(key))
        }
        assert.deepEqual([...map.values()].sort(), [...model.values()].sort())
        for (const [key, value] of model) assert.equal(map.get(key), value)
      }),
      { numRuns: 500 },
    )
  })

  test('holds a window that moves on for ever', () => {
    const map = new SequenceMap<string>()
    for (let number = 1; number < 100_000; number++) {
      map.set(number, `${number}`)
      if (number > 300) map.delete(number - 300)
    }
    assert.equal(map.size, 300)
    assert.equal(map.get(99_999), '99999')
    assert.equal(map.get(99_999 - 300), undefined)
    assert.deepEqual(
      [...map.values()],
      Array.from({ length: 300 }, (_, at) => `${at + 99_700}`),
    )
  })

  test('takes little memory for two numbers with a gap between them, though a ring could span it', () => {
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    const maps = Array.from({ length: 2000 }, () => {
      const map = new SequenceMap<true>()
      map.set(1, true)
      map.set(8000, true)
      return map
    })
    collectGarbage()
    const bytesEach = (process.memoryUsage().heapUsed - before) / maps.length
    assert(bytesEach < 8000, `${bytesEach} bytes`)
    assert(maps.every(map => map.get(8000) === true && map.size === 2))
  })

  test('takes no memory for what lies between numbers that are far apart', () => {
    const map = new SequenceMap<string>()
    map.set(1, 'first')
    map.set(2 ** 50, 'far')
    assert.deepEqual([map.get(1), map.get(2 ** 50), map.size], ['first', 'far', 2])
    map.delete(1)
    map.set(2 ** 50 + 1, 'near')
    assert.deepEqual([map.get(2 ** 50), map.get(2 ** 50 + 1), map.size], ['far', 'near', 2])
  })
})
