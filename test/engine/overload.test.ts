import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { inflightBytesMax, unwrittenBytesMax } from '../../src/core/limits.ts'
import type { HostId } from '../../src/core/types.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { TestCluster, type TestHost } from './cluster.ts'

/** Three voters; while a host is in `hung`, its disk finishes nothing. */
async function started() {
  const cluster = new TestCluster()
  const hosts = await cluster.three()
  // Each session is open: its first write took longer.
  for (const { store } of hosts) await cluster.settle(store.put('first', 1))
  const hung = new Map<HostId, (() => void)[]>()
  cluster.diskDelay = (host, operation) => {
    const waiting = operation === 'write' ? hung.get(host) : undefined
    return waiting === undefined ? Promise.resolve() : new Promise(resolve => waiting.push(resolve))
  }
  const release = (host: HostId) => {
    const waiting = hung.get(host) ?? []
    hung.delete(host)
    for (const finish of waiting) finish()
  }
  return { cluster, hosts, hang: (host: HostId) => hung.set(host, []), release }
}

async function converged(cluster: TestCluster, hosts: readonly TestHost[]): Promise<void> {
  await cluster.run(5000)
  const states = hosts.map(({ store }) => store.scan({}, { consistency: 'stale' }))
  const [first, ...others] = await cluster.settle(Promise.all(states))
  for (const other of others) assert.deepEqual(other, first)
}

/** Calls again and again, one call behind the other. */
function setLoad(cluster: TestCluster, call: () => Promise<void>): { stop(): void } {
  let isOver = false
  const next = (): void => {
    if (isOver) return
    void call().then(() => cluster.timers.after(5, next))
  }
  next()
  return {
    stop: () => {
      isOver = true
    },
  }
}

/** How long a write takes, in virtual milliseconds. */
async function latencyOf(cluster: TestCluster, store: Store, value: unknown): Promise<number> {
  const before = cluster.timers.now()
  await cluster.settle(store.put('latency', value))
  return cluster.timers.now() - before
}

const megabyte = 'x'.repeat(1_000_000)

