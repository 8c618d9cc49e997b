import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { beginRecord, finishRecord, readRecord } from '../../src/storage/record.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'

const salt = 12345

/**
 * A file of records with these payloads, and where each one begins. The zeros ahead of the end are `padding`.
 */
function fileOf(payloads: readonly Uint8Array[], padding: number): { file: Uint8Array; offsets: number[] } {
  const file = new ByteWriter()
  const offsets: number[] = []
  payloads.forEach((payload, sequence) => {
    const writer = new ByteWriter()
    beginRecord(writer)
    writer.raw(payload)
    finishRecord(writer, { offset: file.length, sequence, salt })
    offsets.push(file.length)
    file.raw(writer.written())
  })
  offsets.push(file.length)
  file.zeros(padding)
  return { file: file.written(), offsets }
}

/** How many records are read before something else, and what that is. */
function readAll(file: Uint8Array): { readonly count: number; readonly ending: string } {
  let offset = 0
  for (let sequence = 0; ; sequence++) {
    const reading = readRecord(file, { offset, sequence, salt })
    if (reading.type !== 'record') return { count: sequence, ending: reading.type }
    offset = reading.end
  }
}

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc.uint8Array({ maxLength: 40 }),
  // Whole sectors of zeros are what a lost write looks like; a payload may hold them, too.
  fc.nat(4000).map(length => new Uint8Array(length)),
)
const payloads = fc.array(payload, { minLength: 2, maxLength: 4 })
const padding = fc.constantFrom(0, 8, 700, 4096)

test('records are read back to the end, with zeros behind or nothing', () => {
  fc.assert(
    fc.property(payloads, padding, (all, zeros) => {
      assert.deepEqual(readAll(fileOf(all, zeros).file), { count: all.length, ending: 'end' })
    }),
  )
})

test('a file that ends inside the last record has a torn end, wherever it ends', () => {
  const { file, offsets } = fileOf([new Uint8Array(100).fill(1), new Uint8Array(1500).fill(2)], 0)
  for (let end = (offsets[1] ?? 0) + 1; end < file.length; end++) {
    assert.deepEqual(readAll(file.subarray(0, end)), { count: 1, ending: 'torn' }, `${end}`)
  }
  assert.deepEqual(readAll(file.subarray(0, offsets[1])), { count: 1, ending: 'end' })
})

test('a last record of which only a beginning was written into the zeros is torn', () => {
  const { file, offsets } = fileOf([new Uint8Array(100).fill(1), new Uint8Array(1500).fill(2)], 4096)
  for (let end = (offsets[1] ?? 0) + 1; end < (offsets[2] ?? 0); end++) {
    const torn = file.slice()
    torn.fill(0, end, offsets[2])
    assert.deepEqual(readAll(torn), { count: 1, ending: 'torn' }, `${end}`)
  }
})

test('a last record of which any sectors are missing is torn, though its payload has zeros, too', () => {
  const written = fc.infiniteStream(fc.boolean())
  fc.assert(
    fc.property(payloads, padding, written, (all, zeros, kept) => {
      const { file, offsets } = fileOf(all, zeros)
      const [last, end] = offsets.slice(-2) as [number, number]
      const torn = file.slice()
      for (let start = last; start < end; ) {
        const next = Math.min(end, (Math.floor(start / 512) + 1) * 512)
        if (!kept.next().value) torn.fill(0, start, next)
        start = next
      }
      const { count, ending } = readAll(torn)
      assert.notEqual(ending, 'damaged')
      assert.equal(count, Buffer.compare(torn, file) === 0 ? all.length : all.length - 1)
    }),
  )
})

test('one flipped bit anywhere in the records is damage, in the last one, too', () => {
  fc.assert(
    fc.property(payloads, padding, fc.nat(), fc.nat(7), (all, zeros, at, bit) => {
      const { file, offsets } = fileOf(all, zeros)
      const byte = at % (offsets.at(-1) ?? 1)
      file[byte] = (file[byte] ?? 0) ^ (1 << bit)
      const damaged = offsets.filter(offset => offset <= byte).length - 1
      assert.deepEqual(readAll(file), { count: damaged, ending: 'damaged' })
    }),
    { numRuns: 1000 },
  )
})

test('a byte that is set in the zeros behind the records is damage', () => {
  const { file, offsets } = fileOf([new Uint8Array(100).fill(1)], 4096)
  for (const byte of [(offsets[1] ?? 0) + 1, file.length - 1]) {
    const flipped = file.slice()
    flipped[byte] = 4
    assert.deepEqual(readAll(flipped), { count: 1, ending: 'damaged' })
  }
})

test('a torn record before a valid one is damage: the later one was acknowledged after it', () => {
  const { file, offsets } = fileOf(
    [1, 2, 3].map(byte => new Uint8Array(1500).fill(byte)),
    4096,
  )
  file.fill(0, offsets[1], offsets[2])
  assert.deepEqual(readAll(file), { count: 1, ending: 'damaged' })
})

test('a copy of the log inside a value is not taken for records', () => {
  const inner = fileOf([new Uint8Array(8), new Uint8Array(9), new Uint8Array(10)], 0).file
  const writer = new ByteWriter()
  beginRecord(writer)
  writer.raw(new Uint8Array(8))
  writer.raw(inner)
  finishRecord(writer, { offset: 0, sequence: 0, salt: salt + 1 })
  // Everything but the last bytes was written: torn, though whole records stand in it.
  const torn = writer.written().subarray(0, writer.length - 8)
  assert.deepEqual(readRecord(torn, { offset: 0, sequence: 0, salt: salt + 1 }), { type: 'torn' })
})
