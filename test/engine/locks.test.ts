import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, type Outcome } from '../../src/core/error.ts'
import { loadRecipes } from '../../src/engine/recipes/load.ts'
import type { Lock } from '../../src/engine/recipes/lock.ts'
import { TestCluster, type TestHost } from './cluster.ts'

// Loaded for real, so before any time is virtual.
await loadRecipes()

const failed =
  (code: string, outcome: Outcome = 'none') =>
  (error: unknown) =>
    isQuorateError(error) && error.code === code && error.outcome === outcome

/** Keys and leases that a replica has. */
function leftOn({ host }: TestHost): { readonly keys: number; readonly leases: number } {
  const machine = host.running.get('main')?.machine
  assert.ok(machine !== undefined)
  return { keys: machine.view().size, leases: machine.leases.size }
}

/** The lock as soon as it is had. */
function watched(promise: Promise<Lock>): { lock: Lock | undefined; error: unknown } {
  const state: { lock: Lock | undefined; error: unknown } = { lock: undefined, error: undefined }
  promise.then(
    lock => {
      state.lock = lock
    },
    error => {
      state.error = error
    },
  )
  return state
}

describe('a lock', () => {
  test('is held by one at a time, in the order in which they came, with growing tokens', async () => {
    const cluster = new TestCluster()
    const hosts = await cluster.three()
    const client = await cluster.open('z', { role: 'client' })
    const order: string[] = []
    const tokens: number[] = []
    let holders = 0
    const runs: Promise<void>[] = []
    for (const { name, store } of [hosts[1], client, hosts[0], hosts[2], client, hosts[1]]) {
      runs.push(
        store.lock('printer', async ({ token }) => {
          holders += 1
          assert.equal(holders, 1)
          order.push(name)
          tokens.push(token)
          await store.put('last', name)
          holders -= 1
        }),
      )
      await cluster.run(500)
    }
    await cluster.settle(Promise.all(runs))
    assert.deepEqual(order, ['b', 'z', 'a', 'c', 'z', 'b'])
    assert.deepEqual(
      tokens,
      [...tokens].sort((left, right) => left - right),
    )
    assert.equal(new Set(tokens).size, 6)
    await cluster.run(500)
    for (const host of hosts) assert.deepEqual(leftOn(host), { keys: 1, leases: 0 })
  })

  test('gives what its function gave, or threw, and is free after either', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    assert.equal(await cluster.settle(store.lock('l', {}, () => 42)), 42)
    const mistake = new RangeError('of the callback')
    const thrown = cluster.settle(
      store.lock('l', () => {
        throw mistake
      }),
    )
    await assert.rejects(thrown, mistake)
    assert.ok(await cluster.settle(store.tryLock('l')))
  })

  test('wakes the next in line alone, and writes nothing while they wait', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const first = await cluster.settle(a.store.lock('l', { ttlMs: 600_000 }))
    const waiting: ReturnType<typeof watched>[] = []
    for (let count = 0; count < 5; count++) {
      waiting.push(watched(b.store.lock('l', { ttlMs: 600_000 })))
      await cluster.run(300)
    }
    await cluster.run(2000)
    const { applied } = a.store.status()
    await cluster.run(10_000)
    assert.equal(a.store.status().applied, applied)
    const scan = b.host.running.get('main')?.machine
    assert.ok(scan !== undefined)
    let reads = 0
    const view = scan.view.bind(scan)
    scan.view = () => {
      reads += 1
      return view()
    }
    await cluster.settle(first.release())
    await cluster.run(2000)
    assert.deepEqual(
      waiting.map(({ lock }) => lock !== undefined),
      [true, false, false, false, false],
    )
    assert.equal(reads, 1, 'the next one looks whether it is its turn, and nobody else looks at all')
    assert.equal(a.store.status().applied, applied + 1, 'a revoked lease')
  })

  test('is not reentrant: a second one of the same host waits, and its deadline ends that', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const run = store.lock('l', async () => {
      await assert.rejects(store.lock('l', { deadlineMs: 1000 }), failed('TIMEOUT'))
      assert.equal(await store.tryLock('l'), undefined)
      return 'done'
    })
    assert.equal(await cluster.settle(run), 'done')
  })

  test('is let go of by the end of its block', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const lock = await cluster.settle(store.lock('l'))
    await cluster.settle(lock[Symbol.asyncDispose]())
    assert.equal(lock.signal.aborted, true)
    assert.ok(lock.isReleased)
    assert.ok(await cluster.settle(store.tryLock('l')))
  })

  test('cannot be opened as a table, and its name has no U+0000', async () => {
    const { store } = await new TestCluster().open('a')
    assert.throws(() => store.table('$lock'), TypeError)
    await assert.rejects(store.txn({ success: [{ type: 'get', table: '$lock', key: 'l' }] }), TypeError)
    for (const name of ['', 'a\0b', 1 as never]) await assert.rejects(store.lock(name), TypeError)
    await assert.rejects(store.lock('x'.repeat(1020)), failed('TOO_LARGE'))
    await assert.rejects(store.lock('l', { ttlMs: 10 }), TypeError)
    await assert.rejects(store.lock('l', { deadlineMs: 0 }), TypeError)
  })
})

