import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { decodeFrame, type FrameKind } from '../../src/wire/frames.ts'
import { TestCluster } from './cluster.ts'

const deployment = 'a'.charCodeAt(0).toString(16).padStart(32, '0')

function kindOf(frame: Uint8Array): FrameKind | undefined {
  const decoded = decodeFrame(deployment, frame)
  return typeof decoded === 'string' ? undefined : decoded.kind
}

describe('a write that is handed to the leader', () => {
  test('is logged again by a leader that had logged it in an earlier term, and lost it', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    const d = await cluster.open('d')
    await cluster.settle(d.store.put('k', 0))
    // The leader hears, and is heard by nobody.
    cluster.tap = (from, to, _lane, frame) =>
      from !== 'a' && (to === 'a' || from !== 'd' || kindOf(frame) !== 'propose')
    const before = a.store.status().applied
    const write = d.store.put('k', 1, { deadlineMs: 60_000 })
    const leaderOf = () => [b, c].find(({ store }) => store.status().role === 'leader')
    await cluster.until(() => leaderOf() !== undefined)
    const next = leaderOf()
    await cluster.settle((next ?? b).store.put('other', 1))
    // It leads again, before anybody else was handed the write.
    cluster.tap = (from, to, _lane, frame) => from !== 'd' || to === 'a' || kindOf(frame) !== 'propose'
    await cluster.until(() => a.store.status().applied > before && a.store.status().role === 'follower')
    await cluster.settle((next ?? b).store.transferLeadership('a'))
    const ledAt = cluster.timers.now()
    await cluster.settle(write)
    assert(cluster.timers.now() - ledAt < 5000, 'it was not logged when it was handed on again')
    assert.equal(await cluster.settle(d.store.get('k')), 1)
  })

  test('is not taken back by the second copy of its frame, which comes when the host leads no more', async () => {
    const cluster = new TestCluster()
    const [a, b, c] = await cluster.three()
    await cluster.settle(b.store.put('k', 0))
    await cluster.run(100)
    let copy = new Uint8Array(0)
    let isDeaf = false
    cluster.tap = (from, to, _lane, frame) => {
      if (from === 'b' && to === 'a' && kindOf(frame) === 'propose') copy = frame.slice()
      return !isDeaf || to !== 'b' || kindOf(frame) === 'refuse'
    }
    const before = c.store.status().applied
    const write = b.store.put('k', 1, { deadlineMs: 1500 })
    const ended = assert.rejects(
      cluster.settle(write),
      error => isQuorateError(error) && error.outcome === 'unknown',
    )
    await cluster.until(() => copy.length > 0)
    isDeaf = true
    await cluster.until(() => c.store.status().applied > before)
    await cluster.settle(a.store.transferLeadership('c'))
    cluster.deliver('b', 'a', 'log', copy)
    await ended
    assert.equal(await cluster.settle(c.store.get('k')), 1, 'it was written')
  })
})
