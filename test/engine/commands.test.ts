import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, type Outcome } from '../../src/core/error.ts'
import { hashState } from '../../src/core/machine/state-hash.ts'
import { CommandError, type Commands } from '../../src/engine/transactions/command.ts'
import { TestCluster, type TestHost } from './cluster.ts'

const failed =
  (code: string, outcome: Outcome = 'none') =>
  (error: unknown) =>
    isQuorateError(error) && error.code === code && error.outcome === outcome

const commands: Commands = {
  'seat.reserve@1': (tx, args, { host, now, random }) => {
    const { seat } = args as { readonly seat: string }
    if (!tx.insert(`seat/${seat}`, { host: host ?? null, now, luck: random() }))
      throw new CommandError('TAKEN', { seat })
    return tx.increment('seats').value
  },
}

function hashesOf(hosts: readonly TestHost[]): Set<number> {
  return new Set(hosts.map(({ host }) => machineOf(host)).map(machine => hashState(machine)))
}

function machineOf(host: TestHost['host']) {
  const machine = host.running.get('main')?.machine
  assert.ok(machine !== undefined, 'the host runs the store')
  return machine
}

describe('a command', () => {
  test('does the same on every replica, whoever asks for it, and gives its result to who asked', async () => {
    const cluster = new TestCluster()
    const hosts = await cluster.three(() => ({ commands }))
    const client = await cluster.open('z', { role: 'client' })
    let count = 0
    for (const { name, store } of [...hosts, client]) {
      assert.equal(await cluster.settle(store.command('seat.reserve@1', { seat: name })), ++count)
      const again = cluster.settle(store.command('seat.reserve@1', { seat: name }))
      await assert.rejects(again, error => {
        assert.ok(failed('COMMAND_FAILED')(error))
        assert.deepEqual((error as { detail: unknown }).detail, { code: 'TAKEN', data: { seat: name } })
        return true
      })
    }
    await cluster.run(1000)
    assert.equal(hashesOf(hosts).size, 1)
    assert.equal(new Set(hosts.map(({ host }) => machineOf(host).chain)).size, 1)
    assert.equal(await cluster.settle(client.store.get('seats')), 4)
  })

  test('may call what went wrong as the machine calls its own failures', async () => {
    for (const code of ['TOO_LARGE', 'LEASE_NOT_FOUND']) {
      const cluster = new TestCluster()
      const fail = (_tx: unknown, data: unknown) => {
        throw new CommandError(code, data)
      }
      const a = await cluster.open('a', { commands: { 'party.book@1': fail } })
      for (const data of [{ max: 8 }, null])
        await assert.rejects(cluster.settle(a.store.command('party.book@1', data)), {
          code: 'COMMAND_FAILED',
          detail: { code, data },
        })
    }
  })

  test('that the leader does not know is refused before it is logged', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three(name => (name === 'b' ? { commands } : {}))
    const { applied } = a.store.status()
    for (const { store } of [a, b])
      await assert.rejects(
        cluster.settle(store.command('seat.reserve@1', { seat: '1' })),
        failed('COMMAND_UNKNOWN'),
      )
    assert.ok(a.store.status().applied <= applied + 2, 'sessions are opened, and nothing else')
  })

  test('that a replica was not given stops it, and it goes on as soon as the store is opened with it', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three(name => (name === 'c' ? {} : { commands }))
    await cluster.settle(c.store.put('before', 1))
    await cluster.settle(a.store.command('seat.reserve@1', { seat: '1' }))
    await cluster.settle(b.store.put('after', 1))
    await cluster.run(500)
    assert.equal(c.store.status().unknownCommand, 'seat.reserve@1')
    await assert.rejects(cluster.settle(c.store.get('after')), failed('COMMAND_UNKNOWN'))
    assert.equal(await cluster.settle(c.store.get('before', { consistency: 'stale' })), 1)
    const write = c.store.put('k', 1)
    await assert.rejects(
      cluster.settle(write),
      failed('COMMAND_UNKNOWN'),
      'its answer could not be seen here',
    )
    await cluster.settle(c.host.store('main', { commands }))
    assert.equal(await cluster.settle(c.store.get('after')), 1)
    assert.equal(c.store.status().unknownCommand, undefined)
    await cluster.run(500)
    assert.equal(hashesOf([a, b, c]).size, 1)
  })

  test('that throws by mistake has failed, and each host that ran it tells of the error', async () => {
    const cluster = new TestCluster()
    const mistake = new RangeError('each engine words this as it likes')
    const broken: Commands = {
      'break@1': tx => {
        tx.put('a', 1)
        throw mistake
      },
    }
    const hosts = await cluster.three(() => ({ commands: broken }))
    const heard: unknown[] = []
    for (const { name, host } of hosts) host.on('commandFailed', event => heard.push([name, event]))
    await assert.rejects(cluster.settle(hosts[0].store.command('break@1')), failed('COMMAND_FAILED'))
    await cluster.run(500)
    const event = { group: 'main', name: 'break@1', error: mistake }
    assert.deepEqual(heard.sort(), [
      ['a', event],
      ['b', event],
      ['c', event],
    ])
    assert.equal(hashesOf(hosts).size, 1)
    assert.equal(await cluster.settle(hosts[1].store.get('a')), undefined)
  })

  test('fails with the same code where a host was given it with another copy of this library', async () => {
    // As a seed has whose `--hooks` were bundled, or that was not installed where they were.
    const copy = '../../src/engine/transactions/command.ts?copy'
    const other = (await import(copy)) as { readonly CommandError: typeof CommandError }
    assert.notEqual(other.CommandError, CommandError)
    const cluster = new TestCluster()
    const refusing = (Refusal: typeof CommandError): Commands => ({
      'refuse@1': () => {
        throw new Refusal('TAKEN', { by: 'Ada' })
      },
    })
    const hosts = await cluster.three(name => ({
      commands: refusing(name === 'b' ? other.CommandError : CommandError),
    }))
    for (const { store } of hosts)
      await assert.rejects(cluster.settle(store.command('refuse@1')), {
        code: 'COMMAND_FAILED',
        detail: { code: 'TAKEN', data: { by: 'Ada' } },
      })
    await cluster.run(5000)
    for (const { store } of hosts) assert.equal(store.status().diverged, undefined)
  })

  test('that a gateway was not given is no matter of its clients: another gateway serves them', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three(name => (name === 'c' ? {} : { commands }))
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(a.store.command('seat.reserve@1', { seat: '1' }))
    cluster.network.partition(['a', 'b'], ['z'])
    await cluster.run(10_000)
    const count = store.get('seats')
    const { revision } = await cluster.settle(a.store.put('k', 1))
    await cluster.run(1000)
    cluster.network.heal()
    assert.equal(await cluster.settle(count), 1)
    assert.ok((await cluster.settle(store.put('k', 2))).revision > revision)
  })

  test('counts once, although its answer was lost and it was asked for again of another leader', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three(() => ({ commands }))
    await cluster.settle(b.store.put('k', 1))
    const reserved = b.store.command('seat.reserve@1', { seat: '1' })
    await cluster.run(15)
    cluster.network.partition(['a'], ['b', 'c'])
    assert.equal(await cluster.settle(reserved), 1)
    assert.equal(await cluster.settle(b.store.get('seats')), 1)
    assert.notEqual(b.store.status().leader, a.name)
  })
})

