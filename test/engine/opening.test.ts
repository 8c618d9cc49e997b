// Opening a store takes round trips and no pauses: who waits for a member, a leader or a state goes on when it comes.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TestCluster } from './cluster.ts'

/** Less than any tick, pause or heartbeat, and more than all the round trips of the network of these tests. */
const roundTripsMs = 60

describe('from start to the first acknowledged write there is no pause:', () => {
  // Heartbeats come every 300 ms: a newcomer meets them at any point of that time.
  for (const atMs of [0, 70, 140, 210, 280]) {
    test(`a member, ${atMs} ms later`, async () => {
      const cluster = new TestCluster()
      await cluster.open('a')
      await cluster.run(atMs)
      const startMs = cluster.timers.now()
      const { store } = await cluster.open('b')
      await cluster.settle(store.put('key', 1))
      assert.ok(cluster.timers.now() - startMs < roundTripsMs, `${cluster.timers.now() - startMs} ms`)
    })
  }

  test('a client', async () => {
    const cluster = new TestCluster()
    await cluster.open('a')
    const startMs = cluster.timers.now()
    const { store } = await cluster.open('b', { role: 'client' })
    await cluster.settle(store.put('key', 1))
    assert.ok(cluster.timers.now() - startMs < roundTripsMs, `${cluster.timers.now() - startMs} ms`)
  })
})
