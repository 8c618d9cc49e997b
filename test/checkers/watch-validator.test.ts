import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Delivery, WatchValidator } from '../../src/testing/checkers/watch-validator.ts'

const changes = [
  { key: 'a', revision: 1, value: '1' },
  { key: 'b', revision: 2, value: '2' },
  { key: 'c', revision: 2, value: '3' },
  { key: 'x', revision: 3, value: '4' },
  { key: 'a', revision: 5, value: null },
  { key: 'b', revision: 6, value: '6' },
]

const change = (at: number, last = true): Delivery => ({
  type: 'change',
  ...(changes[at] ?? { key: '', revision: 0, value: '' }),
  last,
})
const bookmark = (revision: number): Delivery => ({ type: 'bookmark', revision })
const reset = (revision: number, ...words: readonly string[]): Delivery => {
  const entries = words.map(word => {
    const [key = '', value = '', at] = word.split(/[=@]/)
    return { key, value, modRevision: Number(at) }
  })
  return { type: 'reset', revision, entries }
}
/** All but x, from the start. */
const validator = (from: number | 'anywhere' = 1) =>
  new WatchValidator({ changes, from: from === 'anywhere' ? undefined : from, wants: key => key !== 'x' })

/** The first of the deliveries that is found to be wrong, by its position. */
function wrongAt(deliveries: readonly Delivery[], from: number | 'anywhere' = 1): number {
  const judge = validator(from)
  return deliveries.findIndex(delivery => judge.judge(delivery) !== undefined)
}

describe('the validator of watches', () => {
  test('takes what is right', () => {
    const whole = [change(0), change(1, false), change(2), change(4), change(5)]
    assert.equal(wrongAt(whole), -1)
    assert.equal(wrongAt([change(0), bookmark(1), change(1, false), change(2), bookmark(4), change(4)]), -1)
    assert.equal(wrongAt([change(1, false), change(2), bookmark(2), bookmark(4)], 'anywhere'), -1)
    assert.equal(wrongAt([reset(2, 'a=1@1', 'b=2@2', 'c=3@2'), change(4), change(5)], 'anywhere'), -1)
    assert.equal(
      wrongAt([reset(0), change(0), change(1, false), reset(6, 'b=6@6', 'c=3@2'), bookmark(9)]),
      -1,
    )
  })

  const bad: readonly (readonly [string, readonly Delivery[], number])[] = [
    ['out of order', [change(0), change(4)], 1],
    ['twice', [change(0), change(0)], 1],
    ['left out', [change(0), change(2)], 1],
    ['of a key that is not watched', [change(0), change(1, false), change(2), change(3)], 3],
    ['with another value', [{ ...change(0), value: '7' } as Delivery], 0],
    ['as the last of its revision, which it is not', [change(0), change(1)], 1],
    ['as not the last, which it is', [change(0, false)], 0],
    ['a bookmark before a change that it covers', [bookmark(1)], 0],
    ['a bookmark in the middle of a revision', [change(0), change(1, false), bookmark(2)], 2],
    ['a bookmark that goes back', [change(0), bookmark(1), bookmark(0)], 2],
    ['a state that lacks a key', [reset(2, 'a=1@1', 'b=2@2')], 0],
    ['a state that has one too many', [reset(1, 'a=1@1', 'b=2@2')], 0],
    [
      'a state that is older than what was told',
      [change(0), change(1, false), change(2), reset(1, 'a=1@1')],
      3,
    ],
    ['what the state had already', [reset(2, 'a=1@1', 'b=2@2', 'c=3@2'), change(2)], 1],
  ]
  for (const [what, deliveries, at] of bad)
    test(`finds what is told ${what}`, () => assert.equal(wrongAt(deliveries), at))

  test('judges where a watch is resumed, and what was never told', () => {
    const judge = validator()
    judge.judge(change(0))
    assert.match(`${judge.resume(2)}`, /but not of b = 2 at 2/)
    assert.match(`${validator(3).resume(1)}`, /resumed behind 1/)
    const good = validator()
    good.judge(change(0))
    good.judge(change(1, false))
    assert.equal(good.resume(1), undefined, 'a revision that was told in part is told anew')
    assert.equal(good.judge(change(1, false)), undefined)
    assert.equal(good.missing(), 'c = 3 at 2')
  })
})
