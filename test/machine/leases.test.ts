import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OrderedMap } from '../../src/base/ordered-map.ts'
import { leaseKeysMax, transactionKeysMax } from '../../src/core/limits.ts'
import type { Command } from '../../src/core/machine/command.ts'
import type { CommandHandler } from '../../src/core/machine/handler.ts'
import type { Item } from '../../src/core/machine/item.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import { hashState } from '../../src/core/machine/state-hash.ts'
import { CommandFailure, Transaction } from '../../src/core/machine/transaction.ts'
import { bytes, Log, put, remove } from './log.ts'

const handlers = new Map<string, CommandHandler>([
  [
    'put@1',
    (tx, args) => {
      const [key = '', lease = '0'] = new TextDecoder().decode(args).split(' ')
      tx.put(key, bytes('value'), Number(lease))
      return bytes('')
    },
  ],
])

function newLog(): Log {
  return new Log(new Machine({ handlers }))
}

function grant(ttlMs: number, clock: number): Command {
  return { type: 'lease-grant', ttlMs, clock }
}

function leased(key: string, lease: number): Command {
  return { type: 'call', name: 'put@1', args: bytes(`${key} ${lease}`), now: 0 }
}

function expire(clock: number): Command {
  return { type: 'expire', clock }
}

function keepAlive(leases: readonly number[], clock: number): Command {
  return { type: 'lease-keep-alive', leases, clock }
}

test('a lease takes its keys along when its time is over, all at one revision, in their order, and no sooner', () => {
  const log = newLog()
  log.apply(grant(1000, 5000))
  log.apply(leased('b', 1))
  log.apply(leased('a', 1))
  assert.deepEqual(log.apply(expire(5999)).changes, [])
  const { changes } = log.apply(expire(6000))
  assert.deepEqual(
    changes.map(({ type, key, revision }) => `${type} ${key} ${revision}`),
    ['delete a 5', 'delete b 5'],
  )
  assert.equal(log.machine.leases.get(1), undefined)
})

test('keeping a lease alive gives it its whole time again; those that are over are named', () => {
  const log = newLog()
  log.apply(grant(1000, 0))
  log.apply(leased('a', 1))
  assert.deepEqual(log.apply(keepAlive([1, 77], 900)).result, { type: 'kept', gone: [77] })
  assert.deepEqual(log.apply(expire(1800)).changes, [])
  assert.equal(log.apply(expire(1900)).changes.length, 1)
  assert.deepEqual(log.apply(keepAlive([1], 1950)).result, { type: 'kept', gone: [1] })
})

test("the group's clock never goes back, whatever a leader stamps", () => {
  const log = newLog()
  log.apply(grant(1000, 10_000))
  log.apply(grant(1000, 3000))
  assert.deepEqual(log.machine.leases.get(2), { id: 2, ttlMs: 1000, deadline: 11_000 })
  log.apply(expire(10_999))
  assert.equal(log.machine.leases.size, 2)
})

test('a key goes with the lease it was put with last, and with none after a plain put', () => {
  const log = newLog()
  log.apply(grant(1000, 0))
  log.apply(grant(2000, 0))
  for (const key of ['a', 'b', 'c', 'd']) log.apply(leased(key, 1))
  log.apply(leased('b', 2))
  log.apply(put('c', '1'))
  log.apply(remove('d'))
  log.apply(put('d', '1'))
  const deleted = (command: Command) => log.apply(command).changes.map(change => change.key)
  assert.deepEqual(deleted(expire(1000)), ['a'])
  assert.deepEqual(deleted(expire(2000)), ['b'])
  assert.deepEqual([log.machine.get('c')?.lease, log.machine.get('d')?.lease], [0, 0])
})

test('a lease that is revoked is over at once; one that does not exist is said not to', () => {
  const log = newLog()
  log.apply(grant(60_000, 0))
  log.apply(leased('a', 1))
  const { result, changes } = log.apply({ type: 'lease-revoke', lease: 1 })
  assert.deepEqual(result, { type: 'deleted', ok: true, revision: 3 })
  assert.equal(changes.length, 1)
  assert.deepEqual(log.apply({ type: 'lease-revoke', lease: 1 }).result, {
    type: 'deleted',
    ok: false,
    revision: 0,
  })
})

test('no key can be put with a lease that is over', () => {
  const log = newLog()
  const { result } = log.apply(leased('a', 9))
  assert.deepEqual(result, { type: 'failed', code: 'LEASE_NOT_FOUND', detail: null })
})

