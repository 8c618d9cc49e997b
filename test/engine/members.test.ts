import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ErrorCode, isQuorateError } from '../../src/core/error.ts'
import type { MessageType } from '../../src/core/raft/message.ts'
import type { HostId } from '../../src/core/types.ts'
import { eventLoopTurn } from '../../src/testing/simulator/promise-jobs.ts'
import { decodeFrame, type FrameKind } from '../../src/wire/frames.ts'
import { decodeRaftBody } from '../../src/wire/message-codec.ts'
import { TestCluster, type TestHost } from './cluster.ts'

const fails = (promise: Promise<unknown>, code: ErrorCode) =>
  assert.rejects(promise, error => isQuorateError(error, code))

/** Loses the next frames of a kind from one host to another one. */
function lose(cluster: TestCluster, one: TestHost, to: HostId, kind: FrameKind, count = 1): void {
  let left = count
  cluster.tap = (from, target, _lane, bytes) => {
    if (from !== one.name || target !== to || left === 0) return true
    const frame = decodeFrame(one.host.deployment ?? '', bytes)
    if (typeof frame === 'string' || frame.kind !== kind) return true
    left -= 1
    return false
  }
}

function hasMessage({ host }: TestHost, bytes: Uint8Array, type: MessageType): boolean {
  const frame = decodeFrame(host.deployment ?? '', bytes)
  let isFound = false
  if (typeof frame !== 'string' && frame.kind === 'raft')
    decodeRaftBody(frame.body, (_group, message) => {
      isFound ||= message.type === type
    })
  return isFound
}

/** Makes the host lead, whoever did before. */
async function seat(cluster: TestCluster, { store, name }: TestHost): Promise<void> {
  await cluster.settle(store.transferLeadership(name))
  assert.equal(store.status().role, 'leader')
}

describe('leadership is handed over', () => {
  test('to the host that is named, whoever asks', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    for (const [asked, to] of [
      [a, b],
      [a, c],
      [z, a],
      [a, a],
      [c, b],
    ] as const) {
      await cluster.settle(asked.store.transferLeadership(to.name))
      await cluster.until(() => to.store.status().role === 'leader', 1000)
    }
  })

  test('while writes are under way, and each takes effect once', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(a.store.put('k', 0))
    const writes = Array.from({ length: 100 }, (_, i) => (i % 2 ? a : b).store.insert(`k${i}`, i))
    const passing = a.store.transferLeadership('b')
    await cluster.run(5)
    const later = Array.from({ length: 100 }, (_, i) => (i % 2 ? a : b).store.insert(`l${i}`, i))
    const before = cluster.timers.now()
    await cluster.settle(passing)
    const results = await cluster.settle(Promise.all([...writes, ...later]))
    assert.ok(results.every(({ ok }) => ok))
    assert.ok(cluster.timers.now() - before < 1000, 'nobody waited for an election timeout')
  })

  test('not to one who is away: the leader goes on after an election timeout, and the caller hears of it', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three()
    await cluster.settle(a.store.put('k', 0))
    cluster.network.partition(['a', 'b'], ['c'])
    const passing = a.store.transferLeadership('c')
    const write = a.store.put('k', 1)
    const before = cluster.timers.now()
    await fails(cluster.settle(passing), 'TRANSFER_ABORTED')
    assert.ok(cluster.timers.now() - before < 5000)
    await cluster.settle(write)
    assert.equal(a.store.status().role, 'leader')
    cluster.network.heal()
    await cluster.settle(c.store.put('k', 2))
  })

  test('to one of two that are named at once, and the caller of the other hears which', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const asked = ['b', 'c'].map(host => a.store.transferLeadership(host))
    const ends = await cluster.settle(Promise.allSettled(asked))
    const leader = a.store.status().leader
    const failures = ends.flatMap(end => (end.status === 'rejected' ? [end.reason] : []))
    assert.equal(failures.length, 1)
    assert.ok(isQuorateError(failures[0], 'TRANSFER_ABORTED'))
    assert.match(failures[0].message, /or another one was named/)
    assert.deepEqual(failures[0].detail, { leader })
  })

  test('to no learner and no stranger', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    await cluster.open('b')
    await fails(cluster.settle(a.store.transferLeadership('b')), 'MEMBERSHIP_REFUSED')
    await fails(cluster.settle(a.store.transferLeadership('x')), 'NOT_MEMBER')
  })

  test('and the caller hears that it is done though the answer was lost', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three()
    await cluster.settle(c.store.put('k', 0))
    lose(cluster, a, 'c', 'response')
    await cluster.settle(c.store.transferLeadership('b'))
  })
})

