import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, type Outcome } from '../../src/core/error.ts'
import { valueBytesMax } from '../../src/core/limits.ts'
import type { Attendee } from '../../src/engine/recipes/attendance.ts'
import { loadRecipes } from '../../src/engine/recipes/load.ts'
import type { Queue } from '../../src/engine/recipes/queue.ts'
import { TestCluster, type TestHost } from './cluster.ts'

// Loaded for real, so before any time is virtual.
await loadRecipes()

const failed =
  (code: string, outcome: Outcome = 'none') =>
  (error: unknown) =>
    isQuorateError(error) && error.code === code && error.outcome === outcome

function left({ host }: TestHost): { readonly keys: number; readonly leases: number } {
  const machine = host.running.get('main')?.machine
  assert.ok(machine !== undefined)
  return { keys: machine.view().size, leases: machine.leases.size }
}

/** What comes of a promise, as soon as something does. */
function settledOf<Value>(promise: Promise<Value>): { value?: Value; error?: unknown } {
  const state: { value?: Value; error?: unknown } = {}
  promise.then(
    value => {
      state.value = value
    },
    error => {
      state.error = error
    },
  )
  return state
}

/** What an endless iteration gives, until it ends. */
function collected<Value>(iteration: AsyncIterable<Value>): { readonly values: Value[]; error?: unknown } {
  const state: { readonly values: Value[]; error?: unknown } = { values: [] }
  const read = async () => {
    for await (const value of iteration) state.values.push(value)
  }
  read().catch(error => {
    state.error = error
  })
  return state
}

/** Hosts that must all see the same: two members and a client. */
async function membersAndClient(cluster: TestCluster) {
  const [a, b, c] = await cluster.three()
  const z = await cluster.open('z', { role: 'client' })
  return { a, b, c, z }
}

describe('a semaphore', () => {
  test('has so many holders at a time and never more, in the order in which they came', async () => {
    const cluster = new TestCluster()
    const { a, b, c, z } = await membersAndClient(cluster)
    let holders = 0
    let most = 0
    const order: number[] = []
    const runs: Promise<unknown>[] = []
    for (const [number, { store }] of [a, b, z, c, z, b, a].entries()) {
      const semaphore = await cluster.settle(store.semaphore('s', { limit: 3 }))
      const run = semaphore.use(async () => {
        holders += 1
        most = Math.max(most, holders)
        order.push(number)
        await new Promise<void>(resolve => cluster.timers.after(3000, resolve))
        holders -= 1
      })
      runs.push(run)
      await cluster.run(200)
    }
    await cluster.settle(Promise.all(runs))
    assert.equal(most, 3)
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6])
    await cluster.run(500)
    assert.deepEqual(left(a), { keys: 0, leases: 0 })
  })

  test('lets two in when two go at once', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const semaphore = await cluster.settle(store.semaphore('s', { limit: 2 }))
    const permits = await cluster.settle(Promise.all([semaphore.acquire(), semaphore.acquire()]))
    let admitted = 0
    for (let count = 0; count < 3; count++) {
      void semaphore.acquire().then(() => {
        admitted += 1
      })
      await cluster.run(300)
    }
    assert.equal(await cluster.settle(semaphore.tryAcquire()), undefined)
    await cluster.settle(Promise.all(permits.map(permit => permit.release())))
    await cluster.run(500)
    assert.equal(admitted, 2)
  })

  test('has the limit of its first, as long as there is anybody', async () => {
    const cluster = new TestCluster()
    const { a, z } = await membersAndClient(cluster)
    const three = await cluster.settle(a.store.semaphore('s', { limit: 3 }))
    const two = await cluster.settle(z.store.semaphore('s', { limit: 2 }))
    const permit = await cluster.settle(three.acquire())
    await assert.rejects(cluster.settle(two.acquire()), error => {
      assert.ok(failed('LIMIT_MISMATCH')(error))
      assert.deepEqual((error as { detail: unknown }).detail, { limit: 3 })
      return true
    })
    await cluster.run(500)
    assert.deepEqual(left(a), { keys: 1, leases: 1 })
    await cluster.settle(permit.release())
    assert.ok(await cluster.settle(two.tryAcquire()))
  })

  test('takes back the permit of a host that is gone', async () => {
    const cluster = new TestCluster()
    const { b, c } = await membersAndClient(cluster)
    const of = (store: TestHost['store']) => cluster.settle(store.semaphore('s', { limit: 1 }))
    const lost = await cluster.settle((await of(c.store)).acquire({ ttlMs: 2000 }))
    const next = (await of(b.store)).acquire()
    cluster.crash('c')
    const permit = await cluster.settle(next)
    assert.ok(permit.token > lost.token)
  })

  test('has a limit from 1', async () => {
    const { store } = await new TestCluster().open('a')
    for (const limit of [0, 1.5, '2' as never])
      await assert.rejects(store.semaphore('s', { limit }), TypeError)
  })
})

