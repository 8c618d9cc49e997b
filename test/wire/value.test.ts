import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isQuorateError } from '../../src/core/error.ts'
import { valueBytesMax } from '../../src/core/limits.ts'
import { decodeValue, encodeValue } from '../../src/wire/value.ts'
import { mutated } from './mutated.ts'

const name = fc.oneof(
  fc.string(),
  fc.constantFrom('1', '10', '2', 'constructor', 'toString', '\u{1F600}', ''),
)
const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      null,
      true,
      false,
      0,
      1,
      -1,
      2 ** 31,
      2 ** 32,
      -(2 ** 31) - 1,
      Number.MAX_SAFE_INTEGER,
      5e-324,
    ),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(number => number + 0),
    fc.string({ unit: 'grapheme', maxLength: 70 }),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      name.filter(name => name !== '__proto__'),
      tie('value'),
      { noNullPrototype: true, maxKeys: 20 },
    ),
  ),
}))

test('a value comes back equal', () => {
  fc.assert(fc.property(value, value => assert.deepEqual(decodeValue(encodeValue(value)), value)))
})

test('equal values have equal bytes, whatever the order of their members', () => {
  fc.assert(
    fc.property(value, value => {
      assert.deepEqual(encodeValue(turned(value)), encodeValue(value))
      assert.deepEqual(encodeValue(decodeValue(encodeValue(value))), encodeValue(value))
    }),
  )
})

test('an undefined member is left out, as in JSON', () => {
  assert.deepEqual(decodeValue(encodeValue({ a: undefined, b: [{ c: undefined }] })), { b: [{}] })
  assert.deepEqual(encodeValue({ a: undefined, b: 1 }), encodeValue({ b: 1 }))
})

test('what would not come back equal is refused, and the message names the place', () => {
  const refusals: readonly (readonly [unknown, string])[] = [
    [undefined, 'value: undefined'],
    [Number.NaN, 'value: NaN'],
    [{ a: [1, -0] }, 'value.a[1]: -0'],
    [[Number.NEGATIVE_INFINITY], 'value[0]: -Infinity'],
    [[1, undefined], 'value[1]: undefined'],
    [Object.assign([1], { length: 3 }), 'value[1]: undefined'],
    [{ a: { b: 1n } }, 'value.a.b: a bigint'],
    [{ a: () => 1 }, 'value.a: a function'],
    [Symbol('s'), 'value: a symbol'],
    [{ a: new Date(0) }, 'value.a: an instance of Date'],
    [new Map(), 'value: an instance of Map'],
    [new Set(), 'value: an instance of Set'],
    [new Float64Array(1), 'value: an instance of Float64Array'],
    [new (class Seat {})(), 'value: an instance of Seat'],
    [{ a: 'x\ud800' }, 'value.a: a string with a lone surrogate'],
    [{ '\udc00': 1 }, 'value.\udc00: a string with a lone surrogate'],
    [JSON.parse('{"a":{"__proto__":1}}'), 'value.a.__proto__: a member of this name'],
  ]
  for (const [value, message] of refusals) {
    assert.throws(() => encodeValue(value), new TypeError(`${message} cannot be stored`))
  }
})

test('each member is read once: what a getter gives another time is not stored', () => {
  for (const later of [Number.NaN, undefined, '\ud800', new Date(0), 'x'.repeat(10)]) {
    const reads = ['first', 'first']
    const get = () => (reads.length > 0 ? reads.pop() : later)
    const object = Object.defineProperty({}, 'a', { get, enumerable: true })
    const array = Object.defineProperty([], 0, { get, enumerable: true })
    assert.deepEqual(decodeValue(encodeValue([object, array])), [{ a: 'first' }, ['first']])
  }
})

test('a circle is refused, and so is what is nested too deep', () => {
  const circle: { self?: unknown } = {}
  circle.self = circle
  assert.throws(
    () => encodeValue(circle),
    /^TypeError: value[^ ]{0,20}: what is cyclic, or nested deeper than 64, cannot be stored$/,
  )
  assert.throws(() => encodeValue(nested(65)), TypeError)
  assert.deepEqual(decodeValue(encodeValue(nested(64))), nested(64))
})

test('a value above the limit is refused before it is built', () => {
  assert.equal(encodeValue('a'.repeat(valueBytesMax - 5)).length, valueBytesMax)
  for (const value of [
    'a'.repeat(valueBytesMax - 4),
    new Uint8Array(valueBytesMax),
    'é'.repeat(valueBytesMax - 100),
  ]) {
    assert.throws(() => encodeValue(value), { code: 'TOO_LARGE' })
  }
  let knot: unknown = []
  for (let depth = 0; depth < 40; depth++) knot = [knot, knot]
  assert.throws(() => encodeValue(knot), { code: 'TOO_LARGE' })
})

test('a value that was read shares no memory with the store', () => {
  const bytes = encodeValue({ a: [new Uint8Array([1, 2])] })
  const read = decodeValue(bytes) as { a: [Uint8Array] }
  read.a[0].fill(9)
  assert.deepEqual(decodeValue(bytes), { a: [new Uint8Array([1, 2])] })
})

test('the name __proto__ does not come out of hostile bytes', () => {
  const bytes = encodeValue({ __pr0to__: { polluted: true } })
  bytes[bytes.indexOf('0'.charCodeAt(0))] = 'o'.charCodeAt(0)
  assert.throws(() => decodeValue(bytes), { code: 'UNSUPPORTED' })
})

test('mutated bytes are a value or unreadable, never anything else', () => {
  fc.assert(
    fc.property(mutated(value.map(value => encodeValue(value))), bytes => {
      try {
        decodeValue(bytes)
      } catch (error) {
        assert.ok(isQuorateError(error, 'UNSUPPORTED'), String(error))
      }
    }),
    { numRuns: 1000 },
  )
})

/** The same value with the members of all objects in the reverse order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const members = Object.entries(value).reverse()
  return Object.fromEntries(members.map(([name, member]) => [name, turned(member)]))
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)]
}
