import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import type { Grant, Rendezvous } from '../../src/transport/transport.ts'
import { TestCluster } from './cluster.ts'

type Belong = NonNullable<Rendezvous['belong']>

test('a host that lost its leader hears of another founding only where no seed knows its own', async () => {
  const cluster = new TestCluster()
  const rendezvous = cluster.network.rendezvous.bind(cluster.network)
  let told: Parameters<Belong> | undefined
  const belong: Belong = (...given) => {
    told = given
  }
  cluster.network.rendezvous = id => ({ ...rendezvous(id), belong })
  await cluster.open('a')
  await cluster.open('b')
  for (const name of ['a', 'b']) cluster.crash(name)
  const host = await cluster.host('b')
  await cluster.settle(host.store('main', { waitForLeader: false }))
  assert(told !== undefined)
  const [own, heard] = told
  const other: Grant = { founder: 'z', deployment: 'f'.repeat(32) }
  const missed = () =>
    assert.rejects(cluster.settle(host.store('main', { deadlineMs: 300 })), error => {
      assert(isQuorateError(error, 'NO_LEADER') && error.retryable)
      assert.deepEqual(error.detail, { missing: ['a'] })
      assert.match(error.message, /Missing voters: a\..* to begin anew, clear the storage of all hosts$/)
      return true
    })
  const isForeign = () =>
    assert.rejects(cluster.settle(host.store('main', { deadlineMs: 300 })), error => {
      assert(isQuorateError(error, 'WRONG_CLUSTER'))
      assert.match(error.message, /^the seed ws:\/\/one /)
      return true
    })
  await missed()
  heard(other, 'ws://one')
  await isForeign()
  for (const order of [
    [own, other],
    [other, own],
  ]) {
    for (const [n, standing] of order.entries()) heard(standing, ['ws://one', 'ws://two'][n] ?? '')
    await missed()
  }
  heard(other, 'ws://one')
  heard(other, 'ws://two')
  await isForeign()
})