describe('an election', () => {
  test('has one leader, who says what it likes, and then the next candidate', async () => {
    const cluster = new TestCluster()
    const { a, b, z } = await membersAndClient(cluster)
    const watcher = await cluster.settle(a.store.election('e'))
    const onMember = collected(watcher.observe())
    const onClient = collected((await cluster.settle(z.store.election('e'))).observe())
    await cluster.run(500)
    const byB = await cluster.settle(b.store.election('e'))
    const byZ = await cluster.settle(z.store.election('e'))
    const first = await cluster.settle(byB.campaign('b'))
    const second = byZ.campaign('z')
    await cluster.run(500)
    assert.deepEqual(await cluster.settle(watcher.leader()), { host: 'b', value: 'b', token: first.token })
    await cluster.settle(first.proclaim('b again'))
    await cluster.run(500)
    await cluster.settle(first.resign())
    const next = await cluster.settle(second)
    assert.ok(next.token > first.token)
    await assert.rejects(cluster.settle(first.proclaim('late')), failed('FENCED'))
    await cluster.run(500)
    await cluster.settle(next.resign())
    await cluster.run(500)
    const told = (of: typeof onMember) => of.values.map(leader => leader?.value)
    assert.deepEqual(told(onMember), [undefined, 'b', 'b again', 'z', undefined])
    assert.deepEqual(told(onClient), told(onMember))
    assert.equal(onClient.values[3]?.token, next.token)
    assert.equal(await cluster.settle(watcher.leader()), undefined)
  })

  test('tells a leader and a candidate that they lost their leases', async () => {
    const cluster = new TestCluster()
    const { b, c } = await membersAndClient(cluster)
    const election = await cluster.settle(c.store.election('e'))
    const leadership = await cluster.settle(election.campaign('c', { ttlMs: 2000 }))
    const candidate = assert.rejects(election.campaign('c', { ttlMs: 2000 }), failed('LEASE_LOST'))
    await cluster.run(500)
    cluster.network.partition(['c'], ['a', 'b', 'z'])
    await cluster.settle(candidate)
    assert.ok(isQuorateError(leadership.signal.reason, 'LEASE_LOST'))
    const elsewhere = await cluster.settle(b.store.election('e'))
    assert.ok(await cluster.settle(elsewhere.campaign('b')))
  })

  test('is observed until the signal, or the end of the store', async () => {
    const cluster = new TestCluster()
    const { b, z } = await membersAndClient(cluster)
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = collected((await cluster.settle(b.store.election('e'))).observe(controller))
    const states = [b, z].map(async ({ store }) => collected((await store.election('e')).observe()))
    await cluster.run(500)
    controller.abort(reason)
    await cluster.run(10)
    assert.equal(aborted.error, reason)
    for (const [index, { store }] of [b, z].entries()) {
      await cluster.settle(store.close())
      await cluster.run(10)
      assert.ok(failed('CLOSED')((await states[index])?.error))
    }
  })

  test('is not observed any more where the store is closed while it is read', async () => {
    const cluster = new TestCluster()
    await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    const election = await cluster.settle(store.election('e'))
    const observed = collected(election.observe())
    // The answer is on its way, and comes to a store that is closed.
    await cluster.settle(store.close())
    await cluster.run(10_000)
    assert(isQuorateError(observed.error, 'CLOSED'), String(observed.error))
  })

  test('is observed on where the history is gone', async () => {
    const cluster = new TestCluster()
    const { store, host } = await cluster.open('a')
    const election = await cluster.settle(store.election('e'))
    const observed = collected(election.observe())
    await cluster.run(100)
    host.running.get('main')?.watchers.reset(Number.MAX_SAFE_INTEGER)
    await cluster.run(100)
    await cluster.settle(election.campaign('a'))
    await cluster.run(100)
    assert.deepEqual(
      observed.values.map(leader => leader?.value),
      [undefined, 'a'],
    )
  })
})

