import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { resultBytesMax, transactionLooksMax, valueDepthMax } from '../../src/core/limits.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import { TableKeys } from '../../src/engine/query/table-keys.ts'
import { storeCommandOf } from '../../src/engine/replica/log-entry.ts'
import { checkHooks } from '../../src/engine/store-hooks.ts'
import {
  CommandError,
  type Commands,
  checkCommands,
  decodeCall,
  encodeArgs,
  txnCommand,
} from '../../src/engine/transactions/command.ts'
import { CommandTable } from '../../src/engine/transactions/command-table.ts'
import { type Compare, checkTxn, type Operation, type Txn } from '../../src/engine/transactions/txn.ts'
import { decodeValue, encodeValue } from '../../src/wire/value.ts'
import { Log } from '../machine/log.ts'

function logWith(commands: Commands = {}): Log {
  return new Log(new Machine({ handlers: new CommandTable(() => commands) }))
}

function run(log: Log, name: string, args: unknown): unknown {
  const { result } = log.apply({ type: 'call', name, args: encodeArgs(args), now: 1000 })
  if (result.type === 'called') return decodeCall(result.value)
  assert.equal(result.type, 'failed')
  return result.type === 'failed' && [result.code, result.detail && decodeValue(result.detail)]
}

function txn(log: Log, request: Txn): unknown {
  return run(log, txnCommand, checkTxn(request))
}

function put(log: Log, key: string, value: unknown): void {
  log.apply({ type: 'put', key, value: encodeValue(value) })
}

/** Whether the comparison holds. */
function holds(log: Log, compare: Compare): boolean {
  return (txn(log, { compare: [compare] }) as { ok: boolean }).ok
}

test('a transaction does one branch or the other, and says what each operation gave', () => {
  const log = logWith()
  put(log, 'a', 1)
  const request: Txn = {
    compare: [{ key: 'a', value: 1 }],
    success: [
      { type: 'put', key: 'a', value: 2 },
      { type: 'get', key: 'a' },
      { type: 'delete', key: 'missing' },
      { type: 'increment', key: 'n', by: 5 },
      { type: 'increment', key: 'n', by: 5, max: 9 },
      { type: 'scan', range: {} },
      { type: 'deleteRange', range: { gte: 'n' } },
    ],
    failure: [{ type: 'get', key: 'none' }],
  }
  const a = { key: 'a', value: 2, createRevision: 1, modRevision: 2, version: 2 }
  const n = { key: 'n', value: 5, createRevision: 2, modRevision: 2, version: 1 }
  assert.deepEqual(txn(log, request), {
    ok: true,
    results: [null, a, false, { ok: true, value: 5 }, { ok: false, value: 5 }, [a, n], 1],
  })
  assert.deepEqual(txn(log, request), { ok: false, results: [null] })
})

test('a comparison holds of a value, of whether a key exists, and of each of its numbers', () => {
  const log = logWith()
  put(log, 'a', { x: 1, y: 2 })
  put(log, 'a', { y: 2, x: 1 })
  const holding: Compare[] = [
    { key: 'a', value: { y: 2, x: 1 } },
    { key: 'a', value: 7, is: '!=' },
    { key: 'b', value: 7, is: '!=' },
    { key: 'a', exists: true },
    { key: 'b', exists: false },
    { key: 'a', createRevision: 1 },
    { key: 'a', modRevision: 1, is: '>' },
    { key: 'a', version: 2, is: '>=' },
    { key: 'a', version: 3, is: '<' },
    { key: 'a', version: 2, is: '<=' },
    { key: 'b', modRevision: 0 },
    { key: 'a', lease: 0 },
  ]
  for (const compare of holding) assert.ok(holds(log, compare), JSON.stringify(compare))
  const failing: Compare[] = [
    { key: 'a', value: { x: 1 } },
    { key: 'b', value: null },
    { key: 'b', exists: true },
    { key: 'a', modRevision: 1 },
    { key: 'a', version: 2, is: '!=' },
  ]
  for (const compare of failing) assert.ok(!holds(log, compare), JSON.stringify(compare))
})

