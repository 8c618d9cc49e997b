import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssertionError } from '../../src/base/assert.ts'
import type { Command } from '../../src/core/machine/command.ts'
import type { CommandHandler } from '../../src/core/machine/handler.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import { CommandFailure, type Transaction } from '../../src/core/machine/transaction.ts'
import { bytes, Log, put } from './log.ts'

const done = new Uint8Array([1])

function logWith(handlers: Readonly<Record<string, CommandHandler>>): Log {
  return new Log(new Machine({ handlers: new Map(Object.entries(handlers)) }))
}

function call(name: string, args = '', now = 1000): Command {
  return { type: 'call', name, args: bytes(args), now }
}

test('a call writes all of its keys at one revision, and gives back what its handler gave', () => {
  const log = logWith({
    'move@1': (tx, args) => {
      tx.put('b', args)
      tx.delete('a')
      return bytes('moved')
    },
  })
  log.apply(put('a', '1'))
  const { result, changes } = log.apply(call('move@1', 'x'))
  assert.deepEqual(result, { type: 'called', revision: 2, value: bytes('moved') })
  assert.deepEqual(
    changes.map(({ type, key, revision }) => `${type} ${key} ${revision}`),
    ['put b 2', 'delete a 2'],
  )
  assert.equal(log.machine.get('a'), undefined)
  assert.deepEqual(log.machine.get('b')?.value, bytes('x'))
})

test('a handler that throws leaves nothing behind: what it wrote is gone, its code is the result', () => {
  const log = logWith({
    'fail@1': tx => {
      tx.put('a', bytes('2'))
      tx.delete('b')
      throw new CommandFailure('NO_SEAT', bytes('12A'))
    },
    'break@1': tx => {
      tx.put('a', bytes('3'))
      throw new RangeError('a message that engines word differently')
    },
  })
  log.apply(put('a', '1'))
  log.apply(put('b', '1'))
  const before = log.machine.snapshot()
  const failed = log.apply(call('fail@1'))
  assert.deepEqual(failed.result, { type: 'failed', code: 'NO_SEAT', detail: bytes('12A') })
  const broken = log.apply(call('break@1'))
  assert.deepEqual(broken.result, { type: 'failed', code: 'COMMAND_FAILED', detail: null })
  assert.ok(broken.thrown instanceof RangeError)
  assert.deepEqual([...failed.changes, ...broken.changes], [])
  assert.deepEqual([...log.machine.snapshot().items.values()], [...before.items.values()])
})

test('an assertion that fails inside a handler is our own mistake and stops the replica', () => {
  const log = logWith({
    'wrong@1': () => {
      throw new AssertionError('impossible')
    },
  })
  assert.throws(() => log.apply(call('wrong@1')), AssertionError)
})

test('writes of one key within a call count as one, and a key that comes back within it is new', () => {
  const log = logWith({
    'twice@1': tx => {
      tx.put('a', bytes('2'))
      tx.put('a', bytes('3'))
      tx.put('gone', bytes('1'))
      tx.delete('gone')
      tx.delete('again')
      tx.put('again', bytes('2'))
      return done
    },
  })
  log.apply(put('a', '1'))
  log.apply(put('again', '1'))
  const { changes } = log.apply(call('twice@1'))
  assert.deepEqual(
    changes.map(change => change.key),
    ['a', 'again'],
  )
  assert.deepEqual(log.machine.get('a'), {
    key: 'a',
    value: bytes('3'),
    createRevision: 1,
    modRevision: 3,
    version: 2,
    lease: 0,
  })
  assert.deepEqual([log.machine.get('again')?.createRevision, log.machine.get('again')?.version], [3, 1])
})

test('a scan within a call sees the moment of its call, with what the call has written until then', () => {
  const seen: string[][] = []
  const log = logWith({
    'scan@1': tx => {
      const before = tx.scan({ prefix: 'k' })
      tx.put('k2', bytes('2'))
      tx.delete('k1')
      seen.push(
        [...before].map(item => item.key),
        [...tx.scan({ prefix: 'k' })].map(item => item.key),
      )
      return done
    },
  })
  log.apply(put('k1', '1'))
  log.apply(call('scan@1'))
  assert.deepEqual(seen, [['k1'], ['k2']])
})

