import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Machine } from '../../src/core/machine/machine.ts'
import { hashState } from '../../src/core/machine/state-hash.ts'
import { insert, Log, put, remove, smallLimits, swap } from './log.ts'

const expired = { type: 'session-expired' }
const stale = { type: 'stale' }

test('a retry gets the first result and changes nothing (Raft thesis §6.3)', () => {
  const log = new Log()
  const session = log.open()
  const first = log.propose({ session, seq: 1, acked: 0, command: insert('seat', 'me') })
  log.apply(remove('seat'))
  const retry = log.propose({ session, seq: 1, acked: 0, command: insert('seat', 'me') })
  assert.deepEqual(retry, { result: first.result, duplicate: true, changes: [] })
  assert.equal(log.machine.get('seat'), undefined)
})

test('without a session a retry is applied again', () => {
  const log = new Log()
  log.apply(put('a', '1'))
  assert.equal(log.apply(put('a', '1')).changes.length, 1)
  assert.equal(log.machine.get('a')?.version, 2)
})

test('commands of a window may arrive in any order, each applied once', () => {
  const log = new Log()
  const session = log.open()
  for (const seq of [3, 1, 2, 1, 3]) log.ask(session, seq, put('a', String(seq)))
  assert.equal(log.machine.get('a')?.version, 3)
})

test('an acknowledged result is forgotten, and its number is never applied again', () => {
  const log = new Log()
  const session = log.open()
  log.ask(session, 1, put('a', '1'))
  log.ask(session, 2, put('a', '2'), 1)
  assert.deepEqual(log.ask(session, 1, put('a', '1')), stale)
  assert.deepEqual(log.ask(session, 2, put('a', '2')), { type: 'written', revision: 3 })
  assert.deepEqual(log.ask(session, 9, put('a', '9'), 9), stale)
  assert.equal(log.machine.get('a')?.version, 2)
})

test('the window slides with the highest number seen, and what falls out is stale, not applied', () => {
  const log = new Log(new Machine({ limits: smallLimits }))
  const session = log.open()
  log.ask(session, 1, put('a', '1'))
  log.ask(session, 6, put('a', '6'))
  assert.deepEqual(log.ask(session, 1, put('a', '1')), stale)
  assert.deepEqual(log.ask(session, 2, put('a', '2')), stale)
  assert.equal(log.ask(session, 3, put('a', '3')).type, 'written')
  assert.equal(log.machine.get('a')?.version, 3)
})

test('results that hold too many bytes are forgotten from the oldest on', () => {
  const log = new Log(new Machine({ limits: smallLimits }))
  const session = log.open()
  log.ask(session, 1, insert('a', '123456'))
  log.ask(session, 2, insert('b', '123456'))
  assert.deepEqual(log.ask(session, 1, insert('a', '123456')), stale)
  assert.equal(log.ask(session, 2, insert('b', '123456')).type, 'checked')
})

test('a client may jump to any number and acknowledge anything', () => {
  const log = new Log()
  const session = log.open()
  log.ask(session, 1, put('a', '1'))
  log.ask(session, Number.MAX_SAFE_INTEGER, put('a', '2'), Number.MAX_SAFE_INTEGER - 1)
  assert.deepEqual(log.ask(session, 2, put('a', '3')), stale)
  assert.equal(log.machine.get('a')?.version, 2)
})

test('a closed or unknown session applies nothing', () => {
  const log = new Log()
  const session = log.open()
  assert.deepEqual(log.ask(session, 1, { type: 'close-session' }), { type: 'written', revision: 2 })
  assert.deepEqual(log.ask(session, 2, put('a', '1')), expired)
  assert.deepEqual(log.ask(session, 1, { type: 'close-session' }), expired)
  assert.deepEqual(log.ask(77, 1, put('a', '1')), expired)
  assert.equal(log.machine.get('a'), undefined)
})

test('a full table evicts the session that was used least recently, in the order of the log', () => {
  const log = new Log(new Machine({ limits: smallLimits }))
  const [first, second, third] = [log.open(), log.open(), log.open()]
  log.ask(first, 1, put('a', '1'))
  const fourth = log.open()
  assert.deepEqual(log.ask(second, 1, put('b', '1')), expired)
  for (const session of [first, third, fourth])
    assert.notDeepEqual(log.ask(session, 1, put('a', '1')), expired)
})

test('a retry and a stale command are signs of life, too', () => {
  const log = new Log(new Machine({ limits: smallLimits }))
  const [first, second, third] = [log.open(), log.open(), log.open()]
  log.ask(first, 1, put('a', '1'), 1)
  log.open()
  assert.deepEqual(log.ask(second, 1, put('a', '2')), expired)
  log.ask(third, 1, put('a', '3'))
  log.ask(first, 1, put('a', '1'))
  log.open()
  log.open()
  assert.equal(log.ask(first, 1, put('a', '1')).type, 'stale')
})

test('a snapshot keeps its sessions while the machine goes on', () => {
  const log = new Log(new Machine({ limits: smallLimits }))
  const session = log.open()
  log.ask(session, 1, swap('a', null, '1'))
  const before = hashState(log.machine)
  const snapshot = log.machine.snapshot()
  log.ask(session, 2, put('a', '2'), 1)
  log.open()
  log.open()
  log.open()
  const restored = new Log(new Machine({ state: snapshot, limits: smallLimits }))
  assert.equal(hashState(restored.machine), before)
  assert.equal(restored.ask(session, 1, swap('a', null, '1')).type, 'checked')
  assert.equal(restored.machine.get('a')?.version, 1)
})
