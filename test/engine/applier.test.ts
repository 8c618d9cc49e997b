import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Machine } from '../../src/core/machine/machine.ts'
import { packed } from '../../src/core/raft/entry-list.ts'
import { blankMessage, type Message } from '../../src/core/raft/message.ts'
import type { Index } from '../../src/core/types.ts'
import { Applier } from '../../src/engine/replica/applier.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'

/** An applier that notes what it applies, and cannot apply the entries in `unknown`. */
function applier() {
  const timers = new VirtualTimers()
  const applied: Index[] = []
  const unknown = new Set<Index>()
  const made = new Applier(new Machine(), {
    apply: (_machine, run, at) => {
      const index = run.first + at
      if (unknown.has(index)) return false
      applied.push(index)
      return true
    },
    sliceMs: 8,
    clock: { now: () => timers.now(), wall: () => 0, after: () => () => {}, soon: () => {} },
  })
  return { applier: made, applied, unknown }
}

/** The entries of [from, to], three to a run; once they are applied, it is said from `from`. */
function committed(from: Index, to: Index): Message {
  const entries = Array.from({ length: to - from + 1 }, (_, at) => {
    const term = 1 + Math.floor(at / 3)
    return { index: from + at, term, type: 'normal', data: new Uint8Array(2), change: null } as const
  })
  const response: Message = { ...blankMessage, type: 'MsgStorageApplyResp', from, to: 1 }
  return { ...blankMessage, type: 'MsgStorageApply', entries: packed(entries), responses: [response] }
}

describe('an entry that cannot be applied', () => {
  test('waits, with all behind it, and is the next one as soon as it can', () => {
    const { applier: one, applied, unknown } = applier()
    unknown.add(5).add(7)
    const message = committed(1, 7)
    one.expect(message.entries)
    one.add(message)
    for (const next of [5, 7]) {
      assert.deepEqual(one.run(false), { responses: [], isPaused: false })
      assert.deepEqual(one.run(false), { responses: [], isPaused: false }, 'as long as nothing changed')
      assert.deepEqual(
        applied,
        Array.from({ length: next - 1 }, (_, at) => at + 1),
      )
      assert.equal(one.bytesApplied, 2 * (next - 1))
      assert.equal(one.bytesWaiting, 2 * (8 - next))
      unknown.delete(next)
      one.resume()
    }
    assert.deepEqual(
      one.run(false).responses.map(({ from }) => from),
      [1],
    )
    assert.deepEqual(applied, [1, 2, 3, 4, 5, 6, 7])
    assert.equal(one.bytesWaiting, 0)
  })

  test('ends with what waits behind it where a snapshot takes their place, and the next is begun anew', () => {
    const { applier: one, applied, unknown } = applier()
    unknown.add(5)
    one.add(committed(1, 7))
    one.add(committed(8, 10))
    one.run(false)
    assert.deepEqual(
      one.drain().map(({ from }) => from),
      [1, 8],
    )
    one.replace(new Machine())
    one.add(committed(11, 17))
    assert.deepEqual(
      one.run(false).responses.map(({ from }) => from),
      [11],
    )
    assert.deepEqual(applied, [1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 17])
  })
})