describe('presence', () => {
  test('lists who is here, in the order in which they came, and tells of every change', async () => {
    const cluster = new TestCluster()
    const { a, b, c, z } = await membersAndClient(cluster)
    const room = await cluster.settle(a.store.presence('room'))
    const watches = [a, z].map(async ({ store }) => collected((await store.presence<string>('room')).watch()))
    await cluster.run(300)
    const joined = await cluster.settle((await cluster.settle(z.store.presence('room'))).join('zoe'))
    await cluster.run(300)
    await cluster.settle((await cluster.settle(c.store.presence('room'))).join('cem', { ttlMs: 2000 }))
    await cluster.run(300)
    await cluster.settle(joined.update('zoe is busy'))
    await cluster.run(300)
    const said = (list: readonly Attendee[]) => list.map(({ host, value }) => `${host}: ${value}`)
    assert.deepEqual(said(await cluster.settle(room.list())), ['z: zoe is busy', 'c: cem'])
    cluster.crash('c')
    await cluster.run(4000)
    await cluster.settle(joined.leave())
    await cluster.run(300)
    await assert.rejects(cluster.settle(joined.update('ghost')), failed('FENCED'))
    for (const watch of watches) {
      const { values } = await watch
      assert.deepEqual(values.map(said), [
        [],
        ['z: zoe'],
        ['z: zoe', 'c: cem'],
        ['z: zoe is busy', 'c: cem'],
        ['z: zoe is busy'],
        [],
      ])
    }
    assert.deepEqual(await cluster.settle((await cluster.settle(b.store.presence('room'))).list()), [])
  })

  test('is listed and watched by a client, however much all have to say', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    const room = await cluster.settle(a.store.presence('room'))
    for (let i = 0; i < 10; i++) await cluster.settle(room.join(new Uint8Array(900_000)))
    const away = await cluster.settle(z.store.presence('room'))
    assert.equal((await cluster.settle(away.list())).length, 10)
    const { values } = collected(away.watch())
    await cluster.run(1000)
    assert.deepEqual(
      values.map(attendees => attendees.length),
      [10],
    )
  })
})

describe('a counter', () => {
  test('counts every call once, from anywhere, though answers are lost', async () => {
    const cluster = new TestCluster()
    const { a, b, z } = await membersAndClient(cluster)
    const counters = await cluster.settle(Promise.all([a, b, z].map(({ store }) => store.counter('c'))))
    let isLossy = true
    let frames = 0
    cluster.tap = () => !isLossy || ++frames % 7 !== 0
    const adds = Array.from({ length: 30 }, (_, index) => counters[index % 3]?.add())
    const values = (await cluster.settle(Promise.all(adds))).map(added => added?.value)
    isLossy = false
    assert.deepEqual(
      values.sort((left, right) => (left ?? 0) - (right ?? 0)),
      Array.from({ length: 30 }, (_, index) => index + 1),
    )
    assert.equal(await cluster.settle(counters[2]?.get() ?? Promise.reject()), 30)
  })

  test('stays within its bounds', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    await assert.rejects(store.counter('seats', { min: 2, max: 1 }), new TypeError('min is above max'))
    const seats = await cluster.settle(store.counter('seats', { min: 0, max: 2, initial: 2 }))
    assert.equal(await cluster.settle(seats.get()), 2)
    assert.deepEqual(await cluster.settle(seats.add(-2)), { ok: true, value: 0 })
    assert.deepEqual(await cluster.settle(seats.add(-1)), { ok: false, value: 0 })
    assert.deepEqual(await cluster.settle(seats.add(3)), { ok: false, value: 0 })
    await assert.rejects(seats.add(0.5), TypeError)
    await assert.rejects(store.counter('c', { min: 0.5 }), TypeError)
  })
})

