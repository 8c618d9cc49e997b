import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RandomNetwork } from './random-network.ts'

const runs = Number(process.env.RAFT_RUNS ?? 150)
const firstSeed = Number(process.env.RAFT_SEED ?? 1)

test('in random networks the properties of the Raft paper hold (figure 3), and the group recovers', () => {
  let reads = 0
  let changes = 0
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const network = new RandomNetwork(seed)
    try {
      network.run(1500)
    } catch (error) {
      throw new Error(`seed ${seed} (run it alone: RAFT_SEED=${seed} RAFT_RUNS=1)`, { cause: error })
    }
    reads += network.reads
    changes += network.changes
  }
  // The adversary must not be so strong that nothing happens.
  assert.ok(reads >= runs && changes >= runs / 4, `${reads} reads, ${changes} changes in ${runs} runs`)
})