describe('a change for a certain revision of the members', () => {
  test('is made while they are of that revision, and refused when they are not', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    const { revision, members } = await cluster.settle(b.store.membership())
    assert.deepEqual(
      members.map(({ hostId, role, wanted, witness, weight }) => [hostId, role, wanted, witness, weight]),
      ['a', 'b', 'c'].map(host => [host, 'voter', 'voter', false, 1]),
    )
    await cluster.settle(b.store.demote('c', { expectedRevision: revision }))
    const late = a.store.demote('b', { expectedRevision: revision })
    await assert.rejects(
      cluster.settle(late),
      error => isQuorateError(error, 'MEMBERSHIP_CONFLICT') && error.outcome === 'none',
    )
    // What stands already is no conflict.
    await cluster.settle(a.store.demote('c', { expectedRevision: revision }))
    await assert.rejects(a.store.demote('c', { expectedRevision: 0 }), TypeError)
  })

  test('is made for one of two callers that saw the same members', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const { revision: expectedRevision } = await cluster.settle(a.store.membership())
    const changes = Promise.allSettled([
      b.store.demote('b', { expectedRevision }),
      c.store.demote('c', { expectedRevision }),
    ])
    const outcomes = (await cluster.settle(changes)).map(({ status }) => status)
    assert.deepEqual(outcomes.sort(), ['fulfilled', 'rejected'])
  })

  test('removes a voter, in two steps, whatever the revision is behind the first', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { revision: expectedRevision } = await cluster.settle(a.store.membership())
    const members = await cluster.settle(a.store.remove('c', { expectedRevision }))
    assert.deepEqual(
      members.map(member => member.hostId),
      ['a', 'b'],
    )
  })
})

describe('a change of voters that resolved', () => {
  test('is in force: who does not vote any more may be gone at once, and the leader, too', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = new TestCluster({ seed })
      const [a, b, c] = await cluster.three()
      for (const name of ['d', 'e']) await cluster.open(name)
      await cluster.settle(a.store.promote(['d', 'e']))
      const asked = [a, b][seed % 2] ?? a
      await cluster.settle(asked.store.demote('e'))
      for (const name of ['a', 'd', 'e']) cluster.crash(name)
      await cluster.settle(c.store.put('k', seed, { deadlineMs: 30_000 }))
      assert.equal(await cluster.settle(b.store.get('k')), seed)
    }
  })

  test('outlives a power cut that follows at once', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    for (const name of ['d', 'e']) await cluster.open(name)
    await cluster.settle(a.store.promote(['d', 'e']))
    await cluster.settle(a.store.demote('e'))
    for (const name of ['a', 'b', 'c', 'd', 'e']) cluster.crash(name)
    const hosts = [await cluster.host('b'), await cluster.host('c')]
    const stores = await cluster.settle(Promise.all(hosts.map(host => host.store())))
    for (const store of stores) await cluster.settle(store.put('k', 1))
  })

  test('is known to the host that asked for it, whoever leads', async () => {
    const cluster = new TestCluster()
    const [, b] = await cluster.three()
    const { store } = await cluster.open('d')
    assert.deepEqual(await cluster.settle(store.remove('c')), store.status().members)
    assert.deepEqual(await cluster.settle(store.promote('d')), store.status().members)
    assert.deepEqual(await cluster.settle(b.store.setWeights({ a: 2 })), b.store.status().members)
    assert.deepEqual(await cluster.settle(store.demote('d')), store.status().members)
  })

  test('waits until the host that asked for it knows, too', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store } = await cluster.open('d')
    await cluster.settle(store.put('k', 1))
    lose(cluster, a, 'd', 'raft', Number.POSITIVE_INFINITY)
    let isDone = false
    const removing = store.remove('c').then(members => {
      isDone = true
      return members
    })
    await cluster.run(2000)
    assert.equal(a.store.status().members.length, 3)
    assert.equal(isDone, false)
    cluster.tap = () => true
    assert.deepEqual(await cluster.settle(removing), store.status().members)
  })

  test('resolves on a host that removed itself', async () => {
    const cluster = new TestCluster()
    const [, , c] = await cluster.three()
    const members = await cluster.settle(c.store.remove('c'))
    assert.deepEqual(
      members.map(member => member.hostId),
      ['a', 'b'],
    )
  })
})

