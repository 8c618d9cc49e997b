import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { Machine, type MachineSnapshot } from '../../src/core/machine/machine.ts'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { blankMessage, type Message } from '../../src/core/raft/message.ts'
import type { Index, ReplicaId, Term } from '../../src/core/types.ts'
import type { Outbox } from '../../src/engine/outbox.ts'
import { engineDefaults, type HostParts } from '../../src/engine/parts.ts'
import { Replica } from '../../src/engine/replica.ts'
import type { Writer } from '../../src/engine/writer.ts'
import { VirtualTimers } from '../transport/virtual-timers.ts'

const nothing = () => {}

/** An empty learner with the id 2, whose storage finishes a write when the test says so. */
function learner() {
  const writes: (() => void)[] = []
  const timers = new VirtualTimers()
  const replica = new Replica(
    {
      parts: {
        id: 'b',
        random: seededRandom(1),
        clock: { now: () => timers.now(), after: () => nothing, soon: nothing },
      } as unknown as HostParts,
      options: { ...engineDefaults, cluster: 'test' },
      outbox: { raft: nothing } as unknown as Outbox,
      writer: {
        add: (_group: string, _write: unknown, done: () => void) => writes.push(done),
      } as unknown as Writer,
      wake: nothing,
      hooksOf: () => ({}),
      events: {
        leaderChanged: nothing,
        membersChanged: nothing,
        applied: nothing,
        removed: nothing,
        snapshotWanted: nothing,
        snapshotDue: nothing,
      },
    },
    {
      group: 'main',
      replica: 2,
      state: undefined,
      stored: {
        hardState: { term: 0, vote: 0, commit: 0 },
        snapshot: undefined,
        entries: [],
        bootstrap: undefined,
      },
    },
  )
  return { replica, writes }
}

function snapshotAt(index: Index, term: Term, from: ReplicaId): [Message, MachineSnapshot] {
  const machine = new Machine()
  for (let i = 1; i <= index; i++) machine.applyNoop(i)
  const snapshot = { index, term, conf: { ...emptyConfState, voters: [from] } }
  return [{ ...blankMessage, type: 'MsgSnap', from, to: 2, term, snapshot }, machine.snapshot()]
}

describe('a replica', () => {
  test('installs the snapshot that it accepted, whatever a deposed leader sends meanwhile', () => {
    const { replica, writes } = learner()
    replica.stepSnapshot('a', ...snapshotAt(10, 2, 1))
    replica.pump(0)
    replica.stepSnapshot('c', ...snapshotAt(5, 1, 3))
    replica.pump(0)
    for (const done of writes) done()
    assert.equal(replica.machine.appliedIndex, 10)
  })
})
