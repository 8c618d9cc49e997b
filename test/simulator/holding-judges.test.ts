import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import type { Command } from '../../src/core/machine/command.ts'
import type { Entry } from '../../src/core/raft/types.ts'
import type { Lock } from '../../src/engine/recipes/lock.ts'
import { enterCommand } from '../../src/engine/recipes/places.ts'
import { encodeArgs } from '../../src/engine/transactions/command.ts'
import type { Fence } from '../../src/engine/types.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { driftMax, LeaseChecker } from '../../src/testing/simulator/lease-checker.ts'
import { Lines } from '../../src/testing/simulator/lines.ts'
import { LockCalls } from '../../src/testing/simulator/lock-calls.ts'
import type { HostLife } from '../../src/testing/simulator/simulated-host.ts'
import { encodeProposal } from '../../src/wire/proposal-codec.ts'
import { encodeValue } from '../../src/wire/value.ts'
import { Rehearsal } from './rehearsal.ts'

/** A log with stamps of a leader whose clock may be wrong. */
class Leases {
  readonly rehearsal = new Rehearsal()
  private readonly entries: Entry[] = []
  readonly checker = new LeaseChecker({
    timers: this.rehearsal.timers,
    report: this.rehearsal.report,
    oracle: this.rehearsal.oracle,
    entryAt: index => this.entries[index],
    tickMs: 100,
  })

  log(command: Command, within = { session: 0, seq: 0, acked: 0 }): number {
    const index = this.rehearsal.machine.appliedIndex + 1
    const data = encodeProposal({ ...within, command })
    const entry: Entry = { term: 1, index, type: 'normal', data, change: null }
    this.entries[index] = entry
    this.checker.logged(entry)
    this.rehearsal.apply(command, within)
    this.checker.judge()
    return index
  }

  /** A lease of a second with a key, granted when the group's clock says this. */
  grant(clock: number): number {
    const lease = this.log({ type: 'lease-grant', ttlMs: 1000, clock })
    this.put('k', 'v1', lease)
    return lease
  }

  /** As `store.put` with a lease. */
  private put(key: string, value: string, lease: number): void {
    const txn = { success: [{ type: 'put', key, value, lease }] }
    this.log({ type: 'call', name: '$txn@1', args: encodeArgs(txn), now: 0 })
  }

  pass(ms: number): void {
    this.rehearsal.timers.run(ms)
  }
}

describe('the judge of leases', () => {
  test('takes leases that lasted their time, by clocks that are wrong within their bounds', () => {
    const leases = new Leases()
    leases.grant(0)
    leases.pass(1000 / (1 + driftMax) + 1)
    leases.log({ type: 'expire', clock: 1000 })
    assert.deepEqual(leases.rehearsal.broken, [])
  })

  test('takes what a session had given up for what was never done', () => {
    const leases = new Leases()
    const session = leases.log({ type: 'open-session', host: 'h1' })
    leases.log({ type: 'barrier' }, { session, seq: 2, acked: 1 })
    leases.log({ type: 'lease-grant', ttlMs: 1000, clock: 0 }, { session, seq: 1, acked: 0 })
    leases.pass(900)
    leases.log({ type: 'lease-grant', ttlMs: 1000, clock: 900 }, { session, seq: 2, acked: 1 })
    leases.log({ type: 'lease-grant', ttlMs: 1000, clock: 100 })
    assert.deepEqual(leases.rehearsal.broken, [])
  })

  test('sees a lease that ended too early, and a clock that ran ahead or went back', () => {
    const leases = new Leases()
    const lease = leases.grant(0)
    leases.pass(700)
    leases.log({ type: 'lease-keep-alive', leases: [lease], clock: 700 })
    leases.pass(600)
    leases.log({ type: 'expire', clock: 1700 })
    // By the clock and by the lease.
    assert.deepEqual(leases.rehearsal.broken, ['lease', 'lease'])
    leases.log({ type: 'expire', clock: 900 })
    assert.equal(leases.rehearsal.broken.length, 3)
  })

  test('sees a holder that was told of the end before it knew by its own clock', () => {
    for (const [ttlMs, clockRate, message, isEarly] of [
      [8000, 1, 'the lease is over', true],
      [8000, 1, 'the lease could not be kept alive in time', false],
      [8000, 0.7, 'the lease is over', false],
      [1000, 1, 'the key that it held is gone', false],
    ] as const) {
      const { checker, rehearsal } = new Leases()
      const clock = new HostClock(rehearsal.timers)
      clock.setRate(clockRate)
      const ending = new AbortController()
      const life = { owner: { id: 'h1' }, clock } as HostLife
      checker.holds(life, ending, ttlMs)
      ending.abort(new QuorateError('LEASE_LOST', message))
      assert.equal(rehearsal.broken.length, isEarly ? 1 : 0, message)
    }
  })
})

