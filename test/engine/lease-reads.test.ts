import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { TestCluster } from './cluster.ts'

const byLease = { consistency: 'lease', deadlineMs: 500 } as const

/** Three voters whose group never sleeps; the first leads. */
async function awake() {
  const cluster = new TestCluster({ quiesceTicks: Number.MAX_SAFE_INTEGER })
  const [a, b] = await cluster.three()
  await cluster.settle(b.store.put('k', 0))
  await cluster.run(1000)
  return { cluster, a, b }
}

function isLate(error: unknown): boolean {
  return isQuorateError(error, 'TIMEOUT') || isQuorateError(error, 'NO_LEADER')
}

describe('a read by lease', () => {
  test('is answered by the leader alone, on every role', async () => {
    const { cluster, a, b } = await awake()
    const client = await cluster.open('z', { role: 'client' })
    assert.equal(await cluster.settle(client.store.get('k', byLease)), 0)
    for (const { store } of [a, b]) {
      const { frames } = await cluster.recorded(async () => {
        assert.equal(await cluster.settle(store.get('k', byLease)), 0)
      })
      // A question and its answer, and nothing to the third one.
      assert.deepEqual(
        frames.filter(({ kind }) => kind === 'raft').map(({ from, to }) => from + to),
        store === a.store ? [] : ['ba', 'ab'],
      )
    }
  })

  test('goes on for a while where the leader is cut off, and then waits for a quorum', async () => {
    const { cluster, a } = await awake()
    for (const other of ['b', 'c']) {
      cluster.network.cut('a', other)
      cluster.network.cut(other, 'a')
    }
    assert.equal(await cluster.settle(a.store.get('k', byLease)), 0)
    await assert.rejects(cluster.settle(a.store.get('k', { deadlineMs: 100 })), isLate)
    await cluster.run(1100)
    await assert.rejects(cluster.settle(a.store.get('k', byLease)), isLate)
  })

  test('of a leader that slept with its clock is none, whatever the clock says', async () => {
    const { cluster, a, b } = await awake()
    for (const other of ['b', 'c']) {
      cluster.network.cut('a', other)
      cluster.network.cut(other, 'a')
    }
    const write = b.store.put('k', 1, { deadlineMs: 20_000 })
    await cluster.sleep('a', 8000)
    await cluster.settle(write)
    await assert.rejects(cluster.settle(a.store.get('k', byLease)), isLate)
    cluster.network.heal()
    assert.equal(await cluster.settle(a.store.get('k', { ...byLease, deadlineMs: 20_000 })), 1)
  })
})
