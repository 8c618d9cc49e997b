import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, QuorateError } from '../../src/core/error.ts'
import { pendingProposalsMax } from '../../src/core/limits.ts'
import type { Proposal } from '../../src/core/machine/command.ts'
import type { Call } from '../../src/engine/calls/call.ts'
import { type Draft, Proposals, type Refusal } from '../../src/engine/replica/proposals.ts'

const never: Call = { deadline: Number.POSITIVE_INFINITY, signal: undefined }
const barrier = (seq: number): Proposal => ({ session: 5, seq, acked: 0, command: { type: 'barrier' } })

const busy: Refusal = { session: 5, seq: 1, isBusy: true, reason: undefined }

function started(leaderTerm = 1) {
  const handed: Draft[] = []
  const proposals = new Proposals(
    {
      leaderTerm: () => leaderTerm,
      hand: batch => {
        handed.push(...batch)
        return { answer: 'handed', refused: [] }
      },
    },
    { resendMs: 1000, firstRound: 100 },
  )
  return { proposals, handed }
}

describe('proposals', () => {
  test('that a busy leader refused fail at once, and nothing was written', async () => {
    const { proposals } = started()
    const refused = proposals.submit(barrier(1), never)
    proposals.pump(0)
    proposals.refused(101, [busy])
    await assert.rejects(refused, (error: unknown) => {
      return isQuorateError(error, 'SYSTEM_BUSY') && error.retryable && error.outcome === 'none'
    })
  })

  test('that are asked for again have been handed on as often as before', async () => {
    const { proposals } = started()
    const first = proposals.submit(barrier(1), never)
    proposals.pump(0)
    const again = proposals.submit(barrier(1), { ...never, deadline: 10 })
    await assert.rejects(first, error => isQuorateError(error, 'OUTCOME_UNKNOWN'))
    proposals.tick(10)
    await assert.rejects(again, error => isQuorateError(error, 'OUTCOME_UNKNOWN'))
  })

  test('that an earlier leader may have logged go on waiting when the next one is busy', async () => {
    const { proposals } = started()
    const waiting = proposals.submit(barrier(1), { ...never, deadline: 50 })
    proposals.pump(0)
    proposals.leaderChanged()
    proposals.pump(1)
    proposals.refused(102, [busy])
    proposals.tick(50)
    await assert.rejects(waiting, error => isQuorateError(error, 'OUTCOME_UNKNOWN'))
  })

  test('that a rule refuses may have been written all the same, where an earlier leader had them', async () => {
    for (const leaders of [1, 2]) {
      const { proposals } = started()
      const refused = proposals.submit(barrier(1), never)
      for (let leader = 1; leader <= leaders; leader++) {
        if (leader > 1) proposals.leaderChanged()
        proposals.pump(leader)
      }
      proposals.refused(100 + leaders, [{ ...busy, isBusy: false, reason: 'no' }])
      await assert.rejects(refused, (error: unknown) => {
        const outcome = leaders === 1 ? 'none' : 'unknown'
        return isQuorateError(error, 'REFUSED') && error.outcome === outcome
      })
    }
  })

  test('are not refused by a late word on an earlier round', async () => {
    const { proposals, handed } = started()
    const waiting = proposals.submit(barrier(1), { ...never, deadline: 50 })
    proposals.pump(0)
    proposals.leaderChanged()
    proposals.pump(1)
    proposals.refused(101, [busy])
    proposals.pump(2)
    assert.equal(handed.length, 2, 'it is with the second leader')
    proposals.applied(5, 1, { type: 'written', revision: 9 })
    assert.equal((await waiting).attempts, 2)
  })

  test('that were refused by all who got them were not written', async () => {
    const { proposals } = started()
    const waiting = proposals.submit(barrier(1), { ...never, deadline: 50 })
    proposals.pump(0)
    proposals.refused(101, [{ ...busy, isBusy: false }])
    proposals.tick(50)
    await assert.rejects(
      waiting,
      (error: unknown) => isQuorateError(error, 'NO_LEADER') && error.outcome === 'none',
    )
  })

  test('are bounded in bytes, and taken again when a third of them is settled', async () => {
    const { proposals } = started()
    const value = new Uint8Array(1024 * 1024)
    const put = (seq: number) =>
      proposals.submit({ session: 5, seq, acked: 0, command: { type: 'put', key: 'k', value } }, never)
    const waiting = Array.from({ length: 63 }, (_, i) => put(i + 1))
    await assert.rejects(put(100), error => isQuorateError(error, 'SYSTEM_BUSY'))
    proposals.applied(5, 1, { type: 'written', revision: 9 })
    await assert.rejects(put(101), error => isQuorateError(error, 'SYSTEM_BUSY'))
    for (let seq = 2; seq <= 20; seq++) proposals.applied(5, seq, { type: 'written', revision: 9 })
    waiting.push(put(102))
    proposals.applied(5, 102, { type: 'written', revision: 9 })
    await waiting.at(-1)
    proposals.close(outcome => new QuorateError('CLOSED', 'closed', { outcome }))
    await Promise.allSettled(waiting)
  })

  test('that are asked for twice are settled twice, and wait once', async () => {
    const { proposals } = started()
    const first = proposals.submit(barrier(1), never)
    proposals.pump(0)
    const second = proposals.submit(barrier(1), never)
    proposals.applied(5, 1, { type: 'written', revision: 9 })
    assert.deepEqual((await second).result, { type: 'written', revision: 9 })
    await assert.rejects(first, error => isQuorateError(error) && error.outcome === 'unknown')
    const many = Array.from({ length: pendingProposalsMax }, (_, i) =>
      proposals.submit(barrier(i + 2), never),
    )
    proposals.close(outcome => new QuorateError('CLOSED', 'closed', { outcome }))
    const refused = (await Promise.allSettled(many)).filter(
      one => one.status === 'rejected' && isQuorateError(one.reason, 'SYSTEM_BUSY'),
    )
    assert.equal(refused.length, 0, 'nobody takes a place after being settled')
  })

  test('that ended while no leader was known are let go of', async () => {
    const { proposals } = started(0)
    const waiting: Promise<unknown>[] = []
    for (let now = 0; now < 100; now++) {
      waiting.push(proposals.submit(barrier(now + 1), { ...never, deadline: now }))
      proposals.tick(now)
    }
    assert.equal(Reflect.get(proposals, 'unsent').length, 0)
    for (const end of await Promise.allSettled(waiting)) {
      assert(end.status === 'rejected' && isQuorateError(end.reason, 'NO_LEADER'))
    }
  })

  test('hear of their place from a snapshot that has their answer, those of commands, too', async () => {
    const { proposals } = started()
    const told: number[] = []
    const waiting = proposals.submit(barrier(1), { ...never, committed: revision => told.push(revision) })
    proposals.pump(0)
    const result = { type: 'called', revision: 9, value: new Uint8Array() } as const
    proposals.installed(id => ({
      ...{ id, host: 'a', floor: 0, usedAt: 9, usedClock: 0 },
      results: new Map([[1, result]]),
    }))
    assert.deepEqual((await waiting).result, result)
    assert.deepEqual(told, [9])
  })
})
