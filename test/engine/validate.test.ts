import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, type Outcome } from '../../src/core/error.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import type { RaftNode } from '../../src/core/raft/raft-node.ts'
import { Leading } from '../../src/engine/replica/leading.ts'
import type { Writer } from '../../src/engine/replica/writer.ts'
import type { StoreHooks } from '../../src/engine/store-hooks.ts'
import { absent, type StoreCommand } from '../../src/engine/types.ts'
import { eventLoopTurn } from '../../src/testing/simulator/promise-jobs.ts'
import { encodeProposal } from '../../src/wire/proposal-codec.ts'
import { TestCluster } from './cluster.ts'

const refused =
  (outcome: Outcome = 'none') =>
  (error: unknown) =>
    isQuorateError(error, 'REFUSED') && error.outcome === outcome && error.message.includes('not for sale')

/** Refuses keys that begin with an x, and remembers what it was asked. */
function rule() {
  const asked: { readonly command: StoreCommand; readonly host: string | undefined }[] = []
  const hooks: StoreHooks = {
    validate: (command, { host }) => {
      asked.push({ command, host })
      return 'key' in command && command.key.startsWith('x') ? 'not for sale' : undefined
    },
  }
  return { asked, hooks }
}

describe('a rule of the store', () => {
  test('is asked on the leader alone, whoever writes, and what it refuses is written nowhere', async () => {
    const cluster = new TestCluster()
    const rules = { a: rule(), b: rule(), c: rule() }
    const [a, b, c] = await cluster.three(name => rules[name as 'a' | 'b' | 'c'].hooks)
    const z = await cluster.open('z', { role: 'client' })
    for (const { name, store } of [a, b, c, z]) {
      await assert.rejects(cluster.settle(store.put(`x${name}`, 1)), refused())
      await cluster.settle(store.put(name, 1))
    }
    const keys = (await cluster.settle(c.store.scan())).map(entry => entry.key)
    assert.deepEqual(keys, ['a', 'b', 'c', 'z'])
    assert.equal(rules.b.asked.length + rules.c.asked.length, 0)
    assert.deepEqual(
      rules.a.asked.map(({ host }) => host),
      ['a', 'a', 'b', 'b', 'c', 'c', 'z', 'z'],
    )
  })

  test('sees each command decoded, and none of those that serve the store itself', async () => {
    const cluster = new TestCluster()
    const { asked, hooks } = rule()
    const { store } = await cluster.open('a', hooks)
    await cluster.settle(store.put('k', { n: [1] }))
    await cluster.settle(store.insert('k', 2))
    await cluster.settle(store.compareAndSwap('k', absent, 3))
    await cluster.settle(store.delete('k'))
    await cluster.settle(store.barrier())
    await cluster.settle(store.broadcast('t', 'b'))
    assert.deepEqual(
      asked.map(({ command }) => command),
      [
        { type: 'put', key: 'k', value: { n: [1] } },
        { type: 'insert', key: 'k', value: 2 },
        { type: 'compareAndSwap', key: 'k', expected: absent, next: 3 },
        { type: 'delete', key: 'k' },
        { type: 'broadcast', topic: 't', body: 'b' },
      ],
    )
  })

  test('leaves the neighbours of what it refuses alone', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three(() => rule().hooks)
    const z = await cluster.open('z', { role: 'client' })
    const writes = [a, b, z].flatMap(({ name, store }) =>
      Array.from({ length: 100 }, (_, i) => store.put(`${i % 3 === 0 ? 'x' : 'k'}${name}${i}`, i)),
    )
    const ends = await cluster.settle(Promise.allSettled(writes))
    for (const [i, end] of ends.entries()) {
      assert.equal(end.status, (i % 100) % 3 === 0 ? 'rejected' : 'fulfilled')
      if (end.status === 'rejected') assert(refused()(end.reason))
    }
    assert.equal((await cluster.settle(b.store.scan())).length, 3 * 66)
  })

  test('refuses where it throws, where it is asynchronous, and where its reason is empty', async () => {
    const cluster = new TestCluster()
    const rules: Record<string, () => unknown> = {
      throws: () => {
        throw new Error('not for sale')
      },
      asynchronous: async () => undefined,
      rejecting: async () => {
        throw new Error('nobody waits for it, and it must end no process')
      },
      nothing: () => {
        throw Object.create(null)
      },
      half: () => {
        throw new Error(`${'x'.repeat(499)}\u{1f4a3} not for sale`)
      },
      empty: () => '',
      accepts: () => undefined,
    }
    const validate = (command: StoreCommand) =>
      'key' in command ? (rules[command.key]?.() as string | undefined) : undefined
    const a = await cluster.open('a', { validate })
    const z = await cluster.open('z', { role: 'client' })
    const { store } = a
    await assert.rejects(cluster.settle(store.put('throws', 1)), refused())
    for (const { store } of [a, z]) {
      for (const key of ['asynchronous', 'rejecting', 'nothing', 'half'])
        await assert.rejects(cluster.settle(store.put(key, 1)), { code: 'REFUSED', outcome: 'none' })
    }
    // What nobody handled would be noticed here.
    await eventLoopTurn()
    await assert.rejects(cluster.settle(store.put('empty', 1)), {
      code: 'REFUSED',
      message: /neither with a reason nor/,
    })
    await cluster.settle(store.put('accepts', 1))
  })

  test('is not asked again when a log is applied, on no replica and after no restart', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(a.store.put('x', 1))
    cluster.crash('b')
    const again = rule()
    const { store } = await cluster.open('b', again.hooks)
    await cluster.settle(a.store.put('x', 2))
    assert.equal(await cluster.settle(store.get('x')), 2)
    assert.equal(again.asked.length, 0)
    assert.equal(b.store.status().role, 'follower')
  })

  test('does not refuse the second attempt of what was written by the first', async () => {
    const cluster = new TestCluster()
    let isClosed = false
    const validate = () => (isClosed ? 'not for sale' : undefined)
    const [, b] = await cluster.three(() => ({ validate }))
    await cluster.settle(b.store.put('k', 0))
    // The command reaches the leader and is committed; b hears of nothing, and hands it on again.
    const put = b.store.put('k', 1, { deadlineMs: 30_000 })
    await cluster.run(1)
    for (const from of ['a', 'c']) cluster.network.cut(from, 'b')
    await cluster.run(500)
    isClosed = true
    await cluster.run(3000)
    cluster.network.heal()
    await cluster.settle(put)
    assert.equal(await cluster.settle(b.store.get('k')), 1)
  })

  test('never says of a command that it was not written where an earlier attempt may have been', async () => {
    const cluster = new TestCluster()
    let isClosed = false
    const validate = () => (isClosed ? 'not for sale' : undefined)
    const [, b, c] = await cluster.three(() => ({ validate }))
    await cluster.settle(b.store.put('k', 0))
    const put = b.store.put('k', 1, { deadlineMs: 30_000 })
    cluster.crash('a')
    isClosed = true
    await assert.rejects(cluster.settle(put), refused('unknown'))
    assert.equal(await cluster.settle(c.store.get('k')), 0)
  })

  test('is asked once it is clear in whose name a command comes, and not where nothing will come of it', () => {
    const { asked, hooks } = rule()
    const machine = new Machine()
    machine.apply(1, { session: 0, seq: 1, acked: 0, command: { type: 'open-session', host: 'b' } })
    machine.apply(2, { session: 1, seq: 1, acked: 0, command: { type: 'barrier' } })
    const logged: Uint8Array[] = []
    const node = {
      propose: (data: Uint8Array[]) => {
        logged.push(...data)
        return { type: 'proposed' }
      },
    } as unknown as RaftNode
    const writer = { admits: () => true } as unknown as Writer
    const leading = new Leading({
      node,
      machine: () => machine,
      hooks: () => hooks,
      writer,
      times: { group: () => 0, wall: () => 0 },
    })
    const take = (session: number, seq: number) => {
      const command = { type: 'delete', key: 'x' } as const
      const proposal = { session, seq, acked: 0, command }
      return leading.take([{ proposal, bytes: encodeProposal(proposal) }])
    }
    assert.deepEqual(take(3, 1).refused, [{ session: 3, seq: 1, isBusy: false, reason: undefined }])
    assert.deepEqual(take(2, 1), { answer: 'handed', refused: [] })
    assert.deepEqual(take(1, 1), { answer: 'handed', refused: [] })
    assert.equal(asked.length, 0)
    assert.deepEqual(take(1, 2).refused, [{ session: 1, seq: 2, isBusy: false, reason: 'not for sale' }])
    assert.deepEqual([asked.length, asked[0]?.host], [1, 'b'])
    assert.equal(logged.length, 2)
  })

  test('can be given when the store is opened again, and must be a function', async () => {
    const cluster = new TestCluster()
    const { host, store } = await cluster.open('a')
    await cluster.settle(store.put('x', 1))
    await cluster.settle(host.store('main', rule().hooks))
    await assert.rejects(cluster.settle(store.put('x', 2)), refused())
    await cluster.settle(host.store('main'))
    await assert.rejects(cluster.settle(store.put('x', 2)), refused())
    const wrong = { validate: 'no' } as unknown as StoreHooks
    await assert.rejects(host.store('main', wrong), TypeError)
  })
})