test('a key that was deleted and made again has the same version and another revision', () => {
  const log = logWith()
  put(log, 'a', 1)
  log.apply({ type: 'delete', key: 'a' })
  put(log, 'a', 1)
  assert.ok(holds(log, { key: 'a', version: 1 }))
  assert.ok(!holds(log, { key: 'a', modRevision: 1 }))
})

test('a comparison of a range holds of all its keys, and of their number', () => {
  const log = logWith()
  put(log, 'seat/1', 'x')
  put(log, 'seat/2', 'x')
  put(log, 'table', 'x')
  const range = { prefix: 'seat/' }
  assert.ok(holds(log, { range, count: 2 }))
  assert.ok(holds(log, { range, modRevision: 2, is: '<=' }))
  assert.ok(!holds(log, { range, modRevision: 1, is: '<=' }))
  assert.ok(holds(log, { range: { prefix: 'none/' }, modRevision: 9, is: '>' }), 'of no keys at all')
})

test('tables have keys of their own; a scan of one sees no other', () => {
  const log = logWith()
  const of = (table: string | undefined, type: 'put' | 'get', key: string): Operation =>
    ({ type, key, value: table ?? '', ...(table !== undefined && { table }) }) as Operation
  txn(log, {
    success: [
      of('users', 'put', 'a'),
      of(undefined, 'put', 'a'),
      of('user', 'put', 'a'),
      of('users', 'put', 'b'),
    ],
  })
  const scan = (table: string | undefined, range = {}): unknown => {
    const { results } = txn(log, {
      success: [{ type: 'scan', range, ...(table !== undefined && { table }) }],
    }) as {
      results: { key: string; value: string }[][]
    }
    return results[0]?.map(({ key, value }) => `${key}=${value}`)
  }
  assert.deepEqual(scan('users'), ['a=users', 'b=users'])
  assert.deepEqual(scan('users', { gt: 'a' }), ['b=users'])
  assert.deepEqual(scan('users', { lt: 'b' }), ['a=users'])
  assert.deepEqual(scan('users', { lte: 'b', gte: 'b' }), ['b=users'])
  assert.deepEqual(scan('users', { prefix: 'b' }), ['b=users'])
  assert.deepEqual(scan('users', { reverse: true, limit: 1 }), ['b=users'])
  assert.deepEqual(scan('user'), ['a=user'])
  assert.deepEqual(scan(undefined), ['a='])
  for (const range of [{ gt: '' }, { gte: '\0' }, { gt: '\0users\0a' }, { lt: '\u{10ffff}' }, { prefix: '' }])
    assert.deepEqual(scan(undefined, range), ['a='], JSON.stringify(range))
  assert.deepEqual(scan(undefined, { prefix: '\0users' }), [])
  assert.deepEqual(run(log, txnCommand, { success: [of(undefined, 'put', '\0users\0c')] }), [
    'COMMAND_FAILED',
    null,
  ])
})

test('a value that is null, or as deep as values can be, is written, compared and read in a transaction', () => {
  let deep: unknown = 'deep'
  for (let depth = 0; depth < valueDepthMax; depth++) deep = depth % 2 === 0 ? [deep] : { deep }
  const log = logWith()
  for (const value of [null, deep]) {
    const write = { success: [{ type: 'put', key: 'k', value }] } as const
    assert.deepEqual(txn(log, write), { ok: true, results: [null] })
    const read = {
      compare: [{ key: 'k', value }],
      success: [
        { type: 'get', key: 'k' },
        { type: 'scan', range: {} },
      ],
    } as const
    const { results } = txn(log, read) as { readonly results: [{ value: unknown }, [{ value: unknown }]] }
    assert.deepEqual([results[0].value, results[1][0].value], [value, value])
  }
  assert.throws(() => put(log, 'k', [deep]), TypeError)
  assert.throws(() => txn(log, { success: [{ type: 'put', key: 'k', value: [deep] }] }), TypeError)
})

