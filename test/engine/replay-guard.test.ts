import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replayWindow } from '../../src/core/limits.ts'
import { ReplayGuard } from '../../src/engine/peers/replay-guard.ts'

test('a frame that comes twice is known by its sender and its number, until its connection is over', () => {
  const guard = new ReplayGuard()
  assert.equal(guard.isRepeated('a', 7), false)
  assert.equal(guard.isRepeated('a', 7), true)
  assert.equal(guard.isRepeated('b', 7), false, 'of another sender')
  guard.forget('a')
  assert.equal(guard.isRepeated('a', 7), false, 'of another life')
  assert.equal(guard.isRepeated('b', 7), true)
})

test('the latest frames are known, whatever came before them', () => {
  const guard = new ReplayGuard()
  const numbers = Array.from({ length: 3 * replayWindow }, (_, i) => 5 * i)
  for (const number of numbers) assert.equal(guard.isRepeated('a', number), false)
  for (const number of numbers.slice(-replayWindow)) assert.equal(guard.isRepeated('a', number), true)
})