describe('a queue', () => {
  const open = (cluster: TestCluster, { store }: TestHost): Promise<Queue<number>> =>
    cluster.settle(store.queue<number>('q'))

  test('gives each item to one of those who take, in order', async () => {
    const cluster = new TestCluster()
    const { a, b, z } = await membersAndClient(cluster)
    const queues = [await open(cluster, a), await open(cluster, b), await open(cluster, z)] as const
    for (let item = 0; item < 6; item++) await cluster.settle(queues[2].push(item))
    assert.equal(await cluster.settle(queues[0].size()), 6)
    const taken: number[] = []
    for (let item = 0; item < 6; item++) {
      const queue = queues[item % 3] as Queue<number>
      taken.push(await cluster.settle(queue.take()))
    }
    assert.deepEqual(taken, [0, 1, 2, 3, 4, 5])
    const racing = queues.flatMap(queue => Array.from({ length: 4 }, () => queue.take()))
    await cluster.run(500)
    const { applied } = a.store.status()
    await cluster.run(5000)
    assert.equal(a.store.status().applied, applied, 'waiting writes nothing')
    await cluster.settle(Promise.all(Array.from({ length: 12 }, (_, item) => queues[1].push(item))))
    const got = await cluster.settle(Promise.all(racing))
    assert.deepEqual(
      got.sort((left, right) => left - right),
      Array.from({ length: 12 }, (_, item) => item),
    )
    assert.equal(await cluster.settle(queues[0].size()), 0)
  })

  test('gives out items of the largest size that it takes, under the longest name', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const queue = await cluster.settle(store.queue<Uint8Array>('\uffff'.repeat(1000)))
    const largest = new Uint8Array(valueBytesMax - 5)
    for (let item = 0; item < 2; item++) await cluster.settle(queue.push(largest))
    assert.equal((await cluster.settle(queue.take())).length, largest.length)
    assert.equal((await cluster.settle(queue.receive())).value.length, largest.length)
    await cluster.settle(store.put('large', largest))
    const { results } = await cluster.settle(store.txn({ success: [{ type: 'get', key: 'large' }] }))
    assert.equal(results.length, 1)
  })

  test('ends the wait for an item at the deadline, at the signal and with the store', async () => {
    const cluster = new TestCluster()
    const { b, z } = await membersAndClient(cluster)
    for (const host of [b, z]) {
      const queue = await open(cluster, host)
      await assert.rejects(cluster.settle(queue.take({ deadlineMs: 1000 })), failed('TIMEOUT'))
      await assert.rejects(cluster.settle(queue.receive({ deadlineMs: 1000 })), failed('TIMEOUT'))
      const controller = new AbortController()
      const reason = new Error('enough')
      const aborted = assert.rejects(queue.take({ signal: controller.signal }), reason)
      const closed = [queue.take(), queue.receive()].map(one => assert.rejects(one, failed('CLOSED')))
      await cluster.run(500)
      controller.abort(reason)
      await cluster.settle(aborted)
      await cluster.settle(host.store.close())
      await cluster.settle(Promise.all(closed))
    }
  })

  test('tells of an item that comes while one begins to wait', async () => {
    for (let afterMs = 1; afterMs <= 40; afterMs += 3) {
      const cluster = new TestCluster()
      const { a, b, z } = await membersAndClient(cluster)
      const [there, ...waiting] = [await open(cluster, a), await open(cluster, b), await open(cluster, z)]
      const taken = waiting.map(queue => queue.take({ deadlineMs: 5000 }))
      await cluster.run(afterMs)
      await cluster.settle(Promise.all([there?.push(1), there?.push(2)]))
      const items = await cluster.settle(Promise.all(taken))
      assert.deepEqual(items.sort(), [1, 2], `${afterMs} ms`)
    }
  })

  test('hides what was received until it is acknowledged, and then it is gone', async () => {
    const cluster = new TestCluster()
    const { a, b, z } = await membersAndClient(cluster)
    const [here, there] = [await open(cluster, b), await open(cluster, z)]
    await cluster.settle(here.push(1))
    await cluster.settle(here.push(2))
    const first = await cluster.settle(here.receive())
    const second = await cluster.settle(there.receive())
    assert.deepEqual([first.value, second.value], [1, 2])
    await assert.rejects(cluster.settle(here.receive({ deadlineMs: 1000 })), failed('TIMEOUT'))
    await assert.rejects(cluster.settle(there.take({ deadlineMs: 1000 })), failed('TIMEOUT'))
    await cluster.settle(first.acknowledge())
    assert.equal(await cluster.settle(here.size()), 1)
    const again = here.receive()
    await cluster.run(500)
    await cluster.settle(second.release())
    const back = await cluster.settle(again)
    assert.equal(back.value, 2)
    await assert.rejects(cluster.settle(second.acknowledge()), failed('FENCED'))
    await cluster.settle(back.acknowledge())
    await cluster.run(500)
    assert.deepEqual(left(a), { keys: 0, leases: 0 })
  })

  test('has an item again whose receiver stood still too long, and who cannot acknowledge it any more', async () => {
    const cluster = new TestCluster()
    const { b, c } = await membersAndClient(cluster)
    const [here, there] = [await open(cluster, b), await open(cluster, c)]
    for (const item of [1, 2]) await cluster.settle(here.push(item))
    const late = await cluster.settle(there.receive({ ttlMs: 2000 }))
    cluster.pause('c')
    assert.equal((await cluster.settle(here.receive())).value, 2)
    const back = await cluster.settle(here.receive())
    assert.equal(back.value, late.value)
    assert.ok(back.token > late.token)
    cluster.resume('c')
    await assert.rejects(cluster.settle(late.acknowledge()), failed('FENCED'))
    assert.ok(isQuorateError(late.signal.reason, 'LEASE_LOST'))
    await cluster.settle(back.acknowledge())
    assert.equal(await cluster.settle(here.size()), 1)
  })

  test('loses no item, and gives none out twice, when a receiver does not hear of what it got', async () => {
    let lost = 0
    for (let cutAfterMs = 1; ; cutAfterMs++) {
      const cluster = new TestCluster()
      const { a, b, c } = await membersAndClient(cluster)
      const [here, there] = [await open(cluster, b), await open(cluster, c)]
      await cluster.settle(there.push(1))
      const received = settledOf(there.receive({ ttlMs: 2000, deadlineMs: 1500 }))
      await cluster.run(cutAfterMs)
      if (received.value !== undefined) break
      cluster.network.partition(['c'], ['a', 'b', 'z'])
      await cluster.run(2000)
      assert.ok(isQuorateError(received.error) && received.error.outcome === 'none')
      lost += left(a).keys - 1
      cluster.network.heal()
      const back = await cluster.settle(here.receive())
      assert.equal(back.value, 1)
      await cluster.settle(back.acknowledge())
      assert.equal(await cluster.settle(here.size()), 0)
    }
    assert.ok(lost > 0, 'it was claimed and nobody was told')
  })

  test('is waited for by a client without reading what others have, however large that is', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    const [at, away] = [await open(cluster, a), await open(cluster, z)] as unknown as Queue<Uint8Array>[]
    assert.ok(at !== undefined && away !== undefined)
    for (let i = 0; i < 10; i++) await cluster.settle(at.push(new Uint8Array(900_000)))
    const held = []
    for (let i = 0; i < 10; i++) held.push(await cluster.settle(at.receive()))
    const { frames } = await cluster.recorded(() =>
      assert.rejects(cluster.settle(away.receive({ deadlineMs: 5000 })), failed('TIMEOUT')),
    )
    const bytes = frames.reduce((sum, { to, body }) => sum + (to === 'z' ? body.length : 0), 0)
    assert.ok(bytes < 1_000_000, `${bytes} bytes: one look at the first item`)
    const waits = settledOf(away.receive())
    const got = () => waits.value?.value.length
    await cluster.run(2000)
    await cluster.settle(held[0]?.acknowledge() ?? Promise.resolve())
    await cluster.run(2000)
    assert.equal(got(), undefined, 'what is done does not come back')
    await cluster.settle(held[1]?.release() ?? Promise.resolve())
    await cluster.run(2000)
    assert.equal(got(), 900_000)
  })

  test('gives what came between the look of a client and its watch', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const z = await cluster.open('z', { role: 'client' })
    const [at, away] = [await open(cluster, a), await open(cluster, z)]
    await cluster.run(1000)
    // What z asks for behind the first answer is lost: to be told of the queue.
    let isAnswered = false
    cluster.tap = from => {
      isAnswered ||= from === 'a'
      return from === 'a' || !isAnswered
    }
    const taken = settledOf(away.take())
    await cluster.run(100)
    await cluster.settle(at.push(1))
    cluster.tap = () => true
    await cluster.run(15_000)
    assert.equal(taken.value, 1)
  })
})
