import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { isQuorateError } from '../../src/core/error.ts'
import type { Commands } from '../../src/engine/transactions/command.ts'
import { TestCluster, type TestHost } from './cluster.ts'

const commands: Commands = {
  'count@1': (tx, id) => {
    const { value } = tx.increment('count')
    tx.table('calls').put(String(id), [...(tx.table('calls').get<number[]>(String(id)) ?? []), value])
    return value
  },
}

interface Call {
  readonly id: string
  readonly floor: number
  /** What it gave; 'none': nothing was done, as it was told; 'unknown': nobody knows. */
  outcome: number | 'none' | 'unknown'
}

/** Hosts that crash, are cut off and come back, while stores of all of them count. */
async function countThrough(
  seed: number,
): Promise<{ readonly calls: readonly Call[]; readonly last: TestHost }> {
  const cluster = new TestCluster({ seed, snapshotEntriesEvery: 20, trailingEntries: 5 })
  const random = seededRandom(seed * 7919)
  const hosts = await cluster.three(() => ({ commands }))
  const calls: Call[] = []
  let floor = 0
  for (let round = 0; round < 60; round++) {
    const at = Math.floor(random() * 3)
    const { store, name } = hosts[at] as TestHost
    const call: Call = { id: `${round} of ${name}`, floor, outcome: 'unknown' }
    calls.push(call)
    const answer = store.command<number>('count@1', call.id, { deadlineMs: 2000 })
    answer.then(
      value => {
        call.outcome = value
        floor = Math.max(floor, value)
      },
      error => {
        call.outcome = isQuorateError(error) && error.outcome === 'none' ? 'none' : 'unknown'
      },
    )
    await cluster.run(random() * 300)
    const chance = random()
    if (chance < 0.1) {
      cluster.crash(name)
      await cluster.run(random() * 3000)
      const options = { commands, deadlineMs: 30_000 }
      hosts[at] = await cluster.open(name, options)
    } else if (chance < 0.2) {
      cluster.network.partition(
        [name],
        hosts.map(host => host.name).filter(other => other !== name),
      )
      await cluster.run(random() * 5000)
      cluster.network.heal()
    }
  }
  cluster.network.heal()
  await cluster.run(20_000)
  const [last] = hosts
  await cluster.settle(last.store.barrier({ deadlineMs: 60_000 }))
  await cluster.run(3000)
  for (const { store } of hosts) assert.equal(store.status().diverged, undefined, 'all replicas are the same')
  return { calls, last }
}

describe('a command that counts, while hosts crash and are cut off', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`counts once for each answer, and never for a failure (seed ${seed})`, async () => {
      const { calls, last } = await countThrough(seed)
      const known = last.store.table('calls')
      let sum = 0
      for (const { id, floor, outcome } of calls) {
        const counted = (await known.get<number[]>(id, { consistency: 'stale' })) ?? []
        sum += counted.length
        assert.ok(counted.length <= 1, `${id} counted ${counted.length} times`)
        for (const value of counted) assert.ok(value > floor, `${id} counted before it was called`)
        if (typeof outcome === 'number') assert.deepEqual(counted, [outcome], id)
        if (outcome === 'none') assert.deepEqual(counted, [], id)
      }
      assert.equal(await last.store.get('count', { consistency: 'stale' }), sum)
      assert.ok(calls.filter(({ outcome }) => typeof outcome === 'number').length > 20, 'most were answered')
    })
  }
})