describe('a disk that hangs', () => {
  test('costs its leader the leadership; when it is back, that host follows', async () => {
    const { cluster, hosts, hang, release } = await started()
    const [a, b] = hosts
    hang('a')
    const pending = a.store.put('pending', 1, { deadlineMs: 60_000 })
    await cluster.until(
      () => b.store.status().leader !== undefined && b.store.status().leader !== 'a',
      12_000,
    )
    await cluster.settle(pending)
    assert.equal(await cluster.settle(b.store.get('pending', { deadlineMs: 60_000 })), 1)
    await cluster.settle(b.store.put('without', 1))
    await cluster.run(10_000)
    assert.equal(a.store.status().role, 'follower', 'it does not come back as long as its disk hangs')
    release('a')
    await cluster.settle(a.store.put('after', 1))
    await converged(cluster, hosts)
  })

  test('of a leader under load costs no election timeout: it hands over to the voter that knows most', async () => {
    const { cluster, hosts, hang } = await started()
    const [a, b, c] = hosts
    // So that b always knows less.
    cluster.tap = (from, to, lane) => !(from === 'a' && to === 'b' && lane === 'log')
    hang('a')
    const start = cluster.timers.now()
    const { term } = a.store.status()
    let acknowledged = 0
    const load = setLoad(cluster, async () => {
      await c.store.put(`load${acknowledged}`, 1, { deadlineMs: 60_000 })
      acknowledged += 1
    })
    await cluster.until(() => c.store.status().role === 'leader', 12_000)
    const ms = cluster.timers.now() - start
    assert(ms > 4000 && ms < 4500, `${ms} ms`)
    cluster.tap = () => true
    load.stop()
    await cluster.run(1000)
    assert.equal(c.store.status().term, term + 1, 'one election')
    assert.equal(b.store.status().leader, 'c')
    assert.equal((await cluster.settle(c.store.scan({ prefix: 'load' }))).length, acknowledged)
  })

  test('costs its leader the leadership also where nobody is there to take it', async () => {
    const { cluster, hosts, hang, release } = await started()
    const [a] = hosts
    hang('a')
    const pending = a.store.put('pending', 1, { deadlineMs: 60_000 })
    await cluster.run(1000)
    // They hear nothing of the order to take over, nor of anything else.
    cluster.tap = from => from !== 'a'
    await cluster.run(7000)
    assert.notEqual(a.store.status().role, 'leader')
    cluster.tap = () => true
    release('a')
    await cluster.settle(pending)
    await converged(cluster, hosts)
  })

  test('does not make a leader of a host that has to wait a little', async () => {
    const { cluster, hosts, hang, release } = await started()
    hang('a')
    const pending = hosts[0].store.put('pending', 1)
    await cluster.run(3000)
    release('a')
    await cluster.settle(pending)
    assert.equal(hosts[0].store.status().role, 'leader')
  })

  test('of all followers does not make the log grow while the writes of everybody are tried again', async () => {
    const { cluster, hosts, hang, release } = await started()
    const [a] = hosts
    hang('b')
    hang('c')
    const last = () => a.host.running.get('main')?.node.raft.log.lastIndex() ?? 0
    const before = last()
    const writes = hosts.flatMap(({ store }) =>
      Array.from({ length: 10 }, (_, key) => store.put(`waiting/${key}`, 1, { deadlineMs: 60_000 })),
    )
    await cluster.run(30_000)
    assert.equal(a.store.status().role, 'leader')
    assert.equal(last() - before, writes.length)
    release('b')
    release('c')
    await cluster.settle(Promise.all(writes))
    await converged(cluster, hosts)
  })

  test('of a follower delays nobody, and takes no more memory than its window', async () => {
    const { cluster, hosts, hang, release } = await started()
    const [a] = hosts
    const quick = await latencyOf(cluster, a.store, 0)
    hang('c')
    let sent = 0
    cluster.tap = (_from, to, _lane, frame) => {
      if (to === 'c') sent += frame.length
      return true
    }
    for (let i = 1; i <= 40; i++) assert.equal(await latencyOf(cluster, a.store, megabyte + i), quick)
    await cluster.run(5000)
    assert(sent < 2 * inflightBytesMax, `${sent} bytes were sent to it`)
    assert.equal(a.store.status().role, 'leader')
    release('c')
    await converged(cluster, hosts)
  })

  test('of a whole group fills no memory: SYSTEM_BUSY, and nothing was written', async () => {
    const { cluster, hosts, hang, release } = await started()
    const [a] = hosts
    for (const name of ['a', 'b', 'c']) hang(name)
    const writes = Array.from({ length: 100 }, (_, i) => a.store.put(`k${i}`, megabyte))
    const ends = await Promise.all(
      writes.map(write => cluster.settle(write.catch((error: unknown) => error))).slice(-30),
    )
    for (const end of ends)
      assert(isQuorateError(end, 'SYSTEM_BUSY') && end.retryable && end.outcome === 'none')
    await cluster.run(20_000)
    const unknown = await cluster.settle(Promise.allSettled(writes))
    const handed = unknown.filter(
      end => end.status === 'rejected' && !isQuorateError(end.reason, 'SYSTEM_BUSY'),
    )
    assert(handed.length * megabyte.length <= unwrittenBytesMax)
    for (const name of ['a', 'b', 'c']) release(name)
    await cluster.settle(a.store.put('after', 1, { deadlineMs: 60_000 }))
    await converged(cluster, hosts)
    const keys = (await cluster.settle(a.store.scan({ prefix: 'k' }))).map(({ key }) => key)
    for (let i = 70; i < 100; i++) assert(!keys.includes(`k${i}`), `k${i} was said not to be written`)
  })
})

