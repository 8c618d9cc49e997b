import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostEvents } from '../../src/engine/types.ts'
import { TestCluster } from './cluster.ts'

const nothing = () => null
const some = { commands: { 'seat.reserve@1': nothing, 'seat.free@1': nothing } }
const others = { commands: { 'seat.reserve@1': nothing, 'seat.free@2': nothing } }

test('hosts that were opened with other commands than each other say which, until they have the same', async () => {
  const cluster = new TestCluster()
  const told: HostEvents['commandsDiffer'][] = []
  const [a, b, c] = await cluster.three(name => (name === 'c' ? others : some))
  await cluster.settle(c.host.close())
  for (const { host } of [a, b]) host.on('commandsDiffer', event => told.push(event))
  const again = await cluster.open('c', others)
  await cluster.run(3000)
  const difference = { hostId: 'c', missingHere: ['seat.free@2'], missingThere: ['seat.free@1'] }
  assert.deepEqual(told, [
    { group: 'main', ...difference },
    { group: 'main', ...difference },
  ])
  assert.deepEqual(a.store.status().otherCommands, [difference])
  assert.deepEqual(
    again.store
      .status()
      .otherCommands?.map(({ hostId, missingHere }) => [hostId, missingHere])
      .sort(),
    [
      ['a', ['seat.free@1']],
      ['b', ['seat.free@1']],
    ],
  )
  await cluster.settle(again.host.store('main', some))
  await cluster.run(3000)
  for (const { store } of [a, b, again]) assert.equal(store.status().otherCommands, undefined)
  assert.deepEqual(told.at(-1), { group: 'main', hostId: 'c', missingHere: [], missingThere: [] })
})

test('the commands of a host that went do not count any more, and clients and witnesses need none', async () => {
  const cluster = new TestCluster()
  const a = await cluster.open('a', some)
  await cluster.open('w', { role: 'witness' })
  await cluster.open('z', { role: 'client' })
  const c = await cluster.open('c', {})
  await cluster.run(3000)
  assert.deepEqual(
    a.store.status().otherCommands?.map(({ hostId }) => hostId),
    ['c'],
  )
  await cluster.settle(c.host.close())
  await cluster.run(10_000)
  assert.equal(a.store.status().otherCommands, undefined)
})
