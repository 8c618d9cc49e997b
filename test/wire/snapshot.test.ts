import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OrderedMap } from '../../src/base/ordered-map.ts'
import { SequenceWindow } from '../../src/base/sequence-window.ts'
import {
  leasesMax,
  sessionWindowBytesMax,
  sessionWindowMax,
  snapshotChunkBytes,
} from '../../src/core/limits.ts'
import type { Result } from '../../src/core/machine/command.ts'
import type { Item } from '../../src/core/machine/item.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import { noMembers } from '../../src/core/machine/members.ts'
import { planFounding } from '../../src/core/machine/members-plan.ts'
import type { MachineState } from '../../src/core/machine/state.ts'
import { hashState } from '../../src/core/machine/state-hash.ts'
import { decode, encode, MalformedError } from '../../src/wire/codec.ts'
import { encodeSnapshot, SnapshotDecoder } from '../../src/wire/snapshot-codec.ts'
import { mutated } from './mutated.ts'

test('a snapshot comes back as the same state', () => {
  const machine = filled(200)
  const restored = new Machine({ state: decoded([...encodeSnapshot(machine.snapshot())]) })
  assert.equal(hashState(restored), hashState(machine))
  assert.equal(restored.appliedIndex, machine.appliedIndex)
  assert.deepEqual(restored.members, machine.members)
  assert.deepEqual([...restored.view().scan()], [...machine.view().scan()])
})

test('what is written while a snapshot is encoded is not in it (mutant M84)', () => {
  const machine = filled(500)
  const before = hashState(machine)
  const decoder = new SnapshotDecoder()
  let index = machine.appliedIndex
  for (const chunk of encodeSnapshot(machine.snapshot(), 1000)) {
    decoder.push(chunk)
    for (const key of [`key/${index % 500}`, `new/${index}`]) {
      index += 1
      const command = { type: 'put', key, value: new Uint8Array(50).fill(index) } as const
      machine.apply(index, { session: 2 + (index % 2), seq: index, acked: index - 5, command })
    }
    index += 1
    machine.apply(index, {
      session: 0,
      seq: 0,
      acked: 0,
      command: { type: 'delete', key: `key/${499 - (index % 500)}` },
    })
  }
  const restored = new Machine({ state: decoder.end() })
  assert.equal(hashState(restored), before)
  assert.notEqual(hashState(machine), before)
})

test('who made room comes back with the members, and makes another state', () => {
  const { members, ...rest } = filled(5).snapshot()
  const evicted = { ...rest, members: { ...members, evicted: [2, 5] } }
  const restored = new Machine({ state: decoded([...encodeSnapshot(evicted)]) })
  assert.deepEqual(restored.members, evicted.members)
  assert.notEqual(hashState(restored), hashState(filled(5)))
})

test('the state before any entry has a snapshot, too', () => {
  const restored = new Machine({ state: decoded([...encodeSnapshot(new Machine().snapshot())]) })
  assert.equal(hashState(restored), hashState(new Machine()))
})

test('equal states have equal snapshots, byte for byte', () => {
  const snapshot = filled(50).snapshot()
  assert.deepEqual(
    [...encodeSnapshot(snapshot)],
    [...encodeSnapshot(new Machine({ state: snapshot }).snapshot())],
  )
})

test('chunks are what the codec would have made of their records, few and many, short and long', () => {
  const items = new OrderedMap<string, Item>()
  for (const [number, key] of [
    'k',
    'ä',
    'a key of more than twenty-four characters',
    'k'.repeat(300),
  ].entries()) {
    const revisions = { createRevision: 1, modRevision: 2 ** (16 * number), version: 127 + number }
    items.set(key, { key, value: new Uint8Array(100 ** number), ...revisions, lease: 0 })
  }
  const snapshot = { ...filled(500).snapshot(), index: 2 ** 50 }
  for (const state of [snapshot, { ...snapshot, items }])
    for (const chunkBytes of [100, snapshotChunkBytes])
      for (const chunk of encodeSnapshot(state, chunkBytes)) assert.deepEqual(encode(decode(chunk)), chunk)
})

test('chunks are about as large as asked, and many', () => {
  const chunks = [...encodeSnapshot(filled(3000).snapshot())]
  assert.ok(chunks.length > 3)
  for (const chunk of chunks) assert.ok(chunk.length < snapshotChunkBytes * 1.1)
  for (const chunk of chunks.slice(1, -1)) assert.ok(chunk.length > snapshotChunkBytes / 4)
})

