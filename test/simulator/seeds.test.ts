import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulate } from '../../src/testing/simulator/simulation.ts'
import { corpus } from './corpus.ts'

// Other seeds each time: a failure names its own, and `npm run sim -- --replay SEED --trace` shows it again.
const from = Number(process.env.SIM_FROM ?? Date.now() % 1_000_000_000)
const seeds = Number(process.env.SIM_SEEDS ?? 200)
const seedsPerTest = 20

async function keepsEveryPromise(seed: number): Promise<void> {
  const { violation } = await simulate({ seed })
  if (violation === undefined) return
  const { rule, message, ms, state } = violation
  assert.fail(`seed ${seed} breaks ${rule} at ${ms.toFixed(1)} ms: ${message}\n${state}`)
}

describe('a simulated cluster keeps every promise', () => {
  for (let first = from; first < from + seeds; first += seedsPerTest) {
    const last = Math.min(from + seeds, first + seedsPerTest) - 1
    test(`fresh seeds ${first} to ${last}`, async () => {
      for (let seed = first; seed <= last; seed++) await keepsEveryPromise(seed)
    })
  }

  for (const { seed, found } of corpus)
    test(`seed ${seed}, which found: ${found}`, () => keepsEveryPromise(seed))
})