describe('a leader that shall not vote any more', () => {
  for (const change of ['demote', 'remove'] as const) {
    test(`hands leadership over first, where it is to ${change} itself`, async () => {
      for (const asker of [0, 1, 2]) {
        const cluster = new TestCluster()
        const three = await cluster.three()
        const [a, b] = three
        await cluster.settle(a.store.put('k', 0))
        const before = cluster.timers.now()
        const changing = three[asker]?.store[change]('a') ?? Promise.reject(new Error('nobody asked'))
        const write = b.store.put('k', 1)
        await cluster.settle(changing)
        await cluster.settle(write)
        assert.ok(cluster.timers.now() - before < 1000, 'nobody waited for an election timeout')
        assert.notEqual(b.store.status().leader, 'a')
      }
    })
  }

  for (const order of ['abc', 'bca', 'cab', 'acb', 'ba', 'ca', 'ab']) {
    test(`leaves no group without a leader behind it, where ${[...order].join(', ')} are to go at once`, async () => {
      const cluster = new TestCluster()
      const [a, b, c] = await cluster.three()
      await cluster.settle(a.store.put('k', 0))
      const before = cluster.timers.now()
      const going = [...order].map(name => b.store.demote(name))
      const results = await cluster.settle(Promise.allSettled(going))
      await cluster.settle(c.store.put('k', 1))
      assert.ok(cluster.timers.now() - before < 900, 'nobody waited for an election timeout')
      assert.equal(results.filter(({ status }) => status === 'rejected').length, order.length === 3 ? 1 : 0)
      const { members } = await cluster.settle(c.store.membership())
      assert.equal(members.filter(({ role }) => role === 'voter').length, 1)
    })
  }

  test('goes all the same when nobody takes it over', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(a.store.put('k', 0))
    cluster.tap = (from, _to, _lane, bytes) => from !== 'a' || !hasMessage(a, bytes, 'MsgTimeoutNow')
    const members = await cluster.settle(a.store.demote('a'))
    assert.equal(members.find(({ hostId }) => hostId === 'a')?.role, 'learner')
    await cluster.settle(b.store.put('k', 1))
  })

  test('does not hand over to a voter that stands still, where another one does not', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await cluster.settle(a.store.put('k', 0))
    cluster.pause('b')
    await cluster.run(3500)
    const before = cluster.timers.now()
    await cluster.settle(a.store.demote('a', { deadlineMs: 900 }).catch(() => undefined))
    assert.equal(a.store.status().leader, 'c')
    assert(cluster.timers.now() - before < 1000, 'nobody waited for an election timeout')
  })

  test('has changed nothing when the deadline passes while it hands over', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await cluster.settle(a.store.put('k', 0))
    cluster.tap = (from, _to, _lane, bytes) => from !== 'a' || !hasMessage(a, bytes, 'MsgTimeoutNow')
    const demoted = cluster.settle(a.store.demote('a', { deadlineMs: 300 }))
    await assert.rejects(demoted, error => isQuorateError(error, 'TIMEOUT') && error.outcome === 'none')
    const { members } = await cluster.settle(a.store.membership())
    assert.equal(members.find(({ hostId }) => hostId === 'a')?.role, 'voter')
  })

  test('stays when the change is refused', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await fails(cluster.settle(a.store.demote('a', { expectedRevision: 1 })), 'MEMBERSHIP_CONFLICT')
    assert.equal(a.store.status().role, 'leader')
  })
})

