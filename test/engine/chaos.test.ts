import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { isQuorateError } from '../../src/core/error.ts'
import type { HostId } from '../../src/core/types.ts'
import type { Store } from '../../src/engine/store.ts'
import { absent } from '../../src/engine/types.ts'
import { TestCluster, type TestHost } from './cluster.ts'

const names: readonly HostId[] = ['a', 'b', 'c']
const counters = 4

/** What the clients of one run know, whatever happened to their writes. */
interface Ledger {
  /** Counted up and acknowledged. */
  readonly acknowledged: number[]
  /** Handed on, and never heard of again: each may count once or not at all. */
  readonly unknown: number[]
  /** Values that were acknowledged for a key that is inserted once. */
  readonly inserted: Map<string, unknown>
}

/**
 * Three voters, and a client without a replica, through crashes, cuts and lost frames, all decided by one seed.
 * Afterwards everything is healed, and the state must hold what was acknowledged, each write once.
 */
async function live(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  // With every third seed the group falls asleep as soon as it can.
  const quiesceTicks = seed % 3 === 0 ? 2 : 50
  const cluster = new TestCluster({ seed, snapshotEntriesEvery: 60, trailingEntries: 20, quiesceTicks })
  const hosts = new Map<HostId, TestHost>()
  for (const host of await cluster.three()) hosts.set(host.name, host)
  const client = await cluster.open('z', { role: 'client' })
  cluster.network.setFaults({
    latencyMs: 1 + random() * 20,
    jitterMs: random() * 20,
    lossRate: random() * 0.05,
  })
  const ledger: Ledger = {
    acknowledged: new Array(counters).fill(0),
    unknown: new Array(counters).fill(0),
    inserted: new Map(),
  }
  const writes: Promise<void>[] = []
  for (let step = 0; step < 120; step++) {
    const up = [...hosts.keys()]
    if (random() < 0.05 && up.length > 1) {
      const victim = pick(up)
      cluster.crash(victim)
      hosts.delete(victim)
    } else if (random() < 0.1 && up.length < 3) {
      const name = pick(names.filter(one => !hosts.has(one)))
      const host = await cluster.host(name)
      hosts.set(name, {
        name,
        host,
        store: await cluster.settle(host.store('main', { waitForLeader: false })),
      })
    } else if (random() < 0.05) cluster.network.cut(pick(names), pick(names))
    else if (random() < 0.15) cluster.network.heal()
    const store = random() < 0.25 ? client.store : hosts.get(pick([...hosts.keys()]))?.store
    if (store !== undefined)
      writes.push(random() < 0.7 ? count(store, pick([0, 1, 2, 3]), ledger) : insert(store, step, ledger))
    await cluster.run(random() * 400)
  }
  cluster.network.heal()
  cluster.network.setFaults({ lossRate: 0 })
  for (const name of names.filter(one => !hosts.has(one))) hosts.set(name, await cluster.open(name))
  await cluster.settle(Promise.all(writes), 600_000)
  await check(cluster, [...hosts.values(), client], ledger)
}

/** Reads and swaps until the counter is one higher; what is unknown is told apart from what failed. */
async function count(store: Store, number: number, ledger: Ledger): Promise<void> {
  const key = `counter/${number}`
  for (let tries = 0; tries < 50; tries++) {
    try {
      const present = await store.get<number>(key)
      const { ok } = await store.compareAndSwap<number>(key, present ?? absent, (present ?? 0) + 1)
      if (!ok) continue
      ledger.acknowledged[number] = (ledger.acknowledged[number] ?? 0) + 1
      return
    } catch (error) {
      assert(isQuorateError(error), String(error))
      if (error.outcome === 'none') continue
      ledger.unknown[number] = (ledger.unknown[number] ?? 0) + 1
      return
    }
  }
}

async function insert(store: Store, value: number, ledger: Ledger): Promise<void> {
  const key = `name/${value % 10}`
  try {
    const answer = await store.insert(key, value)
    if (!answer.ok) return
    assert(!ledger.inserted.has(key), `${key} was inserted twice`)
    ledger.inserted.set(key, value)
  } catch (error) {
    assert(isQuorateError(error), String(error))
  }
}

async function check(cluster: TestCluster, hosts: readonly TestHost[], ledger: Ledger): Promise<void> {
  for (const { store } of hosts) {
    for (let number = 0; number < counters; number++) {
      const value =
        (await cluster.settle(store.get<number>(`counter/${number}`, { deadlineMs: 60_000 }))) ?? 0
      const least = ledger.acknowledged[number] ?? 0
      const most = least + (ledger.unknown[number] ?? 0)
      assert(
        value >= least && value <= most,
        `counter ${number} is ${value}, not within ${least} and ${most}`,
      )
    }
    for (const [key, value] of ledger.inserted) {
      assert.equal(await cluster.settle(store.get(key, { deadlineMs: 60_000 })), value)
    }
  }
  await cluster.run(5000)
  const states = hosts.map(({ store }) => store.scan({}, { consistency: 'stale' }))
  const [first, ...others] = await cluster.settle(Promise.all(states))
  for (const other of others) assert.deepEqual(other, first)
}

describe('through crashes, cuts and lost frames', () => {
  const seed = Number(process.env.CHAOS_SEED ?? 0)
  const seeds =
    seed > 0 ? [seed] : Array.from({ length: Number(process.env.CHAOS_RUNS ?? 12) }, (_, i) => i + 1)
  for (const one of seeds) {
    test(`nothing acknowledged is lost or counted twice (seed ${one})`, () => live(one))
  }
})
