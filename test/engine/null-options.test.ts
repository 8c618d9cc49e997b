import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadRecipes } from '../../src/engine/recipes/load.ts'
import { loadTransact } from '../../src/engine/transactions/load-transact.ts'
import { open } from '../../src/node.ts'
import { TestCluster, type TestHost } from './cluster.ts'

// Loaded for real, so before any time is virtual.
await loadRecipes()
await loadTransact()

/** A call of a method: whose, its name, and its arguments. */
type WrongCall = readonly [object, string, ...unknown[]]

function callsOfData(store: object): readonly WrongCall[] {
  return [
    [store, 'put', 'k', 1, null],
    [store, 'insert', 'k', 1, null],
    [store, 'delete', 'k', null],
    [store, 'deleteRange', null],
    [store, 'deleteRange', {}, null],
    [store, 'compareAndSwap', 'k', 1, 2, null],
    [store, 'compareAndDelete', 'k', 1, null],
    [store, 'increment', 'k', null],
    [store, 'get', 'k', null],
    [store, 'entry', 'k', null],
    [store, 'getMany', ['k'], null],
    [store, 'scan', null],
    [store, 'scan', {}, null],
    [store, 'scan', { prefix: null }],
    [store, 'count', null],
    [store, 'count', {}, null],
    [store, 'read', null],
    [store, 'watch', null],
    [store, 'watch', { signal: null }],
    [store, 'live', null],
    [store, 'txn', null],
    [store, 'txn', { compare: null }],
    [store, 'txn', { success: [null] }],
    [store, 'txn', {}, null],
    [store, 'transact', async () => {}, null],
    [store, 'command', 'c@1', null, null],
    [store, 'put', 'k', 1, { deadlineMs: null }],
    [store, 'get', 'k', { signal: null }],
    [store, 'delete', 'k', { fence: null }],
    [store, 'delete', 'k', { fence: { key: null, token: 1 } }],
    [store, 'put', 'k', 1, { lease: null }],
    [store, 'get', 'k', { consistency: null }],
    [store, 'put', 'k', 1, { onCommitted: null }],
  ]
}

function callsOfStore({ host, store }: TestHost): readonly WrongCall[] {
  return [
    [store.live(), 'subscribe', null],
    [store.live(), 'onChange', null],
    [store.watch(), 'reached', 1, null],
    [store, 'on', 'applied', null],
    [store, 'lease', 5000, null],
    [store, 'lock', 'l', null],
    [store, 'lock', 'l', {}, null],
    [store, 'lock', 'l', { ttlMs: null }],
    [store, 'tryLock', 'l', null],
    [store, 'semaphore', 's', null],
    [store, 'counter', 'c', null],
    [store, 'counter', 'c', { min: null }],
    [store, 'barrier', null],
    [store, 'ready', null],
    [store, 'broadcast', 't', 1, null],
    [store, 'broadcasts', null],
    [store, 'entries', null],
    [store, 'entries', { signal: null }],
    [store, 'request', 'r', 1, null],
    [store, 'members', null],
    [store, 'membership', null],
    [store, 'promote', 'a', null],
    [store, 'promote', 'a', { expectedRevision: null }],
    [store, 'demote', 'a', null],
    [store, 'remove', 'a', null],
    [store, 'setWeights', { a: 2 }, null],
    [store, 'setQuorum', undefined, null],
    [store, 'transferLeadership', 'a', null],
    [host, 'store', 'main', null],
    [host, 'store', 'main', { validate: null }],
    [host, 'ping', 'a', null],
    [host, 'on', 'leader', null],
  ]
}

async function callsOfOthers(cluster: TestCluster, { store }: TestHost): Promise<readonly WrongCall[]> {
  const view = await cluster.settle(store.read())
  const counter = await store.counter('c')
  const election = await store.election('e')
  const queue = await store.queue('q')
  const presence = await store.presence('p')
  const semaphore = await store.semaphore('s', { limit: 1 })
  await cluster.settle(queue.push(1))
  const message = await cluster.settle(queue.receive())
  const leader = await cluster.settle(election.campaign())
  const present = await cluster.settle(presence.join())
  const local: readonly WrongCall[] = view.local
    ? [
        [view.local, 'scan', null],
        [view.local, 'count', null],
      ]
    : []
  return [
    [view, 'get', 'k', null],
    [view, 'scan', null],
    [view, 'scan', {}, null],
    [view, 'count', null],
    ...local,
    [semaphore, 'acquire', null],
    [semaphore, 'use', null, () => {}],
    [counter, 'add', 1, null],
    [counter, 'get', null],
    [queue, 'push', 1, null],
    [queue, 'take', null],
    [queue, 'receive', null],
    [queue, 'size', null],
    [message, 'acknowledge', null],
    [election, 'campaign', 1, null],
    [election, 'leader', null],
    [leader, 'proclaim', 1, null],
    [presence, 'join', 1, null],
    [presence, 'list', null],
    [present, 'update', 1, null],
  ]
}

