import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssertionError } from '../../src/base/assert.ts'
import { isKey } from '../../src/core/machine/key.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import { noMembers } from '../../src/core/machine/members.ts'
import { planFounding } from '../../src/core/machine/members-plan.ts'
import { hashState } from '../../src/core/machine/state-hash.ts'
import { bytes, insert, Log, put, remove, swap } from './log.ts'

test('a put makes an item, and later ones keep its creation and count its versions', () => {
  const log = new Log()
  const made = log.apply(put('a', '1'))
  log.apply(put('b', '1'))
  const changed = log.apply(put('a', '2'))
  assert.deepEqual(made.result, { type: 'written', revision: 1 })
  const after = { key: 'a', value: bytes('2'), createRevision: 1, modRevision: 3, version: 2, lease: 0 }
  assert.deepEqual(log.machine.get('a'), after)
  assert.deepEqual(changed.changes, [{ type: 'put', key: 'a', revision: 3, item: after }])
})

test('a deleted key starts anew when it is written again', () => {
  const log = new Log()
  log.apply(put('a', '1'))
  const deleted = log.apply(remove('a'))
  assert.deepEqual(deleted.result, { type: 'deleted', ok: true, revision: 2 })
  assert.equal(deleted.changes[0]?.item, null)
  assert.deepEqual(log.apply(remove('a')), {
    result: { type: 'deleted', ok: false, revision: 0 },
    duplicate: false,
    changes: [],
  })
  log.apply(put('a', '1'))
  assert.deepEqual(log.machine.get('a'), {
    key: 'a',
    value: bytes('1'),
    createRevision: 4,
    modRevision: 4,
    version: 1,
    lease: 0,
  })
})

test('an insert writes only where nothing is, and tells what is there', () => {
  const log = new Log()
  const first = log.apply(insert('a', 'mine'))
  assert.deepEqual(first.result, { type: 'checked', ok: true, revision: 1, value: bytes('mine') })
  const second = log.apply(insert('a', 'yours'))
  assert.deepEqual(second.result, { type: 'checked', ok: false, revision: 1, value: bytes('mine') })
  assert.deepEqual(second.changes, [])
})

test('compare-and-swap returns the value after execution, swapped or not', () => {
  const log = new Log()
  log.apply(put('a', '1'))
  assert.deepEqual(log.apply(swap('a', '0', '2')).result, {
    type: 'checked',
    ok: false,
    revision: 1,
    value: bytes('1'),
  })
  assert.deepEqual(log.apply(swap('a', '1', '2')).result, {
    type: 'checked',
    ok: true,
    revision: 3,
    value: bytes('2'),
  })
  assert.deepEqual(log.apply(swap('none', '1', '2')).result, {
    type: 'checked',
    ok: false,
    revision: 0,
    value: null,
  })
})

test('compare-and-swap knows absence on both sides', () => {
  const log = new Log()
  assert.deepEqual(log.apply(swap('a', null, '1')).result, {
    type: 'checked',
    ok: true,
    revision: 1,
    value: bytes('1'),
  })
  const deleted = log.apply(swap('a', '1', null))
  assert.deepEqual(deleted.result, { type: 'checked', ok: true, revision: 2, value: null })
  assert.equal(deleted.changes[0]?.type, 'delete')
  const nothing = log.apply(swap('a', null, null))
  assert.deepEqual(nothing.result, { type: 'checked', ok: true, revision: 0, value: null })
  assert.deepEqual(nothing.changes, [])
})

test('an empty value is a value and not absence', () => {
  const log = new Log()
  log.apply(put('a', ''))
  assert.deepEqual(log.apply(swap('a', null, '1')).result, {
    type: 'checked',
    ok: false,
    revision: 1,
    value: bytes(''),
  })
  assert.equal(log.apply(swap('a', '', '1')).changes.length, 1)
})

test('a barrier answers with its index and changes nothing', () => {
  const log = new Log()
  log.apply(put('a', '1'))
  assert.deepEqual(log.apply({ type: 'barrier' }), {
    result: { type: 'written', revision: 2 },
    duplicate: false,
    changes: [],
  })
})

test('a gap in the log, or an entry applied twice, stops the machine', () => {
  const machine = new Machine()
  machine.applyNoop(1)
  assert.throws(() => machine.applyNoop(1), AssertionError)
  assert.throws(() => machine.applyNoop(3), AssertionError)
  machine.applyNoop(2)
  assert.equal(machine.appliedIndex, 2)
})

test('a member change that was planned against another table is refused as a whole', () => {
  const machine = new Machine()
  const plan = planFounding(noMembers, 'host')
  assert.equal(plan.type, 'change')
  if (plan.type !== 'change') return
  assert.equal(machine.applyMembers(1, plan.delta).type, 'changed')
  const { members } = machine
  assert.deepEqual(machine.applyMembers(2, plan.delta), { type: 'refused' })
  assert.equal(machine.members, members)
  assert.equal(machine.appliedIndex, 2)
})

test('a view stays as it was while writes go on', () => {
  const log = new Log()
  log.apply(put('a', '1'))
  log.apply(put('b', '1'))
  const view = log.machine.view()
  assert.equal(log.machine.view(), view)
  log.apply(put('a', '2'))
  log.apply(remove('b'))
  log.apply(put('c', '1'))
  assert.equal(view.revision, 2)
  assert.equal(view.size, 2)
  assert.deepEqual(view.get('a')?.value, bytes('1'))
  assert.deepEqual(
    [...view.scan()].map(item => item.key),
    ['a', 'b'],
  )
  assert.deepEqual(
    [...log.machine.view().scan()].map(item => item.key),
    ['a', 'c'],
  )
})

test('indexes above 32 bits are kept whole', () => {
  const index = 2 ** 40
  const machine = new Machine({ state: { ...new Machine().snapshot(), index } })
  machine.apply(index + 1, { session: 0, seq: 0, acked: 0, command: put('a', '1') })
  assert.equal(machine.get('a')?.modRevision, index + 1)
  const other = new Machine({ state: { ...new Machine().snapshot(), index: index + 2 ** 32 } })
  other.apply(index + 2 ** 32 + 1, { session: 0, seq: 0, acked: 0, command: put('a', '1') })
  assert.notEqual(hashState(machine), hashState(other))
})

test('equal states reached by different ways have equal hashes, and each part of the state counts', () => {
  const direct = new Log()
  direct.apply({ type: 'barrier' })
  direct.apply(put('a', '1'))
  const detour = new Log()
  detour.apply(put('b', '1'))
  detour.apply(put('a', '1'))
  assert.notEqual(hashState(direct.machine), hashState(detour.machine))
  direct.apply({ type: 'barrier' })
  detour.apply(remove('b'))
  assert.equal(hashState(direct.machine), hashState(detour.machine))
  direct.open('x')
  detour.open('y')
  assert.notEqual(hashState(direct.machine), hashState(detour.machine), 'the host of a session counts')
})

test('a key is not empty, well-formed and of bounded length', () => {
  assert.equal(isKey('user/é\u{1F600}'), true)
  assert.equal(isKey('a'.repeat(1024)), true)
  for (const text of ['', 'a'.repeat(1025), 'a\ud800', '\udc00\ud800']) assert.equal(isKey(text), false)
})
