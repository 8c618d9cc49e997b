import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, QuorateError } from '../../src/core/error.ts'
import { pendingProposalsMax } from '../../src/core/limits.ts'
import type { Proposal } from '../../src/core/machine/command.ts'
import type { Call } from '../../src/engine/call.ts'
import { type Draft, Proposals } from '../../src/engine/proposals.ts'

const never: Call = { deadline: Number.POSITIVE_INFINITY, signal: undefined }
const barrier = (seq: number): Proposal => ({ session: 5, seq, acked: 0, command: { type: 'barrier' } })

function started(leaderTerm = 1) {
  const handed: Draft[] = []
  const proposals = new Proposals(
    {
      leaderTerm: () => leaderTerm,
      hand: batch => {
        handed.push(...batch)
        return 'handed'
      },
    },
    { resendMs: 1000 },
  )
  return { proposals, handed }
}

describe('proposals', () => {
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
})