function called([target, name, ...args]: WrongCall): unknown {
  return (Reflect.get(target, name) as (...args: readonly unknown[]) => unknown).apply(target, args)
}

describe('null, or what is none, where options or a range would be', () => {
  for (const role of ['member', 'client'] as const) {
    test(`is a TypeError that says so, on a ${role}, and nothing is logged`, async () => {
      const cluster = new TestCluster()
      const a = await cluster.open('a')
      const asked = role === 'member' ? a : await cluster.open('z', { role })
      const others = await callsOfOthers(cluster, asked)
      const { commit } = a.store.status()
      const wrong: string[] = []
      for (const call of [...callsOfData(asked.store), ...callsOfStore(asked), ...others]) {
        const error = await cluster
          .settle(new Promise(resolve => resolve(called(call))))
          .catch((error: unknown) => error)
        const isClear =
          error instanceof TypeError &&
          / must be | is a | is an | is null in | holds objects$/.test(error.message)
        const [, name, ...args] = call
        if (!isClear) wrong.push(`${name} ${JSON.stringify(args)}: ${error}`)
      }
      assert.deepEqual(wrong, [])
      assert.equal(a.store.status().commit, commit)
    })
  }

  test('may hold no name that means nothing, wherever options may be: a TypeError, and nothing is logged', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const others = await callsOfOthers(cluster, a)
    const { commit } = a.store.status()
    const wrong: string[] = []
    // A last argument that is null stands where options or a range may be; but a listener, and a lock's function.
    const isOfOptions = ([, name, ...args]: WrongCall) =>
      args.at(-1) === null && !['on', 'onChange', 'subscribe', 'txn', 'reached', 'lock'].includes(name)
    const calls = [...callsOfData(a.store), ...callsOfStore(a), ...others].filter(isOfOptions)
    calls.push([a.store, 'txn', {}, null], [a.store, 'lock', 'l', null], [a.host, 'store', 'main', null])
    for (const [target, name, ...args] of calls) {
      const call: WrongCall = [target, name, ...args.slice(0, -1), { fense: 1 }]
      const error = await cluster
        .settle(new Promise(resolve => resolve(called(call))))
        .catch((error: unknown) => error)
      const isClear = error instanceof TypeError && / means nothing in /.test(error.message)
      if (!isClear) wrong.push(`${name} ${JSON.stringify(args)}: ${error}`)
    }
    assert.ok(calls.length > 50)
    assert.deepEqual(wrong, [])
    assert.equal(a.store.status().commit, commit)
    const options = { cluster: 'c', secret: 's', deadlinMs: 5 }
    await assert.rejects(open(options), new TypeError('deadlinMs means nothing in options'))
  })

  test('behind the function of a lock or a permit would not be heard: a TypeError', async () => {
    const { store } = await new TestCluster().open('a')
    const semaphore = await store.semaphore('s', { limit: 1 })
    const never = () => assert.fail('it ran')
    for (const options of [{ deadlineMs: 300 }, never, null])
      for (const call of [store.lock.bind(store, 'l'), semaphore.use.bind(semaphore)])
        await assert.rejects((call as (...args: unknown[]) => Promise<unknown>)(never, options), {
          name: 'TypeError',
          message: 'the function must be the last argument, after the options',
        })
  })

  test('is a TypeError where a host is opened, before anything is', async () => {
    const options = { cluster: 'c', secret: 's' }
    for (const name of ['seeds', 'data', 'storage', 'role', 'deadlineMs', 'iceServers', 'validate'])
      await assert.rejects(open({ ...options, [name]: null }), {
        name: 'TypeError',
        message: `${name} is null in options: leave it out`,
      })
    await assert.rejects(open(null as never), TypeError)
  })

  test('is a TypeError in a transaction and in a command, too', async () => {
    const cluster = new TestCluster()
    const errors: string[] = []
    const attempt = (call: () => unknown) => {
      try {
        call()
      } catch (error) {
        errors.push(String(error))
      }
    }
    const commands = {
      'wrong@1': (tx: object) => {
        attempt(() => called([tx, 'put', 'k', 1, null]))
        attempt(() => called([tx, 'increment', 'k', null]))
        attempt(() => called([tx, 'scan', null]))
        attempt(() => called([tx, 'deleteRange', null]))
      },
    }
    const { store } = await cluster.open('a', { commands })
    await cluster.settle(store.command('wrong@1'))
    await cluster.settle(
      store.transact(async (tx: object) => {
        attempt(() => called([tx, 'put', 'k', 1, null]))
        for (const name of ['scan', 'count'])
          await (called([tx, name, null]) as Promise<unknown>).catch(error => errors.push(`${error}`))
      }),
    )
    const [options, range] = ['TypeError: options must be an object', 'TypeError: range must be an object']
    assert.deepEqual(errors, [options, options, range, range, options, range, range])
  })
})
