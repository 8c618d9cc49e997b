import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { valueDepthMax } from '../../src/core/limits.ts'
import { loadRecipes } from '../../src/engine/recipes/load.ts'
import { loadTransact } from '../../src/engine/transactions/load-transact.ts'
import { encodeProposal } from '../../src/wire/proposal-codec.ts'
import { TestCluster } from './cluster.ts'

// Loaded for real, so before any time is virtual.
await loadRecipes()
await loadTransact()

describe('a queue', () => {
  test('removes an item that nobody can read, tells one of those who ask for it, and gives the others', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    const broken = new Uint8Array([0xc1])
    for (const { name, store } of [b, z]) {
      // Past the leader's own rules.
      const spoil = (order: string) => {
        const command = { type: 'put', key: `\0$queue\0${name}\0i${order}`, value: broken } as const
        const answer = a.host.running
          .get('main')
          ?.node.propose([encodeProposal({ session: 0, seq: 0, acked: 0, command })])
        assert.equal(answer?.type, 'proposed')
      }
      const queue = await store.queue<number>(name)
      spoil('0')
      spoil('00')
      await cluster.settle(queue.push(1))
      await cluster.settle(queue.push(2))
      await assert.rejects(cluster.settle(queue.take()), { code: 'UNSUPPORTED', outcome: 'applied' })
      await assert.rejects(cluster.settle(queue.receive()), { code: 'UNSUPPORTED', outcome: 'applied' })
      assert.equal(await cluster.settle(queue.take()), 1)
      assert.equal((await cluster.settle(queue.receive())).value, 2)
      assert.equal(await cluster.settle(queue.size()), 1)
    }
  })

  test('loses no item by an abort, whenever it comes: it is given all the same, or stays', async () => {
    const cluster = new TestCluster()
    const [, b] = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    for (const { name, store } of [b, z]) {
      const queue = await store.queue<number>(name)
      for (let i = 0; i < 20; i++) await cluster.settle(queue.push(i))
      const taken: number[] = []
      const reasons = new Set<unknown>()
      for (let ms = 0; ms < 40; ms += 4) {
        const ending = new AbortController()
        const take: { value?: number; error?: unknown } = {}
        queue.take({ signal: ending.signal }).then(
          value => Object.assign(take, { value }),
          error => Object.assign(take, { error }),
        )
        await cluster.run(ms)
        ending.abort('enough')
        await cluster.run(1000)
        if (take.value === undefined) reasons.add(take.error)
        else taken.push(take.value)
      }
      assert.ok(taken.length > 0 && taken.length < 10, 'some were aborted in time')
      assert.deepEqual([...reasons], ['enough'])
      assert.deepEqual(
        taken,
        taken.map((_, i) => i),
      )
      assert.equal(await cluster.settle(queue.size()), 20 - taken.length)
    }
  })
})

test('values nested as deep as can be are said and queued; what is deeper is a TypeError', async () => {
  const cluster = new TestCluster()
  const { store } = await cluster.open('a')
  const nested = (depth: number): unknown => (depth === 0 ? 'deep' : [nested(depth - 1)])
  const queue = await store.queue('q')
  const election = await store.election('e')
  await cluster.settle(queue.push(nested(valueDepthMax)))
  assert.deepEqual(await cluster.settle(queue.take()), nested(valueDepthMax))
  await assert.rejects(cluster.settle(queue.push(nested(valueDepthMax + 1))), TypeError)
  const leading = await cluster.settle(election.campaign(nested(valueDepthMax - 1)))
  await assert.rejects(cluster.settle(leading.proclaim(nested(valueDepthMax))), TypeError)
  await assert.rejects(cluster.settle(election.campaign(nested(valueDepthMax))), TypeError)
  const lease = await cluster.settle(store.lease(5000))
  await cluster.settle(store.put('k', nested(valueDepthMax), { lease: lease.id }))
  const copied = store.transact(async tx => tx.put('copy', await tx.get('k')))
  await cluster.settle(copied)
  assert.deepEqual(await cluster.settle(store.get('copy')), nested(valueDepthMax))
})
