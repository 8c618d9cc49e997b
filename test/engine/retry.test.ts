import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError, QuorateError } from '../../src/core/error.ts'
import { retrying } from '../../src/engine/calls/retry.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { promiseJobs } from '../../src/testing/simulator/promise-jobs.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'

const noLeader = new QuorateError('NO_LEADER', 'nobody leads', { retryable: true })

/** Tries for a second what works from a moment on; says when it ended, and how. */
async function tried(worksAtMs: number): Promise<{ readonly atMs: number; readonly end: unknown }> {
  const timers = new VirtualTimers()
  const clock = new HostClock(timers)
  const call = { deadline: timers.now() + 1000, signal: undefined }
  const start = timers.now()
  const attempt = async () => {
    if (timers.now() - start < worksAtMs) throw noLeader
    return 'done'
  }
  let result: { readonly atMs: number; readonly end: unknown } | undefined
  const note = (end: unknown) => {
    result = { atMs: timers.now() - start, end }
  }
  retrying(clock, call, attempt).then(note, note)
  for (;;) {
    await promiseJobs()
    if (result !== undefined) return result
    assert(timers.step(start + 2000), 'it ends by itself')
  }
}

describe('what is tried again until a deadline', () => {
  test('is tried until the last moments before it', async () => {
    assert.deepEqual((await tried(890)).end, 'done')
    const { atMs, end } = await tried(Number.POSITIVE_INFINITY)
    assert(isQuorateError(end, 'NO_LEADER'))
    assert(atMs >= 950 && atMs <= 1000, `given up at ${atMs} ms of 1000`)
  })
})
