import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { isQuorateError } from '../../src/core/error.ts'
import { loadRecipes } from '../../src/engine/recipes/load.ts'
import type { Lock } from '../../src/engine/recipes/lock.ts'
import { TestCluster, type TestHost } from './cluster.ts'

// Loaded for real, so before any time is virtual.
await loadRecipes()

/** Members and a client that want one lock again and again, while links fail and hosts stand still. */
class Contest {
  readonly cluster: TestCluster
  readonly paused = new Set<string>()
  /** Who holds, as far as it knows itself. */
  readonly holders = new Map<string, Lock>()
  /** Fenced writes that succeeded. */
  readonly written: { readonly revision: number; readonly token: number }[] = []
  readonly held = new Map<string, number>()
  /** Since it holds. */
  readonly stoodStill = new Set<string>()
  /** Leases that ended before their time. */
  readonly early: string[] = []
  isOver = false
  private readonly random: () => number

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.cluster = new TestCluster({ seed })
  }

  below(max: number): number {
    return Math.floor(this.random() * max)
  }

  /** Takes the lock, holds it for a while, writes behind its fence as long as it likes, and so on. */
  async contend({ name, store }: TestHost): Promise<void> {
    while (!this.isOver) {
      try {
        const options = { ttlMs: 1000 + this.below(7000), deadlineMs: 1000 + this.below(20_000) }
        await store.lock('l', options, lock => this.hold(name, store, lock))
      } catch (error) {
        assert.ok(isQuorateError(error), String(error))
        await this.wait(200)
      }
    }
  }

  private async hold(name: string, store: TestHost['store'], lock: Lock): Promise<void> {
    this.held.set(name, (this.held.get(name) ?? 0) + 1)
    this.holders.set(name, lock)
    this.stoodStill.delete(name)
    this.checkExclusion()
    lock.signal.addEventListener('abort', () => {
      // The group may only end it after this host knows by itself that its time is over, unless that stood still.
      const { message } = lock.signal.reason
      if (!this.stoodStill.has(name) && /gone|over/.test(message)) this.early.push(`${name}: ${message}`)
    })
    const until = this.cluster.timers.now() + this.below(5000)
    while (this.cluster.timers.now() < until) {
      // As a holder would that does not look at its signal.
      const { revision } = await store.put('k', lock.token, { fence: lock, deadlineMs: 30_000 })
      this.written.push({ revision, token: lock.token })
      await this.wait(this.below(500))
    }
    this.holders.delete(name)
  }

  /** A host that stands still knows nothing; of the others at most one holds. */
  checkExclusion(): void {
    const now = [...this.holders].filter(([name, lock]) => !this.paused.has(name) && !lock.signal.aborted)
    assert.ok(now.length <= 1, `${now.map(([name]) => name).join(' and ')} hold it at once`)
  }

  /** One of the hosts is cut off, or stands still, or the leader hands over. */
  async fail(hosts: readonly TestHost[]): Promise<void> {
    const { cluster } = this
    const leader = hosts.find(({ store }) => store.status().role === 'leader')
    const { name, store } = (this.below(2) === 0 ? leader : undefined) ?? (hosts[this.below(4)] as TestHost)
    const others = hosts.map(other => other.name).filter(other => other !== name)
    const kind = this.below(4)
    if (kind === 0) cluster.network.partition([name], others.slice(this.below(2) * this.below(3)))
    if (kind === 1) store.transferLeadership(others[this.below(2)] ?? '').catch(() => {})
    if (kind >= 2) {
      this.paused.add(name)
      this.stoodStill.add(name)
      cluster.pause(name)
    }
    await this.pass(500 + this.below(6000))
    cluster.network.heal()
    if (!this.paused.delete(name)) return
    cluster.resume(name)
    // What it has to hear first arrives with the input that waited.
    await cluster.run(1)
  }

  /** Time passes, and at no moment of it two hold the lock. */
  async pass(ms: number): Promise<void> {
    const step = 50
    for (let passed = 0; passed < ms; passed += step) {
      await this.cluster.run(step)
      this.checkExclusion()
    }
  }

  private wait(ms: number): Promise<void> {
    return new Promise(resolve => this.cluster.timers.after(ms, resolve))
  }
}

test('a lock has one holder at a time, and no write of an earlier one behind a later, whatever fails', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const contest = new Contest(seed)
    const { cluster } = contest
    const hosts: TestHost[] = [...(await cluster.three()), await cluster.open('z', { role: 'client' })]
    const names = hosts.map(({ name }) => name)
    const contenders = hosts.map(host => contest.contend(host))
    for (let fault = 0; fault < 8; fault++) {
      await contest.pass(contest.below(4000))
      await contest.fail(hosts)
    }
    const before = new Map(contest.held)
    await contest.pass(40_000)
    for (const name of names)
      assert.ok((contest.held.get(name) ?? 0) > (before.get(name) ?? 0), `${name} has its turn, seed ${seed}`)
    assert.deepEqual(contest.early, [], `seed ${seed}`)
    contest.isOver = true
    await cluster.settle(Promise.all(contenders))
    const tokens = contest.written
      .sort((left, right) => left.revision - right.revision)
      .map(({ token }) => token)
    assert.deepEqual(
      tokens,
      [...tokens].sort((left, right) => left - right),
      `seed ${seed}`,
    )
  }
})
