import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../src/base/random.ts'
import { kvModel } from '../../src/testing/checkers/kv.ts'
import { checkLinearizable } from '../../src/testing/checkers/linearizability.ts'
import type { Operation } from '../../src/testing/checkers/operation.ts'
import { registerModel } from '../../src/testing/checkers/register.ts'
import { isLinearizable } from './brute-force.ts'
import { historyOf } from './histories.ts'

const verdictOf = (...pictures: readonly string[]) => checkLinearizable(kvModel, historyOf(...pictures)).type

const possible = (...pictures: readonly string[]) => assert.equal(verdictOf(...pictures), 'linearizable')
const impossible = (...pictures: readonly string[]) =>
  assert.equal(verdictOf(...pictures), 'not-linearizable')

describe('a history', () => {
  test('without operations is linearizable', () => possible())

  test('may give a read the value before or after a write that runs beside it', () => {
    possible('|put 1------|', '   |get =1-|')
    possible('|put 1------|', '   |get =null|')
  })

  test('must give a read what was written before it', () => {
    impossible('|put 1-|', '          |get =null|')
    impossible('|put 1-| |put 2-|', '                   |get =1|')
  })

  test('must not go back: a later read does not see an older value', () => {
    impossible('|put 1---------------------------|', '   |get =1-|', '              |get =null|')
  })

  test('holds two reads that see two writes in opposite orders to be wrong', () => {
    impossible('|put 1---|', '|put 2---|', '           |get =1-| |get =2-|')
  })

  test('counts what ends and begins at one moment as concurrent', () => {
    const write = { client: 1, op: 'put', args: [1], call: 0, return: 5, outcome: 'ok' } as const
    const read = { client: 2, op: 'get', args: [], call: 5, return: 6, outcome: 'ok', result: null } as const
    assert.equal(checkLinearizable(kvModel, [read, write]).type, 'linearizable')
    assert.equal(checkLinearizable(kvModel, [{ ...read, call: 5.5 }, write]).type, 'not-linearizable')
  })

  test('with an answer from before its call is refused', () => {
    const early = { client: 1, op: 'get', args: [], call: 5, return: 4, outcome: 'ok' } as const
    assert.throws(() => checkLinearizable(kvModel, [early]), /was called at 5 and answered at 4/)
  })
})

/** What a store answers to so many calls on one key, of which many are under way at once. */
function crowded(count: number, random: () => number): Operation[] {
  let value: string | null = null
  let revision = 0
  return Array.from({ length: count }, (_, i): Operation => {
    const time = { client: `c${i}`, call: i - 80 * random(), return: i + 80 * random() }
    const answered = { ...time, outcome: 'ok', key: 'k' } as const
    const op = ['put', 'insert', 'delete', 'delete', 'entry'][Math.floor(5 * random())] ?? 'entry'
    if (op === 'entry')
      return { ...answered, op, args: [], result: { value, modRevision: value ? revision : 0 } }
    const ok = op === 'put' || (op === 'insert') === (value === null)
    if (ok) {
      revision = i + 1
      value = op === 'delete' ? null : `v${i}`
    }
    const result = { ok, revision: value || ok ? revision : 0, ...(op === 'insert' && { value }) }
    return { ...answered, op, args: op === 'delete' ? [] : [`v${i}`], result }
  })
}

describe('many answers that change nothing', () => {
  test('cost a step each, however many are under way at once', () => {
    const { type, steps } = checkLinearizable(kvModel, crowded(400, seededRandom(1)), { stepsMax: 100_000 })
    assert.equal(type, 'linearizable')
    assert.ok(steps < 2000, `${steps} steps`)
  })
})

describe('a write of unknown outcome', () => {
  test('may never happen, or happen long after it was given up', () => {
    possible('|put 1-?', '          |get =null|')
    possible('|put 1-?', '          |get =null| |get =1-|')
  })

  test('happens once at most, and not before its call', () => {
    impossible('|put 1-?', '      |get =1-| |put 2-| |get =1-|')
    impossible('         |put 1-?', '|get =1|')
  })

  test('never happens when it is known to have failed', () => {
    impossible('|put 1-!', '          |get =1-|')
  })

  test('may be one of many, of which only the right ones happen', () => {
    const lost = Array.from({ length: 40 }, (_, i) => `|put ${i}-?`)
    possible(...lost, '            |get =7-| |get =30-| |get =3-|')
    impossible(...lost, '            |get =7-| |get =30-| |get =7-|')
  })
})