test('a machine that was restored ends the same leases and removes the same keys', () => {
  const log = newLog()
  log.apply(grant(1000, 0))
  log.apply(leased('b', 1))
  log.apply(leased('a', 1))
  const restored = new Log(new Machine({ state: log.machine.snapshot(), handlers }))
  assert.deepEqual(restored.apply(expire(1000)), log.apply(expire(1000)))
  assert.equal(hashState(restored.machine), hashState(log.machine))
  assert.equal(restored.machine.chain, log.machine.chain)
})

test('a session that nobody has used for a day and an hour is forgotten, by the clock of the log', () => {
  const day = 24 * 60 * 60 * 1000
  const hour = 60 * 60 * 1000
  const log = newLog()
  const idle = log.open()
  const busy = log.open()
  log.apply(expire(hour))
  log.ask(busy, 1, put('a', '1'))
  log.apply(expire(day + hour))
  assert.ok(
    log.machine.session(idle) !== undefined,
    'its last use may have been an hour after the last stamp',
  )
  log.apply(expire(day + hour + 1))
  assert.equal(log.machine.session(idle), undefined)
  assert.ok(log.machine.session(busy) !== undefined)
})

test('a session that is used behind a long rest of the group is not taken for idle, and is so a day later', () => {
  const day = 24 * 60 * 60 * 1000
  const hour = 60 * 60 * 1000
  const log = newLog()
  const session = log.open()
  const snapshot = log.machine.snapshot()
  log.ask(session, 1, put('a', '1'))
  log.apply(expire(10 * day))
  assert.deepEqual(log.ask(session, 1, put('a', '1')), { type: 'written', revision: 2 })
  log.apply(expire(10 * day + 2 * hour))
  for (let hours = 4; hours < 25; hours += 2) log.apply(expire(10 * day + hours * hour))
  assert.ok(log.machine.session(session) !== undefined)
  log.apply(expire(11 * day + 4 * hour))
  assert.equal(log.machine.session(session), undefined, 'one use prolongs it once')
  assert.equal(snapshot.sessions.get(session)?.usedClock, 0, 'a snapshot stays as it is')
})

test('a lease has so many keys and no more; those that it has may be written again', () => {
  const filling = new Map(handlers).set('fill@1', (tx, args) => {
    const [from = '', to = ''] = new TextDecoder().decode(args).split(' ')
    for (let i = Number(from); i < Number(to); i++) tx.put(`${i}`, bytes('1'), 1)
    return bytes('')
  })
  const log = new Log(new Machine({ handlers: filling }))
  const fill = (from: number, to: number) =>
    log.apply({ type: 'call', name: 'fill@1', args: bytes(`${from} ${to}`), now: 0 }).result.type
  log.apply(grant(1000, 0))
  assert.equal(fill(0, leaseKeysMax + 1), 'failed')
  assert.equal(fill(0, leaseKeysMax), 'called')
  assert.equal(fill(0, leaseKeysMax), 'called')
  assert.equal(fill(leaseKeysMax, leaseKeysMax + 1), 'failed')
  log.apply(remove('0'))
  assert.equal(fill(leaseKeysMax, leaseKeysMax + 1), 'called')
  assert.equal(log.apply(expire(1000)).changes.length, leaseKeysMax)
})

test('leases whose keys are too many for one entry end one after the other', () => {
  const many = new Map(handlers).set('fill@1', (tx, args) => {
    const lease = Number(new TextDecoder().decode(args))
    for (let i = 0; i < 1500; i++) tx.put(`${lease}/${i}`, bytes('1'), lease)
    return bytes('')
  })
  const log = new Log(new Machine({ handlers: many }))
  for (const _lease of [1, 2]) log.apply(grant(1000, 0))
  for (const lease of [1, 2]) log.apply({ type: 'call', name: 'fill@1', args: bytes(`${lease}`), now: 0 })
  assert.equal(log.apply(expire(5000)).changes.length, 1500)
  assert.equal(log.apply(expire(5000)).changes.length, 1500)
  assert.equal(log.machine.view().size, 0)
})

test('a delete that is too large leaves its key with its lease', () => {
  const items = new OrderedMap<string, Item>()
  const value = new Uint8Array()
  const numbers = { createRevision: 1, modRevision: 1, version: 1 }
  items.set('last', { key: 'last', value, lease: 1, ...numbers })
  const asked: number[] = []
  const transaction = new Transaction(2, items, (_lease, more) => {
    asked.push(more)
    return undefined
  })
  for (let i = 0; i < transactionKeysMax; i++) transaction.put(`k${i}`, value)
  assert.throws(() => transaction.delete('last'), CommandFailure)
  transaction.put('k0', value, 1)
  assert.deepEqual(asked, [1])
})
