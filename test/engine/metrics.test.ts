import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TestCluster } from './cluster.ts'

describe('a host', () => {
  test('tells what it is in each of its groups', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    await cluster.settle(a.host.store('second'))
    await cluster.settle(a.store.put('k', 1))
    const { cluster: name, hostId, stores } = a.host.info()
    assert.deepEqual([name, hostId], ['test', 'a'])
    const told = stores.map(({ group, role, leader }) => [group, role, leader])
    assert.deepEqual(told, [
      ['main', 'leader', 'a'],
      ['second', 'leader', 'a'],
    ])
    const [main] = stores
    assert(main !== undefined && main.term > 0 && main.commit >= main.applied && main.applied > 1)
  })

  test('tells when a group gets another leader, and when it gets other members', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const news: unknown[] = []
    b.host.on('leader', ({ group, leader }) => news.push([group, leader]))
    b.host.on('members', ({ group, members }) => news.push([group, members.map(({ hostId }) => hostId)]))
    await cluster.open('d')
    await cluster.until(() => news.length > 0)
    assert.deepEqual(news, [['main', ['a', 'b', 'c', 'd']]])
    await cluster.settle(a.host.handOver())
    await cluster.until(() => b.store.status().leader !== undefined && news.length > 1)
    const [, leader] = news.at(-1) as [string, string]
    assert(leader === 'b' || leader === 'c')
  })

  test('that leads and has lost its quorum steps down, and says so (thesis §6.2)', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const roles: string[] = []
    a.host.on('leader', ({ role }) => roles.push(role))
    cluster.network.partition(['a'], ['b', 'c'])
    const start = cluster.timers.now()
    const write = a.store.put('k', 1, { deadlineMs: 20_000 }).catch(() => {})
    await cluster.until(() => roles.includes('follower'))
    assert(cluster.timers.now() - start <= 4_100, 'within two election timeouts')
    await cluster.settle(write)
  })

  test('counts what it does', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const before = b.host.metrics()
    for (let i = 0; i < 10; i++) await cluster.settle(a.store.put(`k${i}`, i))
    await cluster.run(200)
    const { host, groups, dropped } = b.host.metrics()
    assert(host.framesReceived - before.host.framesReceived >= 10)
    assert(host.bytesReceived > before.host.bytesReceived && host.bytesSent > before.host.bytesSent)
    assert(host.writes - before.host.writes >= 10)
    assert(host.turns > before.host.turns)
    assert.equal(host.peers, 2)
    const { main } = groups
    assert.deepEqual([main?.leads, main?.keys, main?.members, main?.leaderChanges], [0, 10, 3, 1])
    assert.equal(main?.applied, a.host.metrics().groups.main?.applied)
    assert.deepEqual(dropped, b.host.info().counters)
    assert.deepEqual(JSON.parse(JSON.stringify(b.host.metrics())), b.host.metrics(), 'plain numbers')
  })

  test('counts a pause, and not what is merely late', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    for (const ms of [500, 3_000]) {
      cluster.pause('a')
      await cluster.run(ms)
      cluster.resume('a')
      await cluster.run(500)
    }
    assert.equal(a.host.metrics().host.pauses, 1)
  })
})