test('what is no transaction is a TypeError before anything is sent', () => {
  const wrong: unknown[] = [
    null,
    { otherwise: [] },
    { compare: [{ key: 'a' }] },
    { compare: [{ key: 'a', exists: true, version: 1 }] },
    { compare: [{ key: 'a', version: 1.5 }] },
    { compare: [{ key: 'a', version: 1, is: '~' }] },
    { compare: [{ key: 'a', count: 1 }] },
    { compare: [{ range: {}, value: 1 }] },
    { compare: [{ key: '', exists: true }] },
    { success: [{ type: 'move', key: 'a' }] },
    { failure: [{ type: 'get', key: 'a', table: 'a b' }] },
    { success: [{ type: 'scan', range: { prefix: 'a', gt: 'b' } }] },
    { compare: [{ key: 'a', exists: true, is: '!=' }] },
    { compare: [{ key: 'a', value: 1, is: '<' }] },
    { compare: [{ key: 'a', range: {}, version: 1 }] },
    { compare: [{ key: 'a', exists: true, tabel: 'users' }] },
    { compare: [{ table: 'users', range: { gte: 'x'.repeat(1020) }, count: 0 }] },
    { success: [{ type: 'put', key: '\0users\0c', value: 1 }] },
    { success: [{ type: 'put', key: 'a', value: 1, lease: 'l' }] },
    { success: [{ type: 'get', key: 'a', range: {} }] },
    { success: [{ type: 'scan', range: { limit: -1 } }] },
    { success: [{ type: 'increment', key: 'n', by: 0.5 }] },
    { success: [{ type: 'increment', key: 'n', min: 2, max: 1 }] },
    { success: [{ type: 'toString', key: 'a' }] },
    // On its way to the log each of these would lose what it tests or writes.
    { compare: [{ key: 'a', value: undefined }] },
    { compare: [{ key: 'a', version: undefined }] },
    { success: [{ type: 'put', key: 'a' }] },
    { success: [{ type: 'put', key: 'a', value: undefined }] },
  ]
  for (const request of wrong)
    assert.throws(() => checkTxn(request as Txn), TypeError, JSON.stringify(request))
})

test('a comparison that comes without what it tests never holds: its transaction has failed', () => {
  const success = [{ type: 'put', key: 'taken', value: 1 }]
  const compares = [
    { key: 'a' },
    { key: 'a', is: '!=' },
    { range: {} },
    { range: {}, is: '>' },
    { version: 0 },
  ]
  for (const compare of compares) {
    const log = logWith()
    put(log, 'a', 1)
    assert.deepEqual(run(log, txnCommand, { compare: [compare], success }), ['COMMAND_FAILED', null])
    assert.equal(holds(log, { key: 'taken', exists: false }), true)
  }
})

test('a command that answers later has failed, and what it rejects with then is taken care of', async () => {
  const late = async () => Promise.reject(new Error('late'))
  const log = logWith({ 'late@1': () => late() })
  assert.deepEqual(run(log, 'late@1', null), ['COMMAND_FAILED', null])
  // An unhandled rejection would end the process here.
  await new Promise(resolve => setImmediate(resolve))
})

test('commands are functions that answer at once, as far as that can be told where they are given', () => {
  const wrong: readonly unknown[] = [
    null,
    () => {},
    { 'a@1': 1 },
    { 'a@1': async () => {} },
    { 'a@1': function* () {} },
  ]
  for (const commands of wrong) {
    assert.throws(() => checkCommands(commands as Commands), TypeError)
    assert.throws(() => checkHooks({ commands: commands as Commands }), TypeError)
  }
  assert.throws(() => checkHooks({ requests: null as never }), TypeError)
})

test('a command sees values, its caller gets its result, and a CommandError says why it failed', () => {
  const log = logWith({
    'seat.reserve@1': (tx, args, { host, now }) => {
      const { seat } = args as { seat: string }
      if (!tx.insert(`seat/${seat}`, { host: host ?? null, now })) throw new CommandError('TAKEN', { seat })
      return { seat, left: 10 - tx.count({ prefix: 'seat/' }) }
    },
  })
  assert.deepEqual(run(log, 'seat.reserve@1', { seat: '1A' }), { seat: '1A', left: 9 })
  assert.deepEqual(run(log, 'seat.reserve@1', { seat: '1A' }), ['TAKEN', { seat: '1A' }])
})

test('only numbers are added to, null is none, and no sum is a number that is not exact', () => {
  const log = logWith({ 'add@1': tx => ({ ...tx.increment('n', { max: Number.POSITIVE_INFINITY }) }) })
  put(log, 'n', null)
  assert.deepEqual(txn(log, { success: [{ type: 'increment', key: 'n' }] }), ['NOT_A_NUMBER', null])
  put(log, 'n', Number.MAX_SAFE_INTEGER)
  assert.deepEqual(run(log, 'add@1', null), { ok: false, value: Number.MAX_SAFE_INTEGER })
})

