import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Machine } from '../../src/core/machine/machine.ts'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { blankMessage } from '../../src/core/raft/message.ts'
import type { HostParts } from '../../src/engine/parts.ts'
import type { Sender } from '../../src/engine/peers/sender.ts'
import type { Replica } from '../../src/engine/replica/replica.ts'
import { Snapshots } from '../../src/engine/snapshots/snapshots.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'

const heldLogBytesMax = 1000

/** A leader that takes its own snapshots, which storage never finishes. */
function leader() {
  let taken = 0
  const storage = {
    saveSnapshot: () => {
      taken += 1
      return new Promise(() => {})
    },
    readSnapshot: async function* () {},
  }
  const applier = { bytesApplied: 0 }
  const progress = [{ id: 2, state: 'snapshot', pendingSnapshot: 5 }]
  const replica = {
    group: 'main',
    state: { applier, term: 1 },
    machine: new Machine(),
    conf: emptyConfState,
    term: 1,
    leads: true,
    node: { status: () => ({ conf: emptyConfState, progress }) },
  } as unknown as Replica
  const snapshots = new Snapshots({
    parts: { clock: new HostClock(new VirtualTimers()), storage } as unknown as HostParts,
    sender: { send: () => true } as unknown as Sender,
    heldLogBytesMax,
    replicaOf: () => replica,
    failed: assert.ifError,
  })
  const send = () => {
    const snapshot = { index: 5, term: 1, conf: emptyConfState }
    snapshots.send(replica, 'b', { ...blankMessage, type: 'MsgSnap', from: 1, to: 2, term: 1, snapshot })
  }
  return { snapshots, replica, applier, send, taken: () => taken }
}

describe('a leader', () => {
  test('takes one snapshot at a time', () => {
    const { snapshots, replica, taken } = leader()
    snapshots.take(replica)
    snapshots.take(replica)
    assert.equal(taken(), 1)
  })

  test('takes none while one is on its way, until the log is too long for that (mutant M81)', () => {
    const { snapshots, replica, applier, send, taken } = leader()
    send()
    applier.bytesApplied = heldLogBytesMax - 1
    snapshots.take(replica)
    assert.equal(taken(), 0)
    applier.bytesApplied = heldLogBytesMax
    snapshots.take(replica)
    assert.equal(taken(), 1)
  })
})