describe('a lease', () => {
  test('is kept alive while its store lives, and takes its keys along soon after its host is gone', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const lease = await cluster.settle(c.store.lease(2000))
    await cluster.settle(c.store.put('here', 'c', { lease: lease.id }))
    await cluster.run(20_000)
    assert.equal(await cluster.settle(b.store.get('here')), 'c')
    assert.equal(lease.signal.aborted, false)
    cluster.network.partition(['c'], ['a', 'b'])
    await cluster.run(1200)
    assert.equal(await cluster.settle(b.store.get('here')), 'c', 'it was kept alive less than 700 ms ago')
    await cluster.run(1500)
    assert.equal(await cluster.settle(a.store.get('here')), undefined)
    assert.equal(lease.signal.aborted, true)
  })

  test('outlives the leader: the time without one does not count', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const lease = await cluster.settle(b.store.lease(7000))
    await cluster.settle(b.store.put('here', 'b', { lease: lease.id }))
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.run(20_000)
    assert.notEqual(b.store.status().leader, a.name)
    assert.equal(await cluster.settle(b.store.get('here')), 'b')
  })

  test('that is revoked is over at once', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const lease = await cluster.settle(store.lease(60_000))
    await cluster.settle(store.put('here', 1, { lease: lease.id }))
    await cluster.settle(lease.revoke())
    assert.equal(await cluster.settle(store.get('here')), undefined)
    assert.equal(lease.signal.aborted, true)
    await assert.rejects(cluster.settle(store.put('here', 1, { lease: lease.id })), failed('LEASE_NOT_FOUND'))
  })
})

test('a write behind a fence takes effect while the key of the fence is the one it names, and not later', async () => {
  const cluster = new TestCluster()
  const { store } = await cluster.open('a')
  const { revision: token } = await cluster.settle(store.put('lock', 'me'))
  const fence = { key: 'lock', token }
  await cluster.settle(store.put('k', 1, { fence }))
  await cluster.settle(store.put('lock', 'me, still'))
  await cluster.settle(store.put('k', 2, { fence }))
  await cluster.settle(store.delete('lock'))
  await assert.rejects(cluster.settle(store.put('k', 3, { fence })), failed('FENCED'))
  await cluster.settle(store.put('lock', 'you'))
  await assert.rejects(cluster.settle(store.increment('n', { fence })), failed('FENCED'))
  await assert.rejects(cluster.settle(store.delete('k', { fence })), failed('FENCED'))
  assert.equal(await cluster.settle(store.get('k')), 2)
})

test('a table of a store has keys, ranges and watches of its own', async () => {
  const cluster = new TestCluster()
  const { store } = await cluster.open('a')
  const users = store.table('users')
  const watch = users.watch()
  await cluster.settle(store.put('a', 0))
  await cluster.settle(users.put('a', 1))
  await cluster.settle(users.insert('b', 2))
  await cluster.settle(users.increment('n', { by: 5, max: 7 }))
  assert.deepEqual(await cluster.settle(users.increment('n', { by: 5, max: 7 })), { ok: false, value: 5 })
  assert.deepEqual(
    (await cluster.settle(users.scan())).map(({ key, value }) => `${key}=${value}`),
    ['a=1', 'b=2', 'n=5'],
  )
  assert.deepEqual(
    (await cluster.settle(store.scan())).map(entry => entry.key),
    ['a'],
  )
  assert.equal((await cluster.settle(users.deleteRange({ gte: 'b' }))).count, 2)
  const seen: string[] = []
  for (let i = 0; i < 5; i++) {
    const { value } = await cluster.settle(watch.next())
    seen.push(`${value?.type} ${value?.key}`)
  }
  assert.deepEqual(seen, ['put a', 'put b', 'put n', 'delete b', 'delete n'])
  for (const name of ['', 'a b', '$lock', 'x'.repeat(65)]) assert.throws(() => store.table(name), TypeError)
})