test('a snapshot with a chunk missing, doubled or out of order is malformed', () => {
  const chunks = [...encodeSnapshot(filled(40).snapshot(), 500)]
  const last = chunks.length - 1
  assert.ok(last > 4)
  for (let at = 0; at <= last; at++) {
    const [before, after] = [chunks.slice(0, at), chunks.slice(at)]
    assert.throws(() => decoded([...before, ...after.slice(1)]), MalformedError)
    assert.throws(() => decoded([...before, ...after.slice(0, 1), ...after]), MalformedError)
  }
  assert.throws(() => decoded([...chunks].reverse()), MalformedError)
  assert.throws(() => decoded([]), MalformedError)
})

test('a result outside of the window of its session is malformed: it would take memory for all before it', () => {
  const results = new SequenceWindow<Result>(0)
  results.set(sessionWindowMax + 1, { type: 'written', revision: 1 })
  const session = { id: 1, host: 'a', floor: 0, usedAt: 1, usedClock: 0, results }
  const snapshot = { ...filled(1).snapshot(), sessions: new Map([[1, session]]) }
  assert.throws(() => decoded([...encodeSnapshot(snapshot)]), MalformedError)
})

test('a snapshot of a later format is malformed', () => {
  const [header = new Uint8Array(), ...chunks] = encodeSnapshot(filled(5).snapshot())
  const [version, ...fields] = decode(header) as unknown[]
  assert.throws(() => decoded([encode([Number(version) + 1, ...fields]), ...chunks]), MalformedError)
})

test('an unsound state is malformed: members, revisions, keys', () => {
  const sound = filled(1).snapshot()
  const [founder] = sound.members.list
  assert.ok(founder !== undefined)
  const membersOf = (changes: Partial<MachineState['members']>): MachineState => ({
    ...sound,
    members: { ...sound.members, ...changes },
  })
  const unsound: readonly MachineState[] = [
    { ...sound, index: 1 },
    membersOf({ nextReplica: 1 }),
    membersOf({ nextReplica: 0, list: [] }),
    membersOf({ revision: 999 }),
    membersOf({ list: [founder, founder] }),
    membersOf({ list: [{ ...founder, role: 'learner' }] }),
  ]
  for (const snapshot of unsound) assert.throws(() => decoded([...encodeSnapshot(snapshot)]), MalformedError)
})

test('mutated chunks are restored as some state, or are malformed', () => {
  const chunks = [...encodeSnapshot(filled(6).snapshot(), 100)]
  fc.assert(
    fc.property(
      fc.nat(),
      mutated(fc.nat().map(at => chunks[at % chunks.length] as Uint8Array)),
      (at, bytes) => {
        try {
          const given = chunks.map((chunk, position) => (position === at % chunks.length ? bytes : chunk))
          hashState(new Machine({ state: decoded(given) }))
        } catch (error) {
          assert.ok(error instanceof MalformedError, String(error))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

/** A machine with a member, some sessions with results, and this many items. */
function filled(items: number): Machine {
  const machine = new Machine()
  const plan = planFounding(noMembers, 'founder')
  if (plan.type === 'change') machine.applyMembers(1, plan.delta)
  machine.apply(2, { session: 0, seq: 0, acked: 0, command: { type: 'open-session', host: 'a' } })
  machine.apply(3, { session: 0, seq: 0, acked: 0, command: { type: 'open-session', host: 'b' } })
  for (let i = 0; i < items; i++) {
    const value = new Uint8Array(100).fill(i)
    const command = { type: i % 2 === 0 ? 'put' : 'insert', key: `key/${i}`, value } as const
    machine.apply(4 + i, { session: 2 + (i % 2), seq: 1 + (i ^ 3), acked: 0, command })
  }
  return machine
}

function decoded(chunks: readonly Uint8Array[]): MachineState {
  const decoder = new SnapshotDecoder()
  for (const chunk of chunks) decoder.push(chunk)
  return decoder.end()
}

test('the longest lists of leases that are over are kept within bounds, and a snapshot of them can be read', () => {
  const machine = new Machine()
  const session = 1
  machine.apply(session, { session: 0, seq: 0, acked: 0, command: { type: 'open-session', host: 'a' } })
  const leases = new Array<number>(leasesMax).fill(2 ** 40)
  for (let seq = 1; seq <= 10; seq++)
    machine.apply(1 + seq, {
      session,
      seq,
      acked: 0,
      command: { type: 'lease-keep-alive', clock: seq, leases },
    })
  assert.ok((machine.session(session)?.results.size ?? 0) * 8 * leasesMax <= sessionWindowBytesMax)
  assert.equal(
    hashState(new Machine({ state: decoded([...encodeSnapshot(machine.snapshot())]) })),
    hashState(machine),
  )
})
