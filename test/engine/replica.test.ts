import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { Machine, type MachineSnapshot } from '../../src/core/machine/machine.ts'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { blankMessage, type Message } from '../../src/core/raft/message.ts'
import type { Entry } from '../../src/core/raft/types.ts'
import type { Index, ReplicaId, Term } from '../../src/core/types.ts'
import type { Outbox } from '../../src/engine/outbox.ts'
import { type EngineOptions, engineDefaults, type HostParts } from '../../src/engine/parts.ts'
import { Replica } from '../../src/engine/replica.ts'
import type { Writer } from '../../src/engine/writer.ts'
import { VirtualTimers } from '../transport/virtual-timers.ts'

const nothing = () => {}

/** An empty learner with the id 2, whose storage finishes a write when the test says so. */
function learner(options: Partial<EngineOptions> = {}) {
  const writes: (() => void)[] = []
  let snapshotsDue = 0
  const timers = new VirtualTimers()
  const replica = new Replica(
    {
      parts: {
        id: 'b',
        random: seededRandom(1),
        clock: { now: () => timers.now(), after: () => nothing, soon: nothing },
      } as unknown as HostParts,
      options: { ...engineDefaults, cluster: 'test', ...options },
      outbox: { raft: nothing } as unknown as Outbox,
      writer: {
        add: (_group: string, _write: unknown, done: () => void) => writes.push(done),
      } as unknown as Writer,
      wake: nothing,
      events: {
        leaderChanged: nothing,
        membersChanged: nothing,
        applied: nothing,
        removed: nothing,
        snapshotWanted: nothing,
        snapshotDue: () => {
          snapshotsDue += 1
        },
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
  const written = () => {
    for (const done of writes.splice(0)) done()
  }
  return { replica, writes, written, snapshotsDue: () => snapshotsDue }
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

  test('takes no snapshot of what its disk holds another entry of', () => {
    const { replica, written, snapshotsDue } = learner({ snapshotEntriesEvery: 2 })
    const append = (from: ReplicaId, term: Term, last: Entry, commit: Index) => {
      const position = { index: last.index - 1, logTerm: last.index === 1 ? 0 : 1 }
      const message: Message = {
        ...blankMessage,
        type: 'MsgApp',
        from,
        to: 2,
        term,
        ...position,
        commit,
        entries: [last],
      }
      replica.step(from === 1 ? 'a' : 'c', message)
      replica.pump(0)
      replica.applySlice()
    }
    append(1, 1, noop(1, 1), 1)
    append(1, 1, noop(2, 1), 1)
    written()
    replica.applySlice()
    // Another leader's entry takes its place; a quorum has it, and this host's disk has not.
    append(3, 2, noop(2, 2), 2)
    assert.equal(replica.machine.appliedIndex, 2)
    assert.equal(snapshotsDue(), 0)
    written()
    append(3, 2, { ...noop(3, 2) }, 3)
    assert.equal(replica.appliedTerm, 2)
  })
})

function noop(index: Index, term: Term): Entry {
  return { index, term, type: 'normal', data: new Uint8Array(), change: null }
}
