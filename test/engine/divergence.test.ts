import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import type { Commands } from '../../src/engine/transactions/command.ts'
import type { Divergence } from '../../src/engine/types.ts'
import { decodeFrame } from '../../src/wire/frames.ts'
import { TestCluster, type TestHost } from './cluster.ts'

const diverged = (error: unknown) => isQuorateError(error) && error.code === 'DIVERGED'

/** What a host makes of a command that should have looked at nothing but its arguments. */
const commandsOf = (name: string): Commands => ({
  'name.self@1': tx => tx.put('who', name),
  'odd.one@1': (tx, odd) => tx.put('who', odd === name ? 'odd' : 'all'),
})

const hooksOf = (name: string) => ({ commands: commandsOf(name) })

function tellsOf({ host }: TestHost): (Divergence & { readonly group: string })[] {
  const told: (Divergence & { readonly group: string })[] = []
  host.on('diverged', event => told.push(event))
  return told
}

const quarantined = ({ store }: TestHost) => store.status().diverged?.isQuarantined

/** Writes before and after, so that the revision is to be found in the midst. */
async function diverge(cluster: TestCluster, at: TestHost, odd: string): Promise<number> {
  for (let i = 0; i < 5; i++) await cluster.settle(at.store.put('before', i))
  await cluster.settle(at.store.command('odd.one@1', odd))
  const entry = await cluster.settle(at.store.entry('who'))
  assert.ok(entry !== undefined)
  await cluster.settle(at.store.put('after', 1))
  return entry.modRevision
}

/** So many writes in so much time, of which nobody waits for one. */
async function load(cluster: TestCluster, at: TestHost, perSecond: number, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    for (let i = 0; i < perSecond / 100; i++) at.store.put('load', i).catch(() => {})
    await cluster.run(10)
  }
}

