import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keepBytes } from '../../src/base/keep-bytes.ts'

test('what is kept stays as it was, whatever becomes of its source and of its neighbours', () => {
  const sizes = fc.array(fc.oneof(fc.nat(1100), fc.constantFrom(64, 65, 319, 320, 321)), { maxLength: 60 })
  fc.assert(
    fc.property(sizes, fc.nat(9), fc.boolean(), (sizes, before, isBuffer) => {
      const kept = sizes.map((size, number) => {
        const source = isBuffer ? Buffer.alloc(size + 2 * before) : new Uint8Array(size + 2 * before)
        source.fill(number + 1, before, before + size)
        const copy = before === 0 ? keepBytes(source) : keepBytes(source, before, before + size)
        source.fill(0)
        return copy
      })
      kept.forEach((bytes, number) => {
        assert.equal(bytes.constructor, Uint8Array)
        assert.deepEqual(bytes, new Uint8Array(sizes[number] ?? 0).fill(number + 1))
      })
    }),
  )
})

test('small values share buffers', () => {
  for (const [size, buffersMax] of [
    [64, 11],
    [256, 21],
    [320, 21],
  ] as const) {
    const kept = Array.from({ length: 160 }, () => keepBytes(new Uint8Array(size)))
    const buffers = new Set(kept.map(({ buffer }) => buffer))
    assert(buffers.size <= buffersMax, `${buffers.size} buffers for values of ${size} bytes`)
  }
})

test('a value that outlives its neighbours keeps little of them', () => {
  const kept: Uint8Array[] = []
  // What is left of a buffer for larger ones is used up first.
  for (let number = 0; number < 160; number++) keepBytes(new Uint8Array(16))
  for (let number = 0; number < 16_000; number++) {
    const bytes = keepBytes(new Uint8Array(16))
    if (number % 160 === 0) kept.push(bytes)
  }
  const buffers = new Set(kept.map(({ buffer }) => buffer))
  const bytes = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)
  assert(bytes <= 1024 * kept.length, `${bytes / kept.length} bytes for each`)
})
