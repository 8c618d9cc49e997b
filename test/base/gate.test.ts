import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gate } from '../../src/base/gate.ts'

test('a gate shuts at its bound and opens when 30 % are free again', () => {
  const gate = new Gate(100)
  assert.equal(gate.admits(10, 90), true)
  assert.equal(gate.admits(11, 90), false)
  assert.equal(gate.admits(1, 71), false)
  assert.equal(gate.admits(1, 70), true)
  assert.equal(gate.admits(20, 80), true, 'it is open up to the bound')
})

test('whatever is larger than the bound is let in where nothing waits', () => {
  const gate = new Gate(100)
  assert.equal(gate.admits(1000, 0), true)
  assert.equal(gate.admits(1, 1000), false)
  assert.equal(gate.admits(1000, 0), true)
})