describe('replicas whose states differ', () => {
  test('are found within two seconds: the first revision, and the minority, which serves nothing', async () => {
    const cluster = new TestCluster()
    const hosts = await cluster.three(hooksOf)
    const [a, b, c] = hosts
    const told = hosts.map(tellsOf)
    const watch = c.store.watch()
    const ended = assert.rejects(cluster.settle(endOf(watch)), diverged)
    const revision = await diverge(cluster, a, 'c')
    await cluster.run(2000)
    const found = { revision, isExact: true, hosts: ['c'] }
    assert.deepEqual(
      told.map(events => events.at(-1)),
      [false, false, true].map(isQuarantined => ({ group: 'main', ...found, isQuarantined })),
    )
    for (const consistency of ['linearizable', 'session', 'stale'] as const)
      await assert.rejects(cluster.settle(c.store.get('who', { consistency, deadlineMs: 500 })), diverged)
    await assert.rejects(cluster.settle(c.store.put('who', 'x', { deadlineMs: 500 })), diverged)
    await ended
    assert.equal(await cluster.settle(b.store.get('who')), 'all')
    assert.ok((await cluster.settle(b.store.put('k', 1))).revision > revision)
  })

  test('answer from no view that was opened before they were known to be wrong', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three(hooksOf)
    await cluster.settle(a.store.command('odd.one@1', 'c'))
    const [right, wrong] = [await cluster.settle(b.store.read()), await cluster.settle(c.store.read())]
    assert.equal(wrong.local?.get('who'), 'odd')
    await cluster.run(5000)
    assert.equal(await cluster.settle(right.get('who')), 'all')
    await assert.rejects(cluster.settle(wrong.get('who')), diverged)
    await assert.rejects(cluster.settle(wrong.count()), diverged)
    assert.throws(() => wrong.local?.get('who'), diverged)
    assert.throws(() => wrong.local?.scan(), diverged)
    wrong.close()
    assert.throws(
      () => wrong.local?.get('who'),
      error => isQuorateError(error, 'CLOSED'),
    )
  })

  test('are led by none of the minority: it hands over, and does not campaign', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three(hooksOf)
    await diverge(cluster, b, 'a')
    await cluster.run(5000)
    assert.deepEqual([a, b, c].map(quarantined), [true, false, false])
    assert.ok(['b', 'c'].includes(b.store.status().leader ?? ''))
    assert.equal(await cluster.settle(c.store.get('who')), 'all')
    cluster.crash(b.store.status().leader === 'b' ? 'b' : 'c')
    await cluster.run(20_000)
    assert.notEqual(a.store.status().role, 'leader')
  })

  test('serve nothing where no quorum agrees, until one does', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three(hooksOf)
    await cluster.run(2000)
    cluster.network.partition(['a', 'b'], ['c'])
    await cluster.run(6000)
    await cluster.settle(a.store.command('odd.one@1', 'b'))
    await cluster.run(10_000)
    assert.deepEqual([a, b].map(quarantined), [true, true])
    await assert.rejects(cluster.settle(a.store.get('who', { deadlineMs: 500 })), diverged)
    cluster.network.heal()
    await cluster.run(20_000)
    assert.deepEqual([a, b, c].map(quarantined), [false, true, false])
    assert.equal(await cluster.settle(a.store.get('who')), 'all')
    assert.deepEqual(a.store.status().diverged?.hosts, ['b'])
  })

  test('give their log to who needs it, although they start in quarantine and nobody else has it', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three(hooksOf)
    await cluster.run(2000)
    cluster.network.partition(['a', 'b'], ['c'])
    await cluster.run(6000)
    await cluster.settle(a.store.command('odd.one@1', 'b'))
    await cluster.run(10_000)
    for (const name of ['a', 'b']) cluster.crash(name)
    for (const name of ['a', 'b']) {
      const host = await cluster.host(name)
      const store = await cluster.settle(host.store('main', { ...hooksOf(name), waitForLeader: false }))
      assert.equal(store.status().diverged?.isQuarantined, true)
    }
    cluster.network.heal()
    assert.equal(await cluster.settle(c.store.get('who', { deadlineMs: 60_000 })), 'all')
  })

  test('of two and a witness are a tie, which their user decides', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a', hooksOf('a'))
    const b = await cluster.open('b', hooksOf('b'))
    await cluster.open('w', { role: 'witness' })
    await cluster.settle(a.store.promote(['b', 'w']))
    await cluster.settle(a.store.command('odd.one@1', 'b'))
    await cluster.run(10_000)
    assert.deepEqual([a, b].map(quarantined), [true, true])
    await cluster.settle(a.host.trustData('main'))
    assert.equal(await cluster.settle(a.store.get('who')), 'all')
    await cluster.settle(a.store.put('k', 1))
    await cluster.run(10_000)
    assert.deepEqual([a, b].map(quarantined), [false, true])
    cluster.crash('a')
    const again = await cluster.open('a', hooksOf('a'))
    await cluster.settle(again.store.put('k', 2))
    await cluster.run(5000)
    assert.equal(quarantined(again), false)
    assert.equal(await cluster.settle(again.store.get('who')), 'all')
  })

  test('stay in quarantine when their host starts again, until they are known to be right', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three(hooksOf)
    await diverge(cluster, a, 'c')
    await cluster.run(2000)
    assert.equal(quarantined(c), true)
    await cluster.settle(c.host.close())
    cluster.network.partition(['a', 'b'], ['c'])
    const host = await cluster.host('c')
    const options = { commands: commandsOf('c'), waitForLeader: false }
    const store = await cluster.settle(host.store('main', options))
    await assert.rejects(cluster.settle(store.get('who', { consistency: 'stale' })), diverged)
    cluster.network.heal()
    await cluster.settle(host.close())
    // Applied again it does the same as elsewhere: so much for what a nondeterministic command did.
    const healed = await cluster.open('c', { commands: commandsOf('x') })
    await cluster.run(3000)
    assert.equal(healed.store.status().diverged, undefined)
    assert.equal(await cluster.settle(healed.store.get('who')), 'all')
    assert.equal(a.store.status().diverged, undefined)
  })

  test('are rebuilt by leaving the group and joining it anew', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three(hooksOf)
    await diverge(cluster, a, 'c')
    await cluster.run(2000)
    await cluster.settle(a.store.remove('c'))
    await cluster.until(() => c.store.status().role === 'removed')
    await cluster.run(500)
    await cluster.settle(c.host.removeData('main'))
    const store = await cluster.settle(c.host.store('main', hooksOf('c')))
    await cluster.settle(a.store.promote('c'))
    await cluster.run(3000)
    assert.equal(store.status().diverged, undefined)
    assert.equal(await cluster.settle(store.get('who')), 'all')
  })

  test('are trusted no more once they left the group and their data is gone', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a', hooksOf('a'))
    const b = await cluster.open('b', hooksOf('b'))
    await cluster.open('w', { role: 'witness' })
    await cluster.settle(a.store.promote(['b', 'w']))
    await cluster.settle(b.host.trustData('main'))
    await cluster.settle(a.store.remove('b'))
    await cluster.until(() => b.store.status().role === 'removed')
    await cluster.run(500)
    await cluster.settle(b.host.removeData('main'))
    const store = await cluster.settle(b.host.store('main', hooksOf('b')))
    await cluster.settle(a.store.promote('b'))
    await cluster.settle(a.store.command('odd.one@1', 'b'))
    await cluster.run(10_000)
    assert.equal(store.status().diverged?.isQuarantined, true)
  })

  test('are rebuilt where they had to make room, and serve at no moment before, whatever crashes', async () => {
    const kept = new Set<boolean>()
    for (let atMs = 0; atMs < 100; atMs += 8) {
      const cluster = new TestCluster({ membersMax: 3, silentMs: 2000 })
      const a = await cluster.open('a', hooksOf('a'))
      const d = await cluster.open('d', hooksOf('d'))
      await cluster.open('x', hooksOf('x'))
      await diverge(cluster, a, 'd')
      await cluster.until(() => quarantined(d) === true)
      const { replica } = d.store.status()
      cluster.diskDelay = host =>
        host === 'd' ? new Promise(resolve => void cluster.timers.after(15, resolve)) : Promise.resolve()
      cluster.network.partition(['d'], ['a', 'x', 'y'])
      cluster.unseen.add('d')
      await cluster.run(15_000)
      await cluster.open('y', hooksOf('y'))
      cluster.unseen.clear()
      cluster.network.heal()
      await cluster.until(() => d.host.running.get('main') === undefined)
      await cluster.run(atMs)
      cluster.crash('d')
      cluster.network.partition(['d'], ['a', 'x', 'y'])
      const alone = await cluster.host('d')
      const options = { ...hooksOf('d'), waitForLeader: false, deadlineMs: 1000 }
      const store = await cluster.settle(alone.store('main', options)).catch(() => undefined)
      const isKept = store?.status().replica === replica
      if (isKept) assert.equal(store.status().diverged?.isQuarantined, true, `after ${atMs} ms`)
      kept.add(isKept)
      cluster.crash('d')
      cluster.crash('y')
      await cluster.run(3000)
      cluster.network.heal()
      const again = await cluster.open('d', hooksOf('d'))
      await cluster.until(() => again.store.status().replica > replica)
      assert.equal(await cluster.settle(again.store.get('who')), 'all')
      await cluster.run(3000)
      assert.equal(again.store.status().diverged, undefined)
    }
    assert.equal(kept.size, 2, 'crashes before, and behind the end of the old replica')
  })

  test('are all told from each other where each went its own way', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three(hooksOf)
    await cluster.settle(a.store.command('name.self@1'))
    await cluster.run(10_000)
    assert.deepEqual([a, b, c].map(quarantined), [true, true, true])
    assert.deepEqual(a.store.status().diverged?.hosts, ['a', 'b', 'c'])
  })
})