describe('the judge of locks', () => {
  /** A store with a lock that is written behind, or not, and lost meanwhile, or not. */
  const run = async (options: {
    readonly isLost: boolean
    readonly isFenced: boolean
    readonly place?: number
  }) => {
    const rehearsal = new Rehearsal()
    const lines = new Lines(rehearsal)
    const calls = new LockCalls(rehearsal, lines)
    const keys: string[] = []
    for (let holders = 0; holders < 2; holders++) {
      const lease = rehearsal.apply({ type: 'lease-grant', ttlMs: 1000, clock: 0 })
      const args = encodeArgs(['$lock', 'a', 1, null, lease, true])
      const token = rehearsal.apply({ type: 'call', name: enterCommand, args, now: 0 })
      keys.push(rehearsal.oracle.changes.at(-1)?.key ?? '')
      assert.equal(rehearsal.machine.get(keys.at(-1) ?? '')?.createRevision, token)
    }
    const key = keys[options.place ?? 0] ?? ''
    const token = rehearsal.machine.get(key)?.createRevision ?? 0
    const lease = rehearsal.machine.get(key)?.lease ?? 0
    const write = (written: string, value: unknown, { key, token }: Fence) => {
      const put = { type: 'put', key: written, value: encodeValue(value) } as const
      if (!options.isFenced) return { revision: rehearsal.apply(put) }
      const revision = rehearsal.apply({ type: 'fenced', key, createRevision: token, command: put })
      if (rehearsal.machine.get(written)?.modRevision !== revision) throw new QuorateError('FENCED', '')
      return { revision }
    }
    const lose = () => {
      if (options.isLost && rehearsal.machine.get(key) !== undefined)
        rehearsal.apply({ type: 'lease-revoke', lease })
    }
    const lock = { key, token, signal: new AbortController().signal, release: async () => lose() }
    const store = {
      lock: (async () => lock as unknown as Lock) as never,
      put: async (written: string, value: unknown, { fence }: { readonly fence?: Fence } = {}) => {
        lose()
        return write(written, value, fence as Fence)
      },
      txn: (async (txn: {
        readonly success: readonly { readonly key: string; readonly value: unknown }[]
      }) => {
        lose()
        const [{ key: written, value } = { key: '', value: '' }] = txn.success
        return write(written, value, lock)
      }) as never,
    }
    const worker = rehearsal.worker(store)
    Object.assign(worker.life, { clock: new HostClock(rehearsal.timers) })
    await calls.call(worker)
    lines.judge('main')
    return rehearsal.broken
  }

  test('takes what the holder writes, and what others do not get written', async () => {
    assert.deepEqual(await run({ isLost: false, isFenced: true }), [])
    assert.deepEqual(await run({ isLost: true, isFenced: true }), [])
  })

  test('sees a write by who has lost the lock', async () => {
    assert.ok((await run({ isLost: true, isFenced: false })).includes('fencing'))
  })

  test('sees a second holder', async () => {
    const broken = await run({ isLost: false, isFenced: true, place: 1 })
    assert.ok(broken.includes('exclusion'))
    assert.ok(broken.includes('fencing'))
  })
})
