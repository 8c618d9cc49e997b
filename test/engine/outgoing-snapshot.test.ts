import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { snapshotWindowChunks } from '../../src/core/limits.ts'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { blankMessage } from '../../src/core/raft/message.ts'
import { OutgoingSnapshot, type SnapshotAnswer } from '../../src/engine/snapshots/outgoing-snapshot.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { promiseJobs } from '../../src/testing/simulator/promise-jobs.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'

const window = snapshotWindowChunks
const chunks = 4 * window

/** A snapshot of so many chunks, on its way to a follower that says what the test says. */
function sending() {
  const posted: { readonly seq: number; readonly piece: unknown }[] = []
  const snapshot = { index: 5, term: 1, conf: emptyConfState }
  const outgoing = new OutgoingSnapshot({
    clock: new HostClock(new VirtualTimers()),
    message: { ...blankMessage, type: 'MsgSnap', from: 1, to: 2, term: 1, snapshot },
    read: async function* () {
      for (let i = 0; i < chunks; i++) yield new Uint8Array([i])
    },
    post: (seq, _checksum, piece) => posted.push({ seq, piece }) > 0,
    isWanted: () => true,
  })
  const end = outgoing.run()
  type Answer = Partial<SnapshotAnswer> & Pick<SnapshotAnswer, 'stored'>
  const hear = async (...answers: readonly Answer[]) => {
    for (const answer of answers)
      outgoing.acknowledged({ next: null, isGap: false, isPlain: false, ...answer })
    await promiseJobs()
    const sent = posted.splice(0)
    return sent.map(({ seq, piece }) => (Array.isArray(piece) ? 'offer' : piece === null ? 'end' : seq))
  }
  const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i)
  posted.length = 0
  return { end, hear, from }
}

describe('a snapshot on its way to a follower', () => {
  test('is sent a window at a time, from where the follower says, and is delivered when all is stored', async () => {
    const { end, hear, from } = sending()
    assert.deepEqual(await hear({ stored: 0, next: 0 }), from(0, window))
    assert.deepEqual(await hear({ stored: 3 }), from(window, 3))
    assert.deepEqual(await hear({ stored: chunks - 1 }), [...from(window + 3, chunks - window - 3), 'end'])
    assert.deepEqual(await hear({ stored: chunks + 1 }), [])
    assert.equal(await end, 'delivered')
  })

  test('is not held up by an answer that comes late', async () => {
    const { hear, from } = sending()
    await hear({ stored: 0, next: 0 })
    assert.deepEqual(await hear({ stored: window }), from(window, window))
    assert.deepEqual(await hear({ stored: 2 * window }, { stored: window }), from(2 * window, window))
  })

  test('goes on with what the follower lacks, when it was offered again', async () => {
    const { hear, from } = sending()
    assert.deepEqual(await hear({ stored: window + 2, next: window + 4 }), from(window + 4, window - 2))
    assert.deepEqual(await hear({ stored: window + 4, next: window + 5, isGap: true }), ['offer'])
    assert.deepEqual(await hear({ stored: window + 5, next: window + 5 }), from(window + 5, window))
  })

  test('waits for each window again where the follower begins anew', async () => {
    const { hear, from } = sending()
    assert.deepEqual(await hear({ stored: 3 * window, next: 3 * window }), [
      ...from(3 * window, window),
      'end',
    ])
    assert.deepEqual(await hear({ stored: 0, next: 3 * window + 1, isGap: true }), ['offer'])
    assert.deepEqual(await hear({ stored: 0, next: 0 }), from(0, window))
    assert.deepEqual(await hear({ stored: 1 }), from(window, 1))
    // What is lost now is sent again at once, though a later piece was missing before.
    assert.deepEqual(await hear({ stored: 1, next: 2, isGap: true }), ['offer'])
  })

  test('hears of a gap at once where the follower begins anew before it stored anything', async () => {
    const { hear, from } = sending()
    await hear({ stored: 0, next: 0 })
    assert.deepEqual(await hear({ stored: 0, next: 5, isGap: true }), ['offer'])
    assert.deepEqual(await hear({ stored: 0, next: 0 }), from(0, window))
    assert.deepEqual(await hear({ stored: 0, next: 2, isGap: true }), ['offer'])
  })
})