test('a CommandError with a code that no result can hold is a failure of the command', () => {
  const log = logWith({
    'fail@1': (_tx, code) => {
      throw new CommandError(code as string)
    },
  })
  assert.deepEqual(run(log, 'fail@1', 'NO_SEAT_12'), ['NO_SEAT_12', null])
  for (const code of ['', 'X'.repeat(65), 'no seat', 7])
    assert.deepEqual(run(log, 'fail@1', code), ['COMMAND_FAILED', null])
})

test('rules and readers of the log see keys as they are in their table', () => {
  const value = encodeValue(1)
  const inUsers = new TableKeys('users').inStore('a')
  assert.deepEqual(storeCommandOf({ type: 'put', key: inUsers, value }), {
    type: 'put',
    table: 'users',
    key: 'a',
    value: 1,
  })
  assert.deepEqual(storeCommandOf({ type: 'delete', key: inUsers }), {
    type: 'delete',
    table: 'users',
    key: 'a',
  })
  assert.deepEqual(storeCommandOf({ type: 'delete', key: 'a' }), { type: 'delete', key: 'a' })
})

test('a command that gives a promise, or what is no value, has failed and has written nothing', () => {
  const log = logWith({
    'later@1': async tx => tx.put('a', 1),
    'function@1': tx => {
      tx.put('a', 1)
      return () => 1
    },
    'long@1': tx => {
      tx.put('a', 1)
      return 'x'.repeat(resultBytesMax)
    },
  })
  assert.deepEqual(run(log, 'long@1', null), ['TOO_LARGE', null], 'the results of a session are kept')
  for (const name of ['later@1', 'function@1'])
    assert.deepEqual(run(log, name, null), ['COMMAND_FAILED', null])
  assert.equal(log.machine.view().size, 0)
})

describe('a transaction looks at so much and no more', () => {
  const logOf = (keys: number, value: unknown = null) => {
    const log = logWith()
    for (let key = 0; key < keys; key++) put(log, `k${key}`, value)
    return log
  }
  const tooLarge = ['TOO_LARGE', null]

  test('comparing each key of a range', () => {
    const log = logOf(8192)
    const each: Compare = { range: {}, version: 1 }
    const times = transactionLooksMax / 8192
    const compare = Array.from({ length: times }, () => each)
    assert.deepEqual(txn(log, { compare }), { ok: true, results: [] })
    assert.deepEqual(txn(log, { compare: [...compare, { range: { lte: 'k0' }, version: 1 }] }), tooLarge)
    // What does not hold ends it at once.
    const never: Compare = { range: {}, version: 2 }
    const failing = Array.from({ length: 2 * times }, () => never)
    assert.deepEqual(txn(log, { compare: failing }), { ok: false, results: [] })
  })

  test('counting keys', () => {
    const log = logOf(3200)
    const compare = Array.from({ length: 2595 }, (): Compare => ({ range: {}, count: 3200 }))
    assert.deepEqual(txn(log, { compare }), { ok: true, results: [] })
    assert.deepEqual(txn(log, { compare: [...compare, ...compare.slice(0, 1)] }), tooLarge)
  })

  test('reading values, before they are decoded', () => {
    const log = logOf(1, 'x'.repeat(1_000_000))
    const [get, scan] = [
      { type: 'get', key: 'k0' },
      { type: 'scan', range: {} },
    ] as const
    for (const operation of [get, scan]) {
      const begun = performance.now()
      const success = Array.from({ length: 100_000 }, () => operation)
      assert.deepEqual(txn(log, { success }), tooLarge)
      assert.ok(performance.now() - begun < 5000)
    }
  })
})

test('a comparison with a value looks at bytes, and decodes nothing', () => {
  const log = logWith()
  // What no version reads: a broken host wrote it.
  log.apply({ type: 'put', key: 'a', value: new Uint8Array([0xc1]) })
  assert.equal(holds(log, { key: 'a', value: 1 }), false)
  assert.equal(holds(log, { range: {}, version: 1 }), true)
})
