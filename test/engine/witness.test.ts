import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ErrorCode, isQuorateError } from '../../src/core/error.ts'
import { TestCluster, type TestHost } from './cluster.ts'

const fails = (promise: Promise<unknown>, code: ErrorCode) =>
  assert.rejects(promise, error => isQuorateError(error, code))

const secret = 'what no witness may ever hold'

/** A cluster of two members that keep values and a witness, all voters; `a` leads. */
async function group(options = {}): Promise<{ cluster: TestCluster; a: TestHost; b: TestHost; w: TestHost }> {
  const cluster = new TestCluster(options)
  const a = await cluster.open('a')
  await cluster.settle(a.store.put('early', secret))
  const b = await cluster.open('b')
  const w = await cluster.open('w', { role: 'witness' })
  await cluster.settle(a.store.promote(['b', 'w']))
  return { cluster, a, b, w }
}

describe('a witness', () => {
  test('joins without a vote, and has one when it is promoted', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    await cluster.open('b')
    const w = await cluster.open('w', { role: 'witness' })
    const shown = async () =>
      (await cluster.settle(a.store.members())).map(({ hostId, role, witness }) => [hostId, role, witness])
    assert.deepEqual(await shown(), [
      ['a', 'voter', false],
      ['b', 'learner', false],
      ['w', 'learner', true],
    ])
    await cluster.settle(a.store.promote(['b', 'w']))
    assert.deepEqual(await shown(), [
      ['a', 'voter', false],
      ['b', 'voter', false],
      ['w', 'voter', true],
    ])
    assert.equal(w.store.status().role, 'witness')
  })

  test('keeps the group going when either of two members is lost', async () => {
    for (const lost of ['a', 'b']) {
      const { cluster, a, b } = await group()
      await cluster.settle(b.store.put('k', 1))
      cluster.crash(lost)
      const { store } = lost === 'a' ? b : a
      await cluster.settle(store.put('k', 2, { deadlineMs: 30_000 }))
      assert.equal(await cluster.settle(store.get('k')), 2)
      assert.equal(await cluster.settle(store.get('early')), secret)
      assert.equal(store.status().role, 'leader')
    }
  })

  test('lets nobody lead who lacks what it acknowledged, and nothing is lost when the other one is back', async () => {
    const { cluster, a, b } = await group()
    await cluster.settle(b.store.put('k', 1))
    cluster.network.partition(['a', 'w'], ['b'])
    await cluster.settle(a.store.put('k', 2))
    cluster.crash('a')
    cluster.network.heal()
    await cluster.run(10_000)
    await fails(cluster.settle(b.store.put('k', 3, { deadlineMs: 20_000 })), 'NO_LEADER')
    const again = await cluster.open('a')
    assert.equal(await cluster.settle(b.store.get('k', { deadlineMs: 30_000 })), 2)
    await cluster.settle(again.store.put('k', 4))
  })

  test('never leads, and leadership is not handed to it', async () => {
    const { cluster, a, b, w } = await group()
    await cluster.settle(b.store.put('k', 1))
    await fails(cluster.settle(a.store.transferLeadership('w')), 'MEMBERSHIP_REFUSED')
    cluster.crash('b')
    await cluster.settle(a.host.handOver())
    await cluster.run(10_000)
    assert.equal(a.store.status().role, 'leader')
    cluster.crash('a')
    await cluster.run(30_000)
    assert.equal(w.store.status().role, 'witness')
    await cluster.open(b.name)
    await cluster.until(() => w.store.status().leader === 'b')
  })

  test('works through the others: its own store reads and writes, and is no gateway for clients', async () => {
    const { cluster, b, w } = await group()
    assert.equal(await cluster.settle(w.store.get('early')), secret)
    await cluster.settle(w.store.put('k', 'by w'))
    assert.equal(await cluster.settle(b.store.get('k')), 'by w')
    const watch = w.store.watch({ key: 'k' })
    await cluster.run(500)
    await cluster.settle(b.store.put('k', 'seen'))
    assert.equal((await cluster.settle(watch.next())).value?.value, 'seen')
    const client = await cluster.open('z', { role: 'client' })
    cluster.network.partition(['w', 'z'], ['a', 'b'])
    await fails(cluster.settle(client.store.get('k', { deadlineMs: 10_000 })), 'UNREACHABLE')
  })

  test('gets no value, neither by the log nor by a snapshot, and its disk holds none', async () => {
    const { cluster, a } = await group({
      snapshotEntriesEvery: 10,
      trailingEntries: 2,
      heldLogBytesMax: 100,
    })
    for (let i = 0; i < 15; i++) await cluster.settle(a.store.put(`k${i}`, secret))
    cluster.network.partition(['a', 'b'], ['w'])
    for (let i = 0; i < 50; i++) await cluster.settle(a.store.put(`k${i}`, secret))
    cluster.network.heal()
    await cluster.run(20_000)
    cluster.crash('b')
    await cluster.settle(a.store.put('last', secret))
    cluster.crash('w')
    const held = (name: string) => [...bytesOf(cluster.disks.get(name))].some(text => text.includes(secret))
    assert.ok(!held('w'))
    assert.ok(held('a'), 'the search finds values')
  })

  test('is what it was after a restart, whatever its options say then', async () => {
    const { cluster, a } = await group({ snapshotEntriesEvery: 5, trailingEntries: 1 })
    for (let i = 0; i < 20; i++) await cluster.settle(a.store.put('k', i))
    cluster.crash('w')
    const w = await cluster.open('w', { role: 'member' })
    assert.equal(w.store.status().role, 'witness')
    cluster.crash('b')
    await cluster.settle(a.store.put('k', 20))
    assert.equal(await cluster.settle(w.store.get('k')), 20)
  })

  test('founds nothing: it waits for a member who does', async () => {
    const cluster = new TestCluster()
    const host = await cluster.host('w', { role: 'witness' })
    const opening = host.store('main', { deadlineMs: 60_000 })
    await cluster.run(1000)
    await cluster.open('a')
    const store = await cluster.settle(opening)
    await cluster.settle(store.put('k', 1))
  })

  test('is no majority: the last member with values is not demoted, and witnesses do not outnumber them', async () => {
    const { cluster, a } = await group()
    await cluster.settle(a.store.demote('b'))
    await fails(cluster.settle(a.store.demote('a')), 'LAST_VOTER')
    await cluster.settle(a.store.promote('b'))
    await cluster.open('v', { role: 'witness' })
    await cluster.settle(a.store.promote('v'))
    const waiting = (await cluster.settle(a.store.members())).find(({ hostId }) => hostId === 'v')
    assert.equal(waiting?.role, 'learner')
    await fails(cluster.settle(a.store.remove('b')), 'MEMBERSHIP_REFUSED')
    await fails(cluster.settle(a.store.setWeights({ w: 3 })), 'MEMBERSHIP_REFUSED')
    await cluster.settle(a.store.put('k', 1))
  })

  test('can be removed, also the one of a group whose other member is down', async () => {
    const { cluster, a } = await group()
    cluster.crash('b')
    await cluster.settle(a.store.remove('w'))
    const members = await cluster.settle(a.store.members())
    assert.deepEqual(
      members.map(({ hostId, role }) => [hostId, role]),
      [
        ['a', 'voter'],
        ['b', 'learner'],
      ],
    )
  })
})

/** All byte strings that hang on a disk, as text. */
function* bytesOf(value: unknown, seen = new Set<unknown>()): Generator<string> {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  if (value instanceof Uint8Array) yield Buffer.from(value).toString('latin1')
  else if (value instanceof Map) for (const pair of value) yield* bytesOf(pair, seen)
  else for (const part of Object.values(value)) yield* bytesOf(part, seen)
}