describe('replicas whose states differ under load', () => {
  test('are found exactly, though a learner answers nothing because it lacks a command', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three(hooksOf)
    const d = await cluster.open('d')
    await cluster.settle(a.store.command('odd.one@1', 'nobody'))
    await load(cluster, a, 6000, 2500)
    assert.equal(d.store.status().unknownCommand, 'odd.one@1')
    a.store.command('odd.one@1', 'c').catch(() => {})
    await load(cluster, a, 6000, 200)
    const revision = (await cluster.settle(a.store.entry('who')))?.modRevision
    const expected = { revision, isExact: true, hosts: ['c'] }
    assert.deepEqual(a.store.status().diverged, { ...expected, isQuarantined: false })
    assert.deepEqual(c.store.status().diverged, { ...expected, isQuarantined: true })
  })

  test('are found within two seconds, though a voter grows silent in that moment', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three(hooksOf)
    const others = [await cluster.open('d', hooksOf('d')), await cluster.open('e', hooksOf('e'))]
    await cluster.settle(a.store.promote(['d', 'e']))
    await load(cluster, a, 6000, 1500)
    cluster.tap = (from, _to, _lane, frame) => from !== 'e' || kindOf(frame) !== 'response'
    a.store.command('odd.one@1', 'c').catch(() => {})
    await load(cluster, a, 6000, 2000)
    for (const host of [a, b, c, ...others])
      assert.deepEqual(host.store.status().diverged?.hosts, host.name === 'e' ? undefined : ['c'])
    assert.deepEqual([a, b, c].map(quarantined), [false, false, true])
  })

  test('are found and judge themselves, though a member answers late each time', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three(hooksOf)
    await cluster.open('d', hooksOf('d'))
    await load(cluster, a, 8000, 1500)
    cluster.tap = (from, to, lane, frame) => {
      if (from !== 'd' || kindOf(frame) !== 'response') return true
      cluster.timers.after(700, () => cluster.deliver(from, to, lane, frame))
      return false
    }
    a.store.command('odd.one@1', 'c').catch(() => {})
    await load(cluster, a, 8000, 2500)
    assert.deepEqual([a, b, c].map(quarantined), [false, false, true])
  })

  test('are not held to be wrong sooner than without it, where no quorum agrees', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three(hooksOf)
    await cluster.settle(c.host.close())
    await cluster.run(2000)
    a.store.command('odd.one@1', 'b').catch(() => {})
    await load(cluster, a, 3000, 3000)
    assert.deepEqual([a, b].map(quarantined), [undefined, undefined])
    await load(cluster, a, 3000, 3000)
    assert.deepEqual([a, b].map(quarantined), [true, true])
  })
})

