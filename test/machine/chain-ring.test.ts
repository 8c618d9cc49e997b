import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chainRingEntriesMax } from '../../src/core/limits.ts'
import { ChainRing } from '../../src/core/machine/chain-ring.ts'

test('a ring of chains knows the latest, and of older ones that which was asked for last', () => {
  const ring = new ChainRing(10, 110)
  for (let index = 11; index <= 20; index++) ring.add(100 + index)
  assert.equal(ring.keep(21), undefined)
  assert.equal(ring.keep(14), 114)
  assert.equal(ring.keep(15), 115)
  for (let i = 0; i < 3 * chainRingEntriesMax; i++) ring.add(0)
  assert.equal(ring.at(14), undefined)
  assert.equal(ring.at(15), 115)
  assert.equal(ring.keep(14), undefined)
  assert.equal(ring.at(15), 115)
})