describe('a removal whose answer is lost', () => {
  test('comes to a good end when it is asked for again', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.put('k', 0))
    lose(cluster, a, 'b', 'response')
    const members = await cluster.settle(b.store.remove('c'))
    assert.deepEqual(
      members.map(member => member.hostId),
      ['a', 'b'],
    )
    await fails(cluster.settle(b.store.remove('c')), 'NOT_MEMBER')
  })

  test('comes to a good end for a client, too', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const z = await cluster.open('z', { role: 'client' })
    await cluster.settle(z.store.put('k', 0))
    lose(cluster, a, 'z', 'response')
    const members = await cluster.settle(z.store.remove('c'))
    assert.equal(members.length, 2)
  })

  test('is over for a host that had itself removed and hears of that first', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three()
    await cluster.settle(c.store.put('k', 0))
    lose(cluster, a, 'c', 'response', 100)
    const members = await cluster.settle(c.store.remove('c'))
    assert.deepEqual(
      members.map(member => member.hostId),
      ['a', 'b'],
    )
  })

  test('is over when the leader fell between its two steps', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.put('k', 0))
    const removing = b.store.remove('c', { deadlineMs: 30_000 })
    await cluster.until(() => {
      const { members } = b.store.status()
      return members.find(({ hostId }) => hostId === 'c')?.role === 'learner'
    })
    await cluster.settle(a.host.handOver())
    const members = await cluster.settle(removing)
    assert.ok(!members.some(({ hostId }) => hostId === 'c'))
  })
})

describe('voters by weight', () => {
  test('a seed that outweighs two tabs goes on without them, and they do not without it', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const members = await cluster.settle(b.store.setWeights({ a: 3 }))
    assert.deepEqual(
      members.map(({ weight }) => weight),
      [3, 1, 1],
    )
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.run(10_000)
    await cluster.settle(a.store.put('k', 1))
    assert.equal(await cluster.settle(a.store.get('k')), 1)
    await fails(cluster.settle(c.store.put('k', 2, { deadlineMs: 5000 })), 'NO_LEADER')
    cluster.network.heal()
    assert.equal(await cluster.settle(c.store.get('k')), 1)
  })

  test('weights outlive a restart of everybody, and the end of who asked for them', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 5, trailingEntries: 1 })
    const [a, b, c] = await cluster.three()
    await cluster.settle(c.store.setWeights({ b: 3 }))
    for (let i = 0; i < 20; i++) await cluster.settle(a.store.put('k', i))
    for (const { name } of [a, b, c]) cluster.crash(name)
    const again = await cluster.open('b')
    await cluster.settle(again.store.put('k', 'b alone'))
    const members = await cluster.settle(again.store.members())
    assert.deepEqual(
      members.map(({ weight }) => weight),
      [1, 3, 1],
    )
  })

  test('a weight is an integer from 1 to 100, of a member', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    for (const weights of [null, undefined, [1], 3]) {
      const setting = store.setWeights(weights as never)
      await assert.rejects(setting, new TypeError('weights are { [host]: integer from 1 }'))
    }
    for (const weight of [0, -1, 1.5, Number.NaN]) {
      await assert.rejects(store.setWeights({ a: weight }), TypeError)
    }
    await fails(cluster.settle(store.setWeights({ a: 101 })), 'MEMBERSHIP_REFUSED')
    await fails(cluster.settle(store.setWeights({ x: 1 })), 'NOT_MEMBER')
  })
})