describe('who waits for a lock', () => {
  test('leaves nothing behind at its deadline, and the next one has its turn', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const first = await cluster.settle(a.store.lock('l'))
    const gone = assert.rejects(cluster.settle(b.store.lock('l', { deadlineMs: 3000 })), failed('TIMEOUT'))
    await cluster.run(500)
    const next = watched(c.store.lock('l'))
    await gone
    await cluster.run(1000)
    assert.equal(next.lock, undefined, 'the first still holds it')
    assert.deepEqual(leftOn(a), { keys: 2, leases: 2 })
    await cluster.settle(first.release())
    await cluster.run(500)
    assert.ok(next.lock !== undefined)
  })

  test('leaves nothing behind when it is aborted', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const first = await cluster.settle(a.store.lock('l'))
    const controller = new AbortController()
    const waiting = b.store.lock('l', { signal: controller.signal })
    await cluster.run(500)
    const reason = new Error('no more')
    controller.abort(reason)
    await assert.rejects(cluster.settle(waiting), reason)
    await cluster.run(500)
    assert.deepEqual(leftOn(a), { keys: 1, leases: 1 })
    await cluster.settle(first.release())
    await assert.rejects(cluster.settle(b.store.lock('l', { signal: controller.signal })), reason)
  })

  test('leaves nothing behind though it does not know whether it had entered', async () => {
    let entered = 0
    for (let cutAfterMs = 1; ; cutAfterMs++) {
      const cluster = new TestCluster()
      const [a, b, c] = await cluster.three()
      await cluster.settle(b.store.put('session', 'open'))
      const waiting = watched(b.store.lock('l', { deadlineMs: 1500 }))
      await cluster.run(cutAfterMs)
      if (waiting.lock !== undefined) break
      cluster.network.partition(['b'], ['a', 'c'])
      await cluster.run(2000)
      assert.ok(isQuorateError(waiting.error) && waiting.error.outcome === 'none')
      entered += leftOn(a).keys - 1
      cluster.network.heal()
      await cluster.run(16_000)
      for (const host of [a, b, c]) assert.deepEqual(leftOn(host), { keys: 1, leases: 0 })
      assert.ok(await cluster.settle(c.store.tryLock('l')), `cut after ${cutAfterMs} ms`)
    }
    assert.ok(entered > 0, 'it was in the line and was not told')
  })

  test('is told at once that its own place is lost, while others still hold', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const first = await cluster.settle(a.store.lock('l', { ttlMs: 60_000 }))
    const waiting = watched(c.store.lock('l', { ttlMs: 2000 }))
    await cluster.run(1000)
    cluster.network.partition(['c'], ['a', 'b'])
    await cluster.run(2500)
    assert.ok(failed('LEASE_LOST')(waiting.error), 'before it could hear of anything')
    cluster.network.heal()
    await cluster.settle(first.release())
    const lock = await cluster.settle(b.store.tryLock('l'))
    assert.ok(lock !== undefined)
  })

  test('is not given what it waited for when its place is gone by then', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const first = await cluster.settle(a.store.lock('l', { ttlMs: 60_000 }))
    const late = watched(c.store.lock('l', { ttlMs: 2000 }))
    await cluster.run(1000)
    cluster.pause('c')
    await cluster.run(4000)
    await cluster.settle(first.release())
    const next = await cluster.settle(b.store.lock('l', { ttlMs: 60_000 }))
    cluster.resume('c')
    await cluster.run(5000)
    assert.equal(late.lock, undefined)
    assert.ok(failed('LEASE_LOST')(late.error))
    assert.equal(next.signal.aborted, false)
  })

  test('is not given it either when nothing told of the loss of its place', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const first = await cluster.settle(a.store.lock('l', { ttlMs: 60_000 }))
    const late = watched(b.store.lock('l', { ttlMs: 60_000 }))
    await cluster.run(500)
    // Its watches end, as they do where a snapshot came: it begins again to watch what it waits for.
    b.host.running.get('main')?.watchers.reset(Number.MAX_SAFE_INTEGER)
    await cluster.run(100)
    const leases = [...(a.host.running.get('main')?.machine.leases.all() ?? [])].map(({ id }) => id)
    await cluster.settle(revoke(a, Math.max(...leases)))
    await cluster.settle(first.release())
    await cluster.run(500)
    assert.equal(late.lock, undefined)
    assert.ok(failed('LEASE_LOST')(late.error))
  })

  test('is not given it when the time of its lease is over here, though the group has not ended it', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three()
    const first = await cluster.settle(a.store.lock('l', { ttlMs: 60_000 }))
    const late = watched(c.store.lock('l', { ttlMs: 2000 }))
    // As on a host whose timers are late: it keeps nothing alive, and nothing tells it of the time.
    c.store.tick = () => {}
    await cluster.run(1850)
    assert.equal(leftOn(a).keys, 2)
    await cluster.settle(first.release())
    await cluster.until(() => late.error !== undefined || late.lock !== undefined, 100)
    assert.ok(failed('LEASE_LOST')(late.error))
  })

  test('waits on through a change of leaders', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const first = await cluster.settle(b.store.lock('l'))
    const next = watched(c.store.lock('l'))
    await cluster.run(500)
    cluster.crash(a.name)
    await cluster.run(5000)
    assert.notEqual(b.store.status().leader, 'a')
    await cluster.settle(first.release())
    await cluster.run(1000)
    assert.ok(next.lock !== undefined && next.lock.token > first.token)
  })

  test('enters once, though the leader goes while it does', async () => {
    for (const afterMs of [2, 6, 10, 14, 18, 22, 26]) {
      const cluster = new TestCluster()
      const [, b, c] = await cluster.three()
      await cluster.settle(b.store.put('session', 'open'))
      const entering = b.store.lock('l')
      await cluster.run(afterMs)
      cluster.crash('a')
      const lock = await cluster.settle(entering)
      assert.equal(lock.signal.aborted, false)
      assert.deepEqual(leftOn(b), { keys: 2, leases: leftOn(b).leases })
      await cluster.settle(lock.release())
      assert.ok(await cluster.settle(c.store.tryLock('l')))
    }
  })

  test('is told that its store was closed, on a member and on a client', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    await cluster.settle(a.store.lock('l'))
    for (const { store } of [b, z]) {
      const waiting = watched(store.lock('l'))
      await cluster.run(500)
      await cluster.settle(store.close())
      await cluster.run(100)
      assert.ok(failed('CLOSED')(waiting.error))
      await assert.rejects(store.lock('l'), failed('CLOSED'))
    }
  })

  test('on a client goes on where another gateway serves it', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    const first = await cluster.settle(a.store.lock('l'))
    const next = watched(z.store.lock('l'))
    await cluster.run(500)
    cluster.network.partition(['b'], ['z'])
    await cluster.run(3000)
    cluster.network.heal()
    cluster.network.partition(['a'], ['z'])
    cluster.network.partition(['c'], ['z'])
    await cluster.settle(first.release())
    await cluster.until(() => next.lock !== undefined, 15_000)
    assert.equal(await cluster.settle(b.store.tryLock('l')), undefined)
  })

  test('on a client has its turn, though the host that it watches through hears of nothing any more', async () => {
    for (const isolated of ['a', 'b', 'c']) {
      const cluster = new TestCluster()
      const hosts = await cluster.three()
      const z = await cluster.open('z', { role: 'client' })
      const others = hosts.filter(({ name }) => name !== isolated)
      const first = await cluster.settle((others[0] as TestHost).store.lock('l'))
      const next = watched(z.store.lock('l'))
      await cluster.run(500)
      const names = others.map(({ name }) => name)
      cluster.network.partition([isolated], names)
      await cluster.run(5000)
      await cluster.settle(first.release())
      await cluster.until(() => next.lock !== undefined, 10_000)
    }
  })
})

