import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { isQuorateError, type Outcome } from '../../src/core/error.ts'
import type { HostId, Revision } from '../../src/core/types.ts'
import type { Store } from '../../src/engine/store/store.ts'
import type { StoreHooks } from '../../src/engine/store-hooks.ts'
import { TestCluster } from './cluster.ts'

const names: readonly HostId[] = ['a', 'b', 'c']

/** What came of something that was asked for once: 'done', or what its error says of its effect. */
type End = 'done' | Outcome

/** What everybody who followed the log was told, and what those who wrote know. */
class Ledger {
  readonly entries = new Map<Revision, string>()
  readonly broadcasts = new Map<number, End>()
  readonly requests = new Map<number, End>()
  /** Requests, as often as they ran. */
  readonly ran: number[] = []

  readonly hooks: StoreHooks = {
    validate: command => (command.type === 'broadcast' && isOdd(command.body) ? 'odd' : undefined),
    requests: { run: id => this.ran.push(id as number) },
  }

  /** Follows one life of a store. Two lives that tell of one revision tell the same; none leaves one out. */
  async follow(store: Store): Promise<void> {
    for (let from: Revision | undefined = 1; ; from = undefined) {
      try {
        let last: Revision | undefined
        for await (const { host, ...entry } of store.entries(from === undefined ? {} : { from })) {
          assert(last === undefined || entry.revision === last + 1, `${entry.revision} follows ${last}`)
          last = entry.revision
          const told = JSON.stringify(entry)
          assert.equal(this.entries.get(last) ?? told, told)
          this.entries.set(last, told)
        }
        return
      } catch (error) {
        if (isQuorateError(error, 'CLOSED')) return
        if (!isQuorateError(error, 'COMPACTED')) throw error
      }
    }
  }

  async broadcast(store: Store, id: number): Promise<void> {
    this.broadcasts.set(id, await endOf(store.broadcast('ids', id)))
  }

  async request(store: Store, id: number): Promise<void> {
    this.requests.set(id, await endOf(store.request('run', id)))
  }

  check(): void {
    const told = [...this.entries.values()].map(entry => JSON.parse(entry))
    const heard = told.flatMap(entry => (entry.type === 'broadcast' ? [entry.body as number] : []))
    checkOnce(this.broadcasts, heard)
    checkOnce(this.requests, this.ran)
    for (const [id, end] of this.broadcasts) assert(end !== 'done' || !isOdd(id), `${id} was refused`)
    assert(heard.length > 5 && this.ran.length > 5, 'some of it worked')
  }
}

/** Three voters and a client through crashes, cuts and lost frames, decided by one seed; then all is healed. */
async function live(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const cluster = new TestCluster({ seed, snapshotEntriesEvery: seed % 2 === 0 ? 60 : 100_000 })
  const ledger = new Ledger()
  const stores = new Map<HostId, Store>()
  const failures: unknown[] = []
  const follow = (name: HostId, store: Store) => {
    stores.set(name, store)
    // Whoever is crashed is never told of an end.
    ledger.follow(store).catch(error => failures.push(error))
  }
  const open = async (name: HostId) => {
    const host = await cluster.host(name)
    follow(name, await cluster.settle(host.store('main', { ...ledger.hooks, waitForLeader: false })))
  }
  for (const { name, store } of await cluster.three(() => ledger.hooks)) follow(name, store)
  const client = await cluster.open('z', { role: 'client' })
  follow('z', client.store)
  cluster.network.setFaults({
    latencyMs: 1 + random() * 20,
    jitterMs: random() * 20,
    lossRate: random() * 0.05,
  })
  for (let step = 0; step < 150; step++) {
    const up = names.filter(name => stores.has(name))
    if (random() < 0.05 && up.length > 1) {
      const victim = pick(up)
      cluster.crash(victim)
      stores.delete(victim)
    } else if (random() < 0.1 && up.length < 3) await open(pick(names.filter(name => !stores.has(name))))
    else if (random() < 0.05) cluster.network.cut(pick(names), pick(names))
    else if (random() < 0.15) cluster.network.heal()
    const store = stores.get(pick([...stores.keys()]))
    const ask = random() < 0.6 ? ledger.broadcast : ledger.request
    if (store !== undefined) ask.call(ledger, store, step).catch(error => failures.push(error))
    await cluster.run(random() * 400)
  }
  cluster.network.heal()
  cluster.network.setFaults({ lossRate: 0 })
  for (const name of names) if (!stores.has(name)) await open(name)
  // By then every call has ended, but for those of hosts that crashed.
  await cluster.run(30_000)
  for (const store of stores.values()) await cluster.settle(store.ready())
  await cluster.run(5000)
  for (const name of [...names, 'z']) cluster.crash(name)
  assert.deepEqual(failures, [])
  ledger.check()
}

function checkOnce(ends: ReadonlyMap<number, End>, seen: readonly number[]): void {
  assert.equal(new Set(seen).size, seen.length, 'nothing happened twice')
  const happened = new Set(seen)
  for (const [id, end] of ends) {
    if (end === 'done') assert(happened.has(id), `${id} is said to be done, and is not`)
    if (end === 'none') assert(!happened.has(id), `${id} is said not to be done, and is`)
  }
}

async function endOf(call: Promise<unknown>): Promise<End> {
  try {
    await call
    return 'done'
  } catch (error) {
    assert(isQuorateError(error), String(error))
    return error.outcome
  }
}

function isOdd(id: unknown): boolean {
  return typeof id === 'number' && id % 2 === 1
}

describe('through crashes, cuts and lost frames', () => {
  const seed = Number(process.env.CHAOS_SEED ?? 0)
  const seeds =
    seed > 0 ? [seed] : Array.from({ length: Number(process.env.CHAOS_RUNS ?? 8) }, (_, i) => i + 1)
  for (const one of seeds) {
    test(`who follows the log is told the same, and what is asked for once is done once (seed ${one})`, () =>
      live(one))
  }
})