describe('quorums by a rule', () => {
  test('decide in place of majorities, until the voters change', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(b.store.setQuorum(hosts => hosts.has('a') && hosts.size >= 2))
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.run(10_000)
    await fails(cluster.settle(b.store.put('k', 2, { deadlineMs: 5000 })), 'NO_LEADER')
    cluster.network.heal()
    cluster.network.partition(['a', 'b'], ['c'])
    await cluster.settle(a.store.put('k', 1))
    cluster.network.heal()
    await cluster.settle(b.store.demote('c'))
    await cluster.settle(b.store.promote('c'))
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.settle(b.store.put('k', 3, { deadlineMs: 30_000 }))
  })

  test('must meet: a rule by which two sets without a common voter decide is refused', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await fails(cluster.settle(a.store.setQuorum(hosts => hosts.size >= 1)), 'MEMBERSHIP_REFUSED')
    await fails(cluster.settle(a.store.setQuorum(() => false)), 'MEMBERSHIP_REFUSED')
    await cluster.settle(a.store.put('k', 1))
  })

  test('are refused for what is wrong with the rule: where it always says yes, for instance', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const always = cluster.settle(a.store.setQuorum(() => true))
    await assert.rejects(always, { code: 'MEMBERSHIP_REFUSED', message: /no voter in common/ })
    const never = cluster.settle(a.store.setQuorum(() => false))
    await assert.rejects(never, { code: 'MEMBERSHIP_REFUSED', message: /nobody ever decides/ })
    const rejecting = async () => {
      throw new Error('nobody waits for it, and it must end no process')
    }
    for (const rule of [null, 'majority', async () => true, rejecting])
      await assert.rejects(cluster.settle(a.store.setQuorum(rule as never)), TypeError)
    await eventLoopTurn()
  })

  test('give way to weights when there is no rule any more', async () => {
    const cluster = new TestCluster()
    const [a, b] = await cluster.three()
    await cluster.settle(a.store.setQuorum(hosts => hosts.has('a')))
    await cluster.settle(a.store.setQuorum(undefined))
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.settle(b.store.put('k', 1, { deadlineMs: 30_000 }))
  })
})

describe('members', () => {
  test('are those of now, also where a replica lags behind', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three()
    await cluster.open('d')
    cluster.network.partition(['a', 'b', 'd'], ['c'])
    await cluster.settle(a.store.promote('d'))
    assert.equal(c.store.status().members.find(({ hostId }) => hostId === 'd')?.wanted, 'learner')
    const asked = c.store.members({ deadlineMs: 30_000 })
    await cluster.run(1000)
    cluster.network.heal()
    const members = await cluster.settle(asked)
    assert.equal(members.find(({ hostId }) => hostId === 'd')?.wanted, 'voter')
  })

  test('who was removed is banned by its replica id, which nobody gets again', async () => {
    const cluster = new TestCluster()
    const [a, , c] = await cluster.three()
    const { replica } = c.store.status()
    await cluster.settle(a.store.remove('c'))
    await cluster.open('d')
    const ids = (await cluster.settle(a.store.members())).map(member => member.replica)
    assert.ok(!ids.includes(replica))
    await fails(cluster.settle(c.store.put('k', 1)), 'REMOVED')
  })

  test('a promoted learner has caught up before it counts, and keeps what it had', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    await cluster.open('b')
    const c = await cluster.open('c')
    cluster.network.partition(['a', 'b'], ['c'])
    const writes = Array.from({ length: 1500 }, (_, i) => a.store.put(`k${i}`, i))
    await cluster.settle(Promise.all(writes))
    const early = a.store.promote(['b', 'c'], { deadlineMs: 2000 })
    await fails(cluster.settle(early), 'MEMBERSHIP_PENDING')
    cluster.network.heal()
    await cluster.settle(a.store.promote(['b', 'c'], { deadlineMs: 30_000 }))
    await seat(cluster, c)
    assert.equal(await cluster.settle(c.store.get('k1499')), 1499)
  })
})