describe('a leader that holds too much', () => {
  test('says so to the host that forwards a write, at once, and nothing of it is written', async () => {
    const { cluster, hosts, hang, release } = await started()
    const [a, b] = hosts
    for (const name of ['b', 'c']) hang(name)
    const full = Array.from({ length: 60 }, (_, i) =>
      a.store.put(`full${i}`, megabyte, { deadlineMs: 60_000 }),
    )
    await cluster.run(100)
    const before = cluster.timers.now()
    const forwarded = Array.from({ length: 20 }, (_, i) =>
      b.store.put(`k${i}`, megabyte, { deadlineMs: 60_000 }),
    )
    const ends = forwarded.map(put =>
      put.then(
        () => 'written',
        error => error,
      ),
    )
    await cluster.settle(Promise.race(ends))
    assert(cluster.timers.now() - before < 100)
    for (const name of ['b', 'c']) release(name)
    await cluster.settle(Promise.all(full))
    const told = await cluster.settle(Promise.all(ends))
    const refused = told.flatMap((end, i) => (end === 'written' ? [] : [{ end, key: `k${i}` }]))
    assert(refused.length > 0)
    for (const { end, key } of refused) {
      assert(isQuorateError(end, 'SYSTEM_BUSY') && end.retryable && end.outcome === 'none', String(end))
      assert.equal(await cluster.settle(a.store.get(key)), undefined)
    }
    await cluster.settle(b.store.put('after', 1))
  })
})

describe('a host whose disk hangs', () => {
  test('can be closed, and says that something may not be stored', async () => {
    const { cluster, hosts, hang } = await started()
    hang('a')
    const pending = hosts[0].store.put('pending', 1)
    pending.catch(() => undefined)
    await cluster.run(10)
    await assert.rejects(cluster.settle(hosts[0].host.close(), 40_000), { code: 'STORAGE_FAILED' })
  })
})

describe('a peer that hangs', () => {
  test('delays nobody, and takes no more memory than its window', async () => {
    const { cluster, hosts } = await started()
    const [a] = hosts
    const quick = await latencyOf(cluster, a.store, 0)
    let sent = 0
    // It takes every frame and says nothing.
    cluster.tap = (from, to, _lane, frame) => {
      if (to === 'c') sent += frame.length
      return from !== 'c'
    }
    for (let i = 1; i <= 40; i++) assert.equal(await latencyOf(cluster, a.store, megabyte + i), quick)
    await cluster.run(10_000)
    assert(sent < 2 * inflightBytesMax, `${sent} bytes were sent to it`)
    assert.deepEqual([a.store.status().role, a.store.status().term], ['leader', 2])
    cluster.tap = () => true
    await converged(cluster, hosts)
  })
})

describe('a full disk', () => {
  test('loses nothing that was acknowledged', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 100 })
    const disk = new MemoryDisk({ capacityBytes: 100_000 })
    cluster.disks.set('a', disk)
    const { store } = await cluster.open('a')
    let acknowledged = 0
    const fill = async () => {
      for (;;) {
        await cluster.settle(store.put(`k${acknowledged}`, 'x'.repeat(200)))
        acknowledged += 1
      }
    }
    await assert.rejects(fill(), (error: unknown) => {
      return isQuorateError(error, 'STORAGE_FAILED') && /disk is full/.test(error.message)
    })
    assert(acknowledged > 100, `${acknowledged} were acknowledged`)
    cluster.crash('a')
    const larger = new MemoryDisk()
    larger.setLog(disk.log)
    for (const [id, chunks] of disk.snapshots) larger.snapshots.set(id, chunks)
    larger.keys = disk.keys
    cluster.disks.set('a', larger)
    const again = await cluster.open('a')
    const keys = (await cluster.settle(again.store.scan({ prefix: 'k' }))).length
    assert(keys >= acknowledged, `${keys} of ${acknowledged} are there`)
  })

  test('stops its host with the reason; the others lose nothing', async () => {
    const { cluster, hosts } = await started()
    const [a, b] = hosts
    await cluster.settle(a.store.put('before', 1))
    const errors: unknown[] = []
    a.host.on('error', error => errors.push(error))
    const roles: string[] = []
    a.store.on('leader', ({ role }) => roles.push(role))
    a.host.on('leader', ({ role }) => roles.push(role))
    cluster.disks.get('a')?.fail('the disk is full')
    const write = a.store.put('k', 1)
    const end = await cluster.settle(write.catch((error: unknown) => error))
    assert(isQuorateError(end, 'STORAGE_FAILED') && end.outcome === 'unknown', String(end))
    assert.match(end.message, /disk is full/)
    assert.equal(errors.length, 1)
    const { role, leader } = a.store.status()
    assert.deepEqual([role, leader], ['failed', undefined])
    assert.deepEqual(roles, ['failed', 'failed'])
    assert.equal(await cluster.settle(b.store.get('before', { deadlineMs: 60_000 })), 1)
  })
})
