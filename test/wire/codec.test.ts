import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { frameBytesMax, messageDepthMax } from '../../src/core/limits.ts'
import { decode, encode, encodeOnce, MalformedError } from '../../src/wire/codec.ts'

const text = fc.string({ unit: 'binary', maxLength: 80 })
const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
const number = fc.oneof(fc.integer(), fc.maxSafeInteger(), finite).map(value => value + 0)
const value = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false),
    number,
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      text.filter(key => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value

test('what is encoded comes back equal, from both encoders', () => {
  fc.assert(
    fc.property(value, original => {
      assert.deepEqual(decode(encode(original)), original)
      assert.deepEqual(decode(encodeOnce(original)), original)
    }),
    { numRuns: 2000 },
  )
})

test('a large number stays a number', () => {
  const numbers = [
    2 ** 31,
    2 ** 32,
    2 ** 32 + 1,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    1e300,
    -2.5,
  ]
  assert.deepEqual(decode(encode(numbers)), numbers)
})

test('the bytes of a value are its own', () => {
  const first = encode([1, 'one'])
  encode([2, 'two'])
  assert.equal(first.byteLength, first.buffer.byteLength)
  assert.deepEqual(decode(first), [1, 'one'])
})

test('byte strings come back as plain Uint8Arrays, whatever they and their bytes were before', () => {
  const bytes = Buffer.from(encode([Buffer.from('quorate')]))
  const [member] = decode(bytes) as [Uint8Array]
  assert.equal(Object.getPrototypeOf(member), Uint8Array.prototype)
  assert.deepEqual(Object.keys(bytes), Object.keys(Buffer.from(bytes)))
})

test('an object of more than 65,535 keys comes back', () => {
  const large = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`key${i}`, i]))
  assert.deepEqual(decode(encode(large)), large)
})

test('what would not come back equal is refused', () => {
  const circle: unknown[] = []
  circle.push(circle)
  const refused = [
    undefined,
    [undefined],
    new Array(3),
    -0,
    Number.NaN,
    1n,
    Symbol('s'),
    () => 1,
    '\ud800',
    { '\udfff': 1 },
    new Map(),
    new Set(),
    new Date(0),
    /a/,
    new Error('e'),
    new ArrayBuffer(1),
    new Float64Array(1),
    new Int8Array(1),
    new (class Own {})(),
    JSON.parse('{"__proto__": 1}'),
    circle,
  ]
  for (const one of refused) {
    assert.throws(() => encode(one), TypeError)
    assert.throws(() => encodeOnce([one]), TypeError)
  }
})

test('a value above the size of a frame is refused with TOO_LARGE', () => {
  const tooLarge = { code: 'TOO_LARGE' }
  assert.throws(() => encode(new Uint8Array(frameBytesMax)), tooLarge)
  assert.throws(() => encode('ä'.repeat(frameBytesMax / 2)), tooLarge)
  assert.throws(() => encode(new Array(2 ** 21).fill(0)), tooLarge)
  assert.throws(() => decode(new Uint8Array(frameBytesMax + 1)), MalformedError)
})

test('depth has the same bound on both sides', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 7 : [nested(depth - 1)])
  assert.deepEqual(decode(encode(nested(messageDepthMax))), nested(messageDepthMax))
  assert.throws(() => encode(nested(messageDepthMax + 1)), TypeError)
  const bytes = new Uint8Array(messageDepthMax + 2).fill(0x91)
  bytes[messageDepthMax + 1] = 7
  assert.throws(() => decode(bytes), MalformedError)
  assert.throws(() => decode(new Uint8Array(1_000_000).fill(0x91)), MalformedError)
})

test('bytes that no encoder writes are malformed', () => {
  const refused: Record<string, number[]> = {
    nothing: [],
    'an unused token': [0xc1],
    'undefined as an extension': [0xd4, 0, 0],
    'a record definition': [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1],
    'a typed array': [0xc7, 2, 0x74, 1, 1],
    'a date': [0xd6, 0xff, 0, 0, 0, 0],
    'an extension in an array': [0x92, 1, 0xd5, 0x72, 0x40, 0x00],
    'a 64-bit integer': [0xcf, 0, 0, 0, 0, 0, 0, 0, 1],
    'a single-precision number': [0xca, 0, 0, 0, 0],
    'minus zero': [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0],
    'a number as a key': [0x81, 1, 1],
    'a key that breaks off': [0x81, 0xda, 0],
    'the key __proto__': [0x81, 0xa9, ...Buffer.from('__proto__'), 1],
    'the key __proto__ in a long form': [0x81, 0xda, 0, 9, ...Buffer.from('__proto__'), 1],
    'bytes after the end': [1, 1],
    'four billion members': [0xdd, 0xff, 0xff, 0xff, 0xff, 1],
    'a byte string beyond the end': [0xc6, 0xff, 0xff, 0xff, 0xff, 1],
    'a broken string': [0xa2, 0xc3, 0x28],
    'an encoded surrogate': [0xa3, 0xed, 0xa0, 0x80],
  }
  for (const [name, bytes] of Object.entries(refused)) {
    assert.throws(() => decode(Uint8Array.from(bytes)), MalformedError, name)
  }
})

test('whatever the bytes, decode returns a value that can be encoded or throws MalformedError', () => {
  const mutated = fc.tuple(value, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([original, at, byte]) => {
    const bytes = encode(original)
    bytes[at % bytes.length] = byte
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 60 })), bytes => {
      let decoded: unknown
      try {
        decoded = decode(bytes)
      } catch (error) {
        assert.ok(error instanceof MalformedError)
        return
      }
      assert.deepEqual(decode(encode(decoded)), decoded)
    }),
    { numRuns: 10_000 },
  )
})
