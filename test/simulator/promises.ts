import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulate } from '../../src/testing/simulator/simulation.ts'

// Other seeds each time: a failure names its own, and `npm run sim -- --replay SEED --trace` shows it again.
const from = Number(process.env.SIM_FROM ?? Date.now() % 1_000_000_000)
const seeds = Number(process.env.SIM_SEEDS ?? 200)
const seedsPerTest = 10

/** The fresh seeds are shared out over so many files, which run side by side. */
const parts = 4

/** Tests that fresh seeds keep every promise: this file's part of them. */
export function testFreshSeeds(part: 1 | 2 | 3 | 4): void {
  const share = Math.ceil(seeds / parts)
  const start = from + (part - 1) * share
  describe('a simulated cluster keeps every promise', () => {
    for (let first = start; first < start + share; first += seedsPerTest) {
      const last = Math.min(start + share, first + seedsPerTest) - 1
      test(`fresh seeds ${first} to ${last}`, async () => {
        for (let seed = first; seed <= last; seed++) await keepsEveryPromise(seed)
      })
    }
  })
}

export async function keepsEveryPromise(seed: number): Promise<void> {
  const { violation } = await simulate({ seed })
  if (violation === undefined) return
  const { rule, message, ms, state } = violation
  assert.fail(`seed ${seed} breaks ${rule} at ${ms.toFixed(1)} ms: ${message}\n${state}`)
}
