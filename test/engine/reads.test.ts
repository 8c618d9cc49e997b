import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, QuorateError } from '../../src/core/error.ts'
import { pendingReadsMax } from '../../src/core/limits.ts'
import { Reads } from '../../src/engine/replica/reads.ts'

function alone() {
  const route = { ask: () => false, applied: () => 0, isLeaderKnown: () => false }
  return new Reads(route, { retryMs: 1000, firstContext: 1 })
}

describe('reads', () => {
  test('that would wait beyond a bound are refused, and those that ended make room', async () => {
    const reads = alone()
    const call = { deadline: 10, signal: undefined }
    const waiting = Array.from({ length: pendingReadsMax }, (_, i) =>
      i % 2 === 0 ? reads.linearizable(call) : reads.reached(5, call),
    )
    await assert.rejects(reads.linearizable(call), error => isQuorateError(error, 'SYSTEM_BUSY'))
    reads.tick(10)
    for (const end of await Promise.allSettled(waiting)) {
      assert(end.status === 'rejected' && isQuorateError(end.reason, 'NO_LEADER'))
    }
    const next = reads.reached(5, call)
    reads.close(new QuorateError('CLOSED', 'closed'))
    await assert.rejects(next, error => isQuorateError(error, 'CLOSED'))
  })

  test('that come while a question is on its way are not answered by it (mutant M100)', async () => {
    const asked: number[] = []
    const ask = (context: number) => asked.push(context) > 0
    const reads = new Reads(
      { ask, applied: () => 7, isLeaderKnown: () => true },
      { retryMs: 1000, firstContext: 1 },
    )
    const call = { deadline: 10, signal: undefined }
    const first = reads.linearizable(call)
    reads.pump(0)
    let isAnswered = false
    const second = reads.linearizable(call).then(() => {
      isAnswered = true
    })
    reads.pump(0)
    const [one = 0, other = 0] = asked
    reads.confirm(one, 7)
    await first
    assert.equal(isAnswered, false)
    reads.confirm(other, 7)
    await second
  })

  test('are asked for again where no answer comes', async () => {
    const asked: number[] = []
    const ask = (context: number) => asked.push(context) > 0
    const route = { ask, applied: () => 7, isLeaderKnown: () => true }
    const reads = new Reads(route, { retryMs: 1000, firstContext: 1 })
    const read = reads.linearizable({ deadline: 5000, signal: undefined })
    for (const now of [0, 500, 999, 1000, 1500]) {
      reads.tick(now)
      reads.pump(now)
    }
    const [first = 0, second = 0] = asked
    assert.equal(asked.length, 2)
    reads.confirm(first, 7)
    assert.equal(reads.isWaiting, true, 'a late answer to the first question is none to the second')
    reads.confirm(second, 7)
    await read
  })
})