test('a view from before a call does not see it, and one from before a failed call is the same as after', () => {
  const log = logWith({
    'write@1': tx => {
      tx.put('a', bytes('2'))
      return done
    },
  })
  log.apply(put('a', '1'))
  const before = log.machine.view()
  log.apply(call('write@1'))
  assert.deepEqual(before.get('a')?.value, bytes('1'))
  assert.deepEqual(log.machine.view().get('a')?.value, bytes('2'))
})

test('what a handler gets is the same wherever its entry is applied: time, random numbers, whose it is', () => {
  const run = (): unknown[] => {
    const got: unknown[] = []
    const log = logWith({
      'look@1': (_tx, _args, { now, random, host }) => {
        got.push(now, random(), random(), host)
        return done
      },
    })
    const session = log.open('ada')
    log.ask(session, 1, call('look@1', '', 5000))
    log.ask(session, 2, call('look@1', '', 4000))
    return got
  }
  const got = run()
  assert.deepEqual(got, run())
  assert.deepEqual(
    [got[0], got[4]],
    [5000, 5000],
    'the clock of a later leader may be behind: time never goes back',
  )
  assert.equal(got[3], 'ada')
  assert.notEqual(got[1], got[5], 'each entry has numbers of its own')
})

test('a retried call is answered with its first result, and its handler does not run again', () => {
  let runs = 0
  const log = logWith({
    'count@1': () => {
      runs += 1
      return done
    },
  })
  const session = log.open()
  const first = log.ask(session, 1, call('count@1'))
  assert.deepEqual(log.ask(session, 1, call('count@1', '', 9999)), first)
  assert.equal(runs, 1)
})

test('one entry writes so much and no more: beyond it the call fails as a whole', () => {
  const log = logWith({
    'many@1': tx => {
      for (let i = 0; i <= 10_000; i++) tx.put(`key ${i}`, done)
      return done
    },
    'large@1': tx => {
      for (let i = 0; i < 9; i++) tx.put(`key ${i}`, new Uint8Array(1024 * 1024))
      return done
    },
  })
  for (const name of ['many@1', 'large@1']) {
    assert.deepEqual(log.apply(call(name)).result, { type: 'failed', code: 'TOO_LARGE', detail: null })
  }
  assert.equal(log.machine.view().size, 0)
})

test('a write that is refused within a call, which goes on, is as if it had not been asked for', () => {
  const log = logWith({
    'try@1': tx => {
      tx.put('a', bytes('2'))
      assert.throws(() => tx.put('b', new Uint8Array(9 * 1024 * 1024)), CommandFailure)
      assert.throws(() => tx.put('c', done, 77), CommandFailure)
      return done
    },
  })
  log.apply(put('b', '1'))
  assert.deepEqual(
    log.apply(call('try@1')).changes.map(change => change.key),
    ['a'],
  )
  assert.equal(log.machine.get('b')?.modRevision, 1)
})

test('a handler that keeps its transaction cannot write with it later', () => {
  const kept: Transaction[] = []
  const log = logWith({
    'keep@1': tx => {
      kept.push(tx)
      tx.put('a', bytes('1'))
      return done
    },
  })
  log.apply(call('keep@1'))
  for (const tx of kept) {
    assert.throws(() => tx.put('b', done), /ends with its command/)
    assert.throws(() => tx.delete('a'), /ends with its command/)
  }
  assert.deepEqual([log.machine.get('a')?.value, log.machine.get('b')], [bytes('1'), undefined])
})

test('the chain of outcomes tells apart replicas whose handlers wrote different bytes', () => {
  const replica = (value: string): Machine => {
    const log = logWith({
      'write@1': tx => {
        tx.put('a', bytes(value))
        return done
      },
    })
    log.apply(call('write@1'))
    log.apply(put('b', '1'))
    return log.machine
  }
  assert.equal(replica('1').chain, replica('1').chain)
  assert.notEqual(replica('1').chain, replica('2').chain)
})
