import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { isQuorateError } from '../../src/core/error.ts'
import { unappliedBytesMax } from '../../src/core/limits.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import type { MachineState } from '../../src/core/machine/state.ts'
import { packed } from '../../src/core/raft/entry-list.ts'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { blankMessage, type Message } from '../../src/core/raft/message.ts'
import type { Entry } from '../../src/core/raft/types.ts'
import type { Index, ReplicaId, Term } from '../../src/core/types.ts'
import { type EngineOptions, engineDefaults, type HostParts } from '../../src/engine/parts.ts'
import type { Outbox } from '../../src/engine/replica/outbox.ts'
import { Replica } from '../../src/engine/replica/replica.ts'
import type { Writer } from '../../src/engine/replica/writer.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { encodeProposal } from '../../src/wire/proposal-codec.ts'

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
        admits: () => true,
        add: (_group: string, _write: unknown, done: () => void) => writes.push(done),
      } as unknown as Writer,
      hostsOf: () => [],
      wake: nothing,
      hooksOf: () => ({}),
      events: {
        leaderChanged: nothing,
        membersChanged: nothing,
        applied: nothing,
        commandFailed: nothing,
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
      isWitness: false,
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

function snapshotAt(index: Index, term: Term, from: ReplicaId): [Message, MachineState] {
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

  test('stores a snapshot and the entries behind it in one write, and holds both then', () => {
    const { replica, written } = learner()
    replica.stepSnapshot('a', ...snapshotAt(10, 2, 1))
    const next = { ...blankMessage, type: 'MsgApp', from: 1, to: 2, term: 2, index: 10, logTerm: 2 } as const
    replica.step('a', { ...next, commit: 11, entries: packed([noop(11, 2)]) })
    replica.pump(0)
    written()
    assert.deepEqual([replica.log.firstIndex(), replica.log.lastIndex()], [11, 11])
    replica.pump(0)
    replica.applySlice()
    assert.equal(replica.machine.appliedIndex, 11)
  })

  test('does not go back to an own snapshot that is older than the one that it accepted', () => {
    const { replica, writes, written } = learner()
    const entries = packed([noop(1, 1), noop(2, 1), noop(3, 1)])
    replica.step('a', { ...blankMessage, type: 'MsgApp', from: 1, to: 2, term: 1, commit: 3, entries })
    replica.pump(0)
    written()
    replica.stepSnapshot('a', ...snapshotAt(10, 2, 1))
    replica.pump(0)
    const before = writes.length
    replica.adoptSnapshot({ index: 3, term: 1, conf: emptyConfState })
    assert.equal(writes.length, before)
    written()
    assert.equal(replica.machine.appliedIndex, 10)
  })

  test('applies nothing behind a snapshot that was committed before it (mutant M83)', () => {
    const { replica, written } = learner()
    const entries = packed([noop(1, 1), noop(2, 1), noop(3, 1)])
    replica.step('a', { ...blankMessage, type: 'MsgApp', from: 1, to: 2, term: 1, commit: 3, entries })
    replica.pump(0)
    replica.stepSnapshot('a', ...snapshotAt(10, 2, 1))
    replica.pump(0)
    assert.equal(replica.machine.appliedIndex, 0, 'the entries wait to be applied, the snapshot to be stored')
    written()
    assert.equal(replica.machine.appliedIndex, 10)
    replica.pump(0)
    replica.applySlice()
    assert.equal(replica.machine.appliedIndex, 10)
    const next = { ...blankMessage, type: 'MsgApp', from: 1, to: 2, term: 2, index: 10, logTerm: 2 } as const
    replica.step('a', { ...next, commit: 11, entries: packed([noop(11, 2)]) })
    replica.pump(0)
    replica.applySlice()
    assert.equal(replica.machine.appliedIndex, 11)
  })

  test('takes no more entries while too many are committed and not applied, and goes on behind that', () => {
    const { replica, written } = learner()
    const value = new Uint8Array(1024 * 1024)
    const data = encodeProposal({ session: 0, seq: 1, acked: 0, command: { type: 'put', key: 'k', value } })
    let last = 0
    // A leader that sends what follows, whether or not the last one was taken.
    const append = () => {
      const position = { index: last, logTerm: last === 0 ? 0 : 1, commit: last + 1 }
      const entries = packed([{ ...noop(last + 1, 1), data }])
      replica.step('a', { ...blankMessage, type: 'MsgApp', from: 1, to: 2, term: 1, ...position, entries })
      replica.pump(0)
      written()
      last = replica.log.lastIndex()
    }
    for (let i = 0; i < 100; i++) append()
    assert.equal(last, unappliedBytesMax / value.length)
    while (replica.machine.appliedIndex < last) {
      replica.applySlice()
      replica.pump(0)
    }
    for (let i = 0; i < 10; i++) append()
    assert.equal(last, unappliedBytesMax / value.length + 10)
  })

  test('keeps its log until the snapshot that stands in for it is durable (mutant M63)', () => {
    const { replica, written } = learner({ trailingEntries: 0 })
    const entries = packed([noop(1, 1), noop(2, 1), noop(3, 1)])
    replica.step('a', { ...blankMessage, type: 'MsgApp', from: 1, to: 2, term: 1, commit: 3, entries })
    replica.pump(0)
    written()
    replica.pump(0)
    replica.applySlice()
    replica.adoptSnapshot({ index: 3, term: 1, conf: emptyConfState })
    assert.equal(replica.log.firstIndex(), 1)
    written()
    assert.equal(replica.log.firstIndex(), 4)
  })

  test('hears only what is for itself, of each replica from the host that has it (mutant M144)', () => {
    const { replica } = learner()
    assert.equal(replica.accepts('a', { from: 1, to: 2 }), true)
    assert.equal(replica.accepts('a', { from: 1, to: 1 }), false, 'for an earlier replica of this host')
    assert.equal(replica.accepts('c', { from: 1, to: 2 }), false, 'in the name of a replica of a')
  })

  test('tells watchers that a snapshot took the place of what they wait for', () => {
    const { replica, written } = learner()
    const ends: unknown[] = []
    const sink = { changes: nothing, end: (error: unknown) => ends.push(error) }
    replica.watchers.add(replica.machine.history, {}, 1, sink)
    replica.watchers.add(replica.machine.history, {}, 11, sink)
    replica.stepSnapshot('a', ...snapshotAt(10, 2, 1))
    replica.pump(0)
    written()
    assert.equal(ends.length, 1)
    assert(isQuorateError(ends[0], 'COMPACTED'))
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
        entries: packed([last]),
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
    assert.equal(replica.state.term, 2)
  })
})

function noop(index: Index, term: Term): Entry {
  return { index, term, type: 'normal', data: new Uint8Array(), change: null }
}
