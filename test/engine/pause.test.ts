import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TestCluster } from './cluster.ts'

/** Three voters whose group never sleeps. */
async function awake(seed = 1) {
  const cluster = new TestCluster({ seed, quiesceTicks: Number.MAX_SAFE_INTEGER })
  const [a, b, c] = await cluster.three()
  await cluster.settle(b.store.put('k', 0))
  return { cluster, a, b, c }
}

describe('a host that stood still', () => {
  test('does not campaign before it has heard its peers out (mutant M147)', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { cluster, b, c } = await awake(seed)
      const { term } = b.store.status()
      // It has nearly waited for as long as an election takes when it comes to a stand.
      for (const from of ['a', 'b']) cluster.network.cut(from, 'c')
      await cluster.run(1_950)
      cluster.pause('c')
      await cluster.run(2_500)
      cluster.network.heal()
      cluster.resume('c')
      const { frames } = await cluster.recorded(() => cluster.run(1_500))
      const asked = frames.filter(({ from, kind }) => from === 'c' && kind === 'raft')
      assert.deepEqual(asked, [], 'it asked for votes')
      assert.deepEqual([b.store.status().term, c.store.status().term], [term, term])
    }
  })

  test('and led, answers no read from before, and follows whoever leads now', async () => {
    const { cluster, a, b } = await awake()
    cluster.pause('a')
    const early = a.store.get('k', { deadlineMs: 20_000 })
    await cluster.settle(b.store.put('k', 1))
    cluster.resume('a')
    const late = a.store.get('k', { deadlineMs: 20_000 })
    assert.deepEqual(await cluster.settle(Promise.all([early, late])), [1, 1])
    assert.notEqual(a.store.status().role, 'leader')
  })

  test('ticks once when it goes on, however long it stood', async () => {
    const { cluster, a, b } = await awake()
    const { term } = a.store.status()
    for (let i = 0; i < 20; i++) {
      cluster.pause('b')
      await cluster.run(1_700)
      cluster.resume('b')
      await cluster.run(300)
    }
    assert.equal(b.store.status().term, term)
    assert.equal(a.store.status().role, 'leader')
  })
})