describe('the keys of a store', () => {
  test('have nothing to do with each other', () => {
    possible('|a:put 1-| |b:put 2-|', '                       |b:get =2-| |a:get =1-|')
    impossible('|a:put 1-| |b:put 2-|', '                       |b:get =2-| |a:get =2-|')
  })

  test('are inserted once', () => {
    possible('|insert 1 =true--|', '|insert 2 =false-|')
    impossible('|insert 1 =true--|', '|insert 2 =true-|')
    impossible('|insert 1 =false--|')
    possible('|insert 1 =true--| |delete =true-| |insert 2 =true-| |delete =true-| |delete =false-|')
  })

  test('are swapped when their value is the expected one', () => {
    possible('|put {"a":1,"b":2}| |compareAndSwap {"b":2,"a":1} 2 =true| |get =2-|')
    possible('|put 1| |compareAndSwap 2 3 =false| |get =1-|')
    impossible('|put 1| |compareAndSwap 1 3 =false|')
    impossible('|put 1| |compareAndSwap 1 2 =true------|', '        |compareAndSwap 1 3 =true-----|')
    possible('|compareAndSwap null 1 =true| |compareAndSwap 1 null =true| |get =null|')
  })

  test('are swapped where an answer says no more than that it came', () => {
    possible('|put 1| |compareAndSwap 1 3| |get =3-|')
    impossible('|put 1| |compareAndSwap 2 3| |get =3-|')
  })

  test('tell with a failed condition what stands there', () => {
    possible('|put 1| |insert 2 ={"ok":false,"value":1}|')
    impossible('|put 1| |insert 2 ={"ok":false,"value":3}|')
  })

  test('are written with growing revisions', () => {
    possible('|put 1 ={"revision":5}| |put 2 ={"revision":6}|')
    impossible('|put 1 ={"revision":6}| |put 2 ={"revision":5}|')
    impossible('|put 1 ={"revision":5}| |entry ={"value":1,"modRevision":6}|')
    impossible('|put 1 ={"revision":5}| |delete ={"ok":true,"revision":5}|')
    possible('|put 1 ={"revision":5}| |insert 2 ={"ok":false,"value":1,"revision":5}|')
    impossible('|put 1 ={"revision":5}| |insert 2 ={"ok":false,"value":1,"revision":4}|')
    possible('|delete ={"ok":false,"revision":0}| |entry =null|')
    impossible('|delete ={"ok":false,"revision":3}|')
  })

  test('have a revision that is learnt later where the write was not answered', () => {
    const lost = '|put 1 ={"revision":5}| |put 2-?'
    const entry = (revision: number) => `|entry ={"value":2,"modRevision":${revision}}|`
    possible(lost, `${' '.repeat(40)}${entry(7)} ${entry(7)}`)
    impossible(lost, `${' '.repeat(40)}${entry(7)} ${entry(8)}`)
    impossible(lost, `${' '.repeat(40)}${entry(5)}`)
  })

  test('promise nothing to reads that may be stale', () => {
    possible('|put 1| |staleEntry ={"value":7,"modRevision":3}|')
    impossible('|put 1| |entry ={"value":7,"modRevision":3}|')
    impossible('|put 1| |entry =null|')
  })

  test('may hold records that look like answers', () => {
    possible('|put {"revision":9}| |get ={"revision":9}|')
    impossible('|put {"revision":9}| |get ={"revision":8}|')
  })
})

type What = Pick<Operation, 'op' | 'args' | 'result'>

const timed = (what: fc.Arbitrary<What>) =>
  fc
    .record({
      client: fc.constant('c'),
      call: fc.nat(12),
      length: fc.nat(6),
      outcome: fc.constantFrom('ok', 'ok', 'ok', 'unknown', 'fail'),
      what,
    })
    .map(({ call, length, what, ...rest }): Operation => ({ ...rest, ...what, call, return: call + length }))

const revision = fc.integer({ min: 1, max: 4 })

/** Operations of a store, with answers that tell revisions. */
const stored = timed(
  fc.oneof(
    fc.record({
      op: fc.constant('put'),
      args: fc.tuple(fc.constantFrom(1, 2)),
      result: fc.record({ revision }),
    }),
    fc.record({
      op: fc.constant('delete'),
      args: fc.constant([]),
      result: fc.oneof(
        fc.constant({ ok: false, revision: 0 }),
        fc.record({ ok: fc.constant(true), revision }),
      ),
    }),
    fc.record({
      op: fc.constant('insert'),
      args: fc.constant([1]),
      result: fc.record({ ok: fc.boolean(), revision }),
    }),
    fc.record({
      op: fc.constant('entry'),
      args: fc.constant([]),
      result: fc.oneof(fc.constant(null), fc.record({ value: fc.constantFrom(1, 2), modRevision: revision })),
    }),
  ),
)

const operation = timed(
  fc.oneof(
    fc.record({ op: fc.constant('get'), args: fc.constant([]), result: fc.constantFrom(null, 1, 2) }),
    fc.record({ op: fc.constant('put'), args: fc.tuple(fc.constantFrom(1, 2)) }),
    fc.record({
      op: fc.constant('compareAndSwap'),
      args: fc.tuple(fc.constantFrom(null, 1, 2), fc.constantFrom(1, 2)),
      result: fc.boolean(),
    }),
  ),
)

describe('the checker', () => {
  test('agrees with trying every order', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 7 }), operations => {
        const expected = isLinearizable(registerModel, operations) ? 'linearizable' : 'not-linearizable'
        assert.equal(checkLinearizable(registerModel, operations).type, expected)
        assert.equal(checkLinearizable(kvModel, operations).type, expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('agrees with it where answers tell revisions', () => {
    fc.assert(
      fc.property(fc.array(stored, { maxLength: 6 }), operations => {
        const expected = isLinearizable(kvModel, operations) ? 'linearizable' : 'not-linearizable'
        assert.equal(checkLinearizable(kvModel, operations).type, expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('names the shortest beginning that cannot be explained', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 3, maxLength: 8 }), operations => {
        const verdict = checkLinearizable(registerModel, operations)
        fc.pre(verdict.type === 'not-linearizable')
        const { operation, order } = verdict.stuck
        const end = operation.return ?? 0
        assert.ok(!isLinearizable(registerModel, operations, end))
        assert.ok(isLinearizable(registerModel, operations, end - 1))
        assert.ok(isLinearizable(registerModel, order))
      }),
      { numRuns: 500 },
    )
  })

  test('says so when its budget does not do', () => {
    const writes = Array.from({ length: 10 }, (_, i) => `|put ${i}------|`)
    const operations = historyOf(...writes, '             |get =11-|')
    assert.equal(checkLinearizable(registerModel, operations, { stepsMax: 100 }).type, 'undecided')
    assert.equal(checkLinearizable(registerModel, operations).type, 'not-linearizable')
  })
})
