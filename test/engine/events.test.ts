import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { TestCluster } from './cluster.ts'

/** What a store says of its leader and its members, in words. */
function heard(store: Store): string[] {
  const events: string[] = []
  store.on('leader', ({ leader, role }) => events.push(`${role} under ${leader}`))
  store.on('members', members =>
    events.push(members.map(({ hostId, role }) => `${hostId} ${role}`).join(', ')),
  )
  return events
}

describe('a store', () => {
  test('tells of leaders that come and go, and of its own part', async () => {
    const cluster = new TestCluster()
    const [, b, c] = await cluster.three()
    const [ofB, ofC] = [heard(b.store), heard(c.store)]
    cluster.crash('a')
    await cluster.until(() => [b, c].some(({ store }) => store.status().role === 'leader'))
    await cluster.run(1000)
    const [leader, ofLeader, ofFollower] =
      b.store.status().role === 'leader' ? ['b', ofB, ofC] : ['c', ofC, ofB]
    assert.equal(ofLeader.at(-1), `leader under ${leader}`)
    assert.equal(ofFollower.at(-1), `follower under ${leader}`)
    assert(ofLeader.includes('candidate under undefined'))
  })

  test('whose leader finds itself without a quorum says so', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const events = heard(a.store)
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.run(10_000)
    assert.equal(events[0], 'follower under undefined')
    assert.notEqual(a.store.status().role, 'leader')
  })

  test('tells of members, each change once', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const events = heard(a.store)
    await cluster.open('b')
    await cluster.open('c')
    await cluster.settle(a.store.promote(['b', 'c']))
    await cluster.settle(a.store.remove('c'))
    assert.deepEqual(events.slice(0, 3), [
      'a voter, b learner',
      'a voter, b learner, c learner',
      'a voter, b voter, c voter',
    ])
    assert(!events.at(-1)?.includes('c '))
  })

  test('tells of its removal once that is durable', async () => {
    const cluster = new TestCluster()
    const pause = () => new Promise<void>(resolve => cluster.timers.after(50, resolve))
    cluster.disks.set('b', new MemoryDisk({ delay: pause }))
    const a = await cluster.open('a')
    const b = await cluster.open('b')
    const writes = Array.from({ length: 50 }, (_, i) => a.store.put(`k${i}`, i))
    let isTold = false
    b.store.on('leader', ({ role }) => {
      isTold = role === 'removed'
    })
    await cluster.settle(a.store.remove('b'))
    await cluster.until(() => isTold)
    cluster.crash('b')
    await cluster.settle(Promise.all(writes))
    // Nobody is there to tell it again.
    cluster.network.partition(['a'], ['b'])
    const again = cluster.open('b')
    await assert.rejects(cluster.settle(again), error => isQuorateError(error, 'REMOVED'))
  })

  test('is ready on a newcomer once that has caught up, and watches live from there, without a vote', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 100, trailingEntries: 10 })
    const [a] = await cluster.three()
    for (let i = 0; i < 500; i++) await cluster.settle(a.store.put(`k${i}`, i))
    const host = await cluster.host('w')
    const store = await cluster.settle(host.store('main', { waitForLeader: false }))
    assert(store.status().keys < 500)
    await cluster.settle(store.ready())
    assert.equal((await cluster.settle(store.scan({}, { consistency: 'stale' }))).length, 500)
    const watch = store.watch()
    await cluster.settle(a.store.put('live', 1))
    assert.equal((await cluster.settle(watch.next())).value?.key, 'live')
    const client = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.store.ready())
    cluster.network.partition(['w', 'z'], ['a', 'b', 'c'])
    await cluster.settle(a.store.put('live', 2))
    for (const one of [store, client.store]) {
      await assert.rejects(cluster.settle(one.ready({ deadlineMs: 1000 })), error => isQuorateError(error))
    }
  })
})
