import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulate } from '../../src/testing/simulator/simulation.ts'

describe('a simulation', () => {
  test('is decided by its seed alone', async () => {
    const options = { seed: 6, events: 3000 }
    const first = await simulate(options)
    const second = await simulate({ ...options, trace: true })
    assert.equal(first.violation, undefined)
    assert.equal(second.hash, first.hash)
    assert.equal(second.events, first.events)
    assert.notEqual((await simulate({ seed: 7, events: 3000 })).hash, first.hash)
  })
})
