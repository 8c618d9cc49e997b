import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadRecipes } from '../../src/engine/recipes/load.ts'
import { TestCluster } from './cluster.ts'

// Loaded for real, so before any time is virtual.
await loadRecipes()

/** What an endless iteration gave last; its end fails the test. */
function last<Value>(iteration: AsyncIterable<Value>): () => Value | undefined {
  let latest: Value | undefined
  const read = async () => {
    for await (const value of iteration) latest = value
  }
  void read()
  return () => latest
}

test('an election and presence are observed, and a queue and a lock waited for, as long as it takes', async () => {
  const cluster = new TestCluster()
  const { store } = await cluster.open('a')
  const election = await cluster.settle(store.election('e'))
  const room = await cluster.settle(store.presence('r'))
  const queue = await cluster.settle(store.queue('q'))
  const lock = await cluster.settle(store.lock('l', { ttlMs: 86_400_000 }))
  const observed = last(election.observe())
  const present = last(room.watch())
  const taken = queue.take({ deadlineMs: Number.POSITIVE_INFINITY })
  const waiting = store.lock('l', { ttlMs: 86_400_000 })
  await cluster.run(1000)
  // Twelve days and a half, without anything to do.
  for (let days = 0; days < 12.5; days += 0.5) {
    cluster.jump('a', 43_200_000)
    await cluster.run(1000)
  }
  await cluster.settle(election.campaign('a'))
  await cluster.settle(room.join('a'))
  await cluster.settle(queue.push('item'))
  await cluster.settle(lock.release())
  assert.equal(await cluster.settle(taken), 'item')
  await cluster.settle(waiting)
  await cluster.run(1000)
  assert.equal(observed()?.value, 'a')
  assert.equal(present()?.[0]?.value, 'a')
})