describe('a holder', () => {
  test('that stood still beyond its lease writes nothing behind its fence; the next token is greater', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const late = await cluster.settle(c.store.lock('l', { ttlMs: 2000 }))
    await cluster.settle(c.store.put('k', 'c', { fence: late }))
    const waiting = watched(b.store.lock('l'))
    await cluster.run(1000)
    cluster.pause('c')
    const write = c.store.put('k', 'late', { fence: late })
    await cluster.run(4000)
    assert.ok(waiting.lock !== undefined && waiting.lock.token > late.token)
    await cluster.settle(b.store.put('k', 'b', { fence: waiting.lock }))
    cluster.resume('c')
    await assert.rejects(cluster.settle(write), failed('FENCED'))
    assert.ok(isQuorateError(late.signal.reason, 'LEASE_LOST'))
    await assert.rejects(cluster.settle(c.store.put('k', 'late', { fence: late })), failed('FENCED'))
    assert.equal(await cluster.settle(a.store.get('k')), 'b')
    await cluster.settle(late.release())
    assert.equal(waiting.lock.signal.aborted, false, 'what was late releases its own lock alone')
    await cluster.settle(b.store.put('k', 'b', { fence: waiting.lock }))
  })

  test('whose function outlived the lock is told so', async () => {
    const cluster = new TestCluster()
    const [, , c] = await cluster.three()
    const run = c.store.lock('l', { ttlMs: 1000 }, ({ signal }) => {
      cluster.network.partition(['c'], ['a', 'b'])
      return new Promise(resolve => signal.addEventListener('abort', resolve))
    })
    await assert.rejects(cluster.settle(run), failed('LEASE_LOST', 'unknown'))
  })

  test('that stood still is told so as well, though another one held meanwhile and is gone', async () => {
    for (const role of ['client', 'member'] as const) {
      const cluster = new TestCluster()
      const [a] = await cluster.three()
      const { store } = await cluster.open('z', { role })
      const finish: (() => void)[] = []
      const run = store.lock('l', () => new Promise<void>(resolve => finish.push(resolve)))
      await cluster.until(() => finish.length > 0)
      cluster.pause('z')
      await cluster.settle(a.store.lock('l', () => {}))
      cluster.resume('z')
      finish[0]?.()
      await assert.rejects(cluster.settle(run), failed('LEASE_LOST', 'unknown'))
    }
  })

  test('hears at once that its key is gone, though its own clock says that there is time', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    for (const { store } of [b, z]) {
      const lock = await cluster.settle(store.lock('l', { ttlMs: 600_000 }))
      const found = await cluster.settle(a.store.scan())
      assert.deepEqual(found, [], 'nobody meets the keys of locks')
      await cluster.settle(revoke(a, leaseOf(lock)))
      await cluster.run(200)
      assert.ok(isQuorateError(lock.signal.reason, 'LEASE_LOST'))
    }
  })

  test('that could not release it is free of it as soon as it is connected again, and so is who gave up', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    const lock = await cluster.settle(store.lock('l', { ttlMs: 3_600_000 }))
    const controller = new AbortController()
    const waiting = watched(store.lock('l', { ttlMs: 3_600_000, signal: controller.signal }))
    await cluster.run(1000)
    cluster.network.partition(['z'], ['a', 'b', 'c'])
    controller.abort()
    await assert.rejects(cluster.settle(lock.release()))
    assert.ok(lock.isReleased && waiting.error !== undefined)
    cluster.network.heal()
    await cluster.run(15_000)
    assert.deepEqual(leftOn(a), { keys: 0, leases: 0 })
    await cluster.settle(lock.release())
  })

  test('that cannot release the lock loses it by time', async () => {
    const cluster = new TestCluster()
    const [, b, c] = await cluster.three()
    let release: Promise<void> | undefined
    const run = c.store.lock('l', { ttlMs: 3000 }, lock => {
      cluster.network.partition(['c'], ['a', 'b'])
      release = lock.release()
      return 'done'
    })
    assert.equal(await cluster.settle(run), 'done')
    assert.ok(release !== undefined)
    await assert.rejects(release, error => isQuorateError(error) && error.outcome !== 'applied')
    await cluster.run(4000)
    assert.ok(await cluster.settle(b.store.tryLock('l')))
  })

  test('keeps the lock for as long as it lives', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three()
    const lock = await cluster.settle(c.store.lock('l', { ttlMs: 1000 }))
    await cluster.run(60_000)
    assert.equal(lock.signal.aborted, false)
    assert.equal(await cluster.settle(a.store.tryLock('l')), undefined)
  })
})

test('who tries a lock that is held writes nothing but a lease that is over', async () => {
  const cluster = new TestCluster()
  const [a, b] = await cluster.three()
  await cluster.settle(a.store.lock('l'))
  assert.equal(await cluster.settle(b.store.tryLock('l')), undefined)
  await cluster.run(500)
  assert.deepEqual(leftOn(a), { keys: 1, leases: 1 })
})

function leaseOf(lock: Lock): number {
  return (lock as unknown as { place: { lease: { id: number } } }).place.lease.id
}

/** Ends a lease as an expiry would, without the wait. */
async function revoke({ store }: TestHost, lease: number): Promise<void> {
  const { calls } = store as unknown as {
    calls: { execute(command: unknown, options: object): Promise<unknown> }
  }
  await calls.execute({ type: 'lease-revoke', lease }, {})
}