test('a client looks for a host that is not in quarantine', async () => {
  const cluster = new TestCluster()
  const [a] = await cluster.three(hooksOf)
  const z = await cluster.open('z', { role: 'client' })
  await diverge(cluster, a, 'a')
  await cluster.run(5000)
  assert.equal(quarantined(a), true)
  for (let i = 0; i < 4; i++) assert.equal(await cluster.settle(z.store.get('who')), 'all')
})

test('a client hears why it is served by nobody, until somebody is right', async () => {
  const cluster = new TestCluster()
  const [a] = await cluster.three(hooksOf)
  const z = await cluster.open('z', { role: 'client' })
  await cluster.settle(z.store.put('k', 1))
  await cluster.settle(a.store.command('name.self@1'))
  await cluster.run(10_000)
  for (let i = 0; i < 4; i++) {
    await assert.rejects(cluster.settle(z.store.get('k', { deadlineMs: 1500 })), diverged)
    await assert.rejects(cluster.settle(z.store.put('k', 2, { deadlineMs: 1500 })), diverged)
  }
  const late = cluster.settle(z.store.get('who', { deadlineMs: 30_000 }))
  await cluster.settle(a.host.trustData('main'))
  assert.equal(await late, 'a')
})

test('replicas that agree are compared while they work, and say nothing when they sleep', async () => {
  const cluster = new TestCluster()
  const [a] = await cluster.three(hooksOf)
  const { frames } = await cluster.recorded(async () => {
    for (let i = 0; i < 20; i++) {
      await cluster.settle(a.store.put('k', i))
      await cluster.run(200)
    }
  })
  const asked = frames.filter(({ from, kind }) => from === 'a' && kind === 'request')
  assert.ok(asked.length >= 6 && asked.length <= 12, `${asked.length} questions to two hosts in four seconds`)
  await cluster.until(() => a.store.status().asleep)
  const asleep = await cluster.recorded(() => cluster.run(60_000))
  assert.equal(asleep.frames.filter(({ kind }) => kind !== 'hello').length, 0)
})

function kindOf(frame: Uint8Array) {
  const decoded = decodeFrame(Buffer.from(frame.subarray(4, 20)).toString('hex'), frame)
  return typeof decoded === 'string' ? undefined : decoded.kind
}

async function endOf(watch: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of watch) void _
}
