import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../src/base/bytes.ts'
import { snapshotChunkBytes, snapshotChunkBytesMax } from '../../src/core/limits.ts'
import { packChunk, unpackChunk } from '../../src/engine/snapshots/snapshot-chunk.ts'
import { browserDeflate } from '../../src/storage/deflate-browser.ts'
import { nodeDeflate } from '../../src/storage/deflate-node.ts'
import type { Deflate } from '../../src/storage/storage.ts'
import { encode } from '../../src/wire/codec.ts'

const text = encode(Array.from({ length: 2000 }, (_, i) => ['user', i, 'the same again and again']))
const noise = crypto.getRandomValues(new Uint8Array(snapshotChunkBytes))
const platforms: readonly (readonly [string, Deflate])[] = [
  ['node', nodeDeflate],
  ['browser', browserDeflate ?? assert.fail('Node has the streams of browsers')],
]

for (const [name, deflate] of platforms) {
  describe(`deflate of ${name}`, () => {
    test('makes little of what repeats itself, and every platform reads it', async () => {
      for (const bytes of [text, noise, new Uint8Array(0), noise.subarray(7, 3000)]) {
        const small = await deflate.deflate(bytes)
        for (const [, other] of platforms)
          assert.deepEqual(await other.inflate(small, bytes.length + 1), bytes)
      }
      assert((await deflate.deflate(text)).length < text.length / 5)
    })

    test('keeps pieces apart that are asked for at once', async () => {
      const pieces = Array.from({ length: 20 }, (_, i) => noise.subarray(0, i * 3000))
      const small = await Promise.all(pieces.map(piece => deflate.deflate(piece)))
      for (const [at, piece] of pieces.entries())
        assert.deepEqual(await deflate.inflate(small[at] ?? noise, piece.length + 1), piece)
    })

    test('gives no more than is wanted, however much is promised', async () => {
      const bomb = await nodeDeflate.deflate(new Uint8Array(256 * 1024 * 1024))
      const before = process.memoryUsage().arrayBuffers
      await assert.rejects(deflate.inflate(bomb, snapshotChunkBytesMax))
      assert(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
      await assert.rejects(deflate.inflate(await deflate.deflate(text), text.length - 1))
    })

    test('says so where the bytes are none that were deflated', async () => {
      const small = await deflate.deflate(text)
      for (const wrong of [noise, small.subarray(0, -3), small.subarray(1), new Uint8Array(0)])
        await assert.rejects(deflate.inflate(wrong, snapshotChunkBytesMax))
    })
  })
}

describe('a chunk of a snapshot', () => {
  test('says itself whether it is deflated, and is so only where that spares something', async () => {
    const packed = await packChunk(text, nodeDeflate)
    assert(packed.length < text.length / 5)
    assert.deepEqual(await unpackChunk(packed, browserDeflate), text)
    for (const chunk of [noise, text.subarray(0, 3)]) assert.equal(await packChunk(chunk, nodeDeflate), chunk)
    assert.equal(await packChunk(text, undefined), text)
    assert.equal(await unpackChunk(text, undefined), text)
  })

  test('that cannot be inflated is malformed', async () => {
    const packed = await packChunk(text, nodeDeflate)
    for (const wrong of [packed.subarray(0, 100), concatBytes([packed.subarray(0, 1), noise])])
      await assert.rejects(unpackChunk(wrong, nodeDeflate), { name: 'MalformedError' })
    await assert.rejects(unpackChunk(packed, undefined), { name: 'MalformedError' })
  })
})
