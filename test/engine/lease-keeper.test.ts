import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQuorateError, QuorateError } from '../../src/core/error.ts'
import type { Command, Result } from '../../src/core/machine/command.ts'
import { LeaseKeeper } from '../../src/engine/store/lease-keeper.ts'
import type { StoreCalls } from '../../src/engine/store/store-calls.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'

const settled = () => new Promise<void>(resolve => setImmediate(resolve))

/** A keeper over a group that answers as the test says. */
function keeper(answer: (command: Command) => Promise<Result>): LeaseKeeper {
  const clock = new HostClock(new VirtualTimers())
  return new LeaseKeeper({ clock, execute: answer, executeApart: answer } as unknown as StoreCalls)
}

test('a group with as many leases as it can have is busy, which is no mistake of ours', async () => {
  const full = keeper(async () => ({ type: 'failed', code: 'SYSTEM_BUSY', detail: null }))
  await assert.rejects(full.grant(2000, {}), error => isQuorateError(error, 'SYSTEM_BUSY') && error.retryable)
})

test('leases that are due are kept alive by one command; of them those are lost that are over', async () => {
  const asked: Command[] = []
  let granted = 0
  const kept = keeper(async command => {
    asked.push(command)
    if (command.type === 'lease-grant') return { type: 'written', revision: ++granted }
    return { type: 'kept', gone: [2] }
  })
  const leases = [await kept.grant(3000, {}), await kept.grant(3000, {}), await kept.grant(60_000, {})]
  const lost = () => leases.map(lease => lease.signal.aborted)
  kept.tick(1000)
  await settled()
  assert.deepEqual(asked.at(-1), { type: 'lease-keep-alive', leases: [1, 2], clock: 0 })
  assert.deepEqual(lost(), [false, true, false])
  kept.tick(1500)
  assert.equal(asked.length, 4, 'nothing is due')
})

test('a lease is lost here before it ends: its time counts from when the last answered request left', async () => {
  let isCut = false
  const kept = keeper(async command => {
    if (isCut) return new Promise(() => {})
    return command.type === 'lease-grant' ? { type: 'written', revision: 1 } : { type: 'kept', gone: [] }
  })
  const lease = await kept.grant(3000, {})
  kept.tick(1200)
  await settled()
  isCut = true
  kept.tick(3899)
  assert.equal(lease.signal.aborted, false)
  kept.tick(3900)
  assert.ok(isQuorateError(lease.signal.reason, 'LEASE_LOST'))
})

test('a revoke that did not arrive is repeated until it does, or the lease is over by itself', async () => {
  const revoked: number[] = []
  let granted = 0
  let isCut = true
  const kept = keeper(async command => {
    if (command.type === 'lease-grant') return { type: 'written', revision: ++granted }
    if (command.type === 'lease-revoke') revoked.push(command.lease)
    if (isCut) throw new QuorateError('OUTCOME_UNKNOWN', 'cut off', { outcome: 'unknown' })
    return { type: 'deleted', ok: true, revision: 9 }
  })
  const [short, long] = [await kept.grant(1000, {}), await kept.grant(3000, {})]
  for (const lease of [short, long]) await assert.rejects(lease.revoke())
  for (const now of [500, 1000]) {
    kept.tick(now)
    await settled()
  }
  assert.deepEqual(revoked, [1, 2, 1, 2, 2])
  isCut = false
  await long.revoke()
  await long.revoke()
  for (const now of [1500, 2000]) {
    kept.tick(now)
    await settled()
  }
  assert.deepEqual(revoked, [1, 2, 1, 2, 2, 2], 'it has arrived')
})
