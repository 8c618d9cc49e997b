import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { heldLogBytesMax, trailingBytesMax } from '../../src/core/limits.ts'
import { MemoryLog } from '../../src/core/raft/memory-log.ts'
import type { ReplicaProgress } from '../../src/core/raft/raft-node.ts'
import { compactionIndex, neededFrom } from '../../src/engine/replica/compaction.ts'

const nobody = Number.POSITIVE_INFINITY

/** A log of entries 1 to 100, all of that size. The bytes are one array: what counts is what each entry says. */
function logOf(entryBytes: number): MemoryLog {
  const data = new Uint8Array(entryBytes)
  const entries = Array.from({ length: 100 }, (_, i) => {
    return { term: 1, index: i + 1, type: 'normal', data, change: null } as const
  })
  return new MemoryLog({ entries })
}

function follower(fields: Partial<ReplicaProgress>): ReplicaProgress {
  return {
    id: 2,
    match: 40,
    next: 41,
    state: 'replicate',
    isLearner: false,
    mayLead: true,
    recentActive: true,
    isPaused: false,
    pendingSnapshot: 0,
    inflightMessages: 0,
    isInflightFull: false,
    ...fields,
  }
}

/** Up to where the log goes when a snapshot at 90 stands in for it. */
function compactedTo(
  log: MemoryLog,
  keep: { readonly trailingEntries: number; readonly neededFrom: number; readonly notBefore?: number },
): number {
  return compactionIndex(log, 90, { notBefore: 0, ...keep, heldBytesMax: heldLogBytesMax })
}

describe('compaction', () => {
  test('keeps a number of entries behind the snapshot', () => {
    assert.equal(compactedTo(logOf(10), { trailingEntries: 20, neededFrom: nobody }), 70)
    assert.equal(compactedTo(logOf(10), { trailingEntries: 500, neededFrom: nobody }), 0)
    assert.equal(compactedTo(logOf(10), { trailingEntries: 0, neededFrom: nobody }), 90)
  })

  test('keeps nothing up to an entry that is never to be applied again, whoever needs it', () => {
    const keep = { trailingEntries: 500, neededFrom: 10 }
    assert.equal(compactedTo(logOf(10), { ...keep, notBefore: 40 }), 40)
    assert.equal(compactedTo(logOf(10), { ...keep, notBefore: 200 }), 90)
  })

  test('keeps no more than a number of bytes of them', () => {
    const log = logOf(trailingBytesMax / 4)
    assert.equal(compactedTo(log, { trailingEntries: 20, neededFrom: nobody }), 86)
  })

  test('keeps what a follower is about to need', () => {
    assert.equal(compactedTo(logOf(10), { trailingEntries: 20, neededFrom: 41 }), 40)
    assert.equal(compactedTo(logOf(10), { trailingEntries: 20, neededFrom: 80 }), 70)
    assert.equal(compactedTo(logOf(10), { trailingEntries: 20, neededFrom: 95 }), 70)
  })

  test('does not wait for a follower longer than there is room', () => {
    const log = logOf(heldLogBytesMax / 10)
    assert.equal(compactedTo(log, { trailingEntries: 20, neededFrom: 41 }), 80)
  })

  test('goes on from where the log was compacted before', () => {
    const log = logOf(10)
    log.compact(60)
    assert.equal(compactedTo(log, { trailingEntries: 50, neededFrom: 41 }), 60)
  })

  test('waits for followers that were heard and whose place is known', () => {
    const self = follower({ id: 1, match: 100 })
    assert.equal(neededFrom(1, []), nobody)
    assert.equal(neededFrom(1, [self, follower({}), follower({ id: 3, match: 30 })]), 31)
    assert.equal(neededFrom(1, [self, follower({ match: 0, state: 'snapshot', pendingSnapshot: 50 })]), 51)
    assert.equal(neededFrom(1, [self, follower({ recentActive: false })]), nobody)
    assert.equal(neededFrom(1, [self, follower({ match: 0, state: 'probe' })]), nobody)
  })
})
