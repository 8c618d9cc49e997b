import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SequenceWindow } from '../../src/base/sequence-window.ts'

const span = 100

describe('a window of numbered values', () => {
  test('holds what a map would, whatever is set, overwritten and let go', () => {
    const step = fc.record({ isSet: fc.boolean(), by: fc.nat(span) })
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.array(step), (floor, steps) => {
        const window = new SequenceWindow<number>(floor)
        const model = new Map<number, number>()
        let low = floor
        for (const [at, { isSet, by }] of steps.entries()) {
          if (isSet) {
            window.set(low + 1 + by, at)
            model.set(low + 1 + by, at)
          } else {
            low += by
            const gone: number[] = []
            window.dropTo(low, value => gone.push(value))
            const expected = [...model].filter(([number]) => number <= low).sort(([a], [b]) => a - b)
            for (const [number] of expected) model.delete(number)
            assert.deepEqual(
              gone,
              expected.map(([, value]) => value),
            )
          }
          assert.equal(window.size, model.size)
        }
        assert.deepEqual(
          [...window],
          [...model].sort(([a], [b]) => a - b),
        )
        for (let number = low - 1; number < low + 2 * span; number++) {
          assert.equal(window.get(number), model.get(number))
          assert.equal(window.has(number), model.has(number))
        }
      }),
    )
  })

  test('takes nothing below its floor', () => {
    const window = new SequenceWindow<string>(5)
    assert.throws(() => window.set(5, 'late'))
    window.dropTo(9)
    assert.throws(() => window.set(9, 'late'))
  })
})
