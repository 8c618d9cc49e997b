import { concatBytes } from '../../base/bytes.ts'
import { snapshotChunkBytesMax } from '../../core/limits.ts'
import type { Deflate } from '../../storage/storage.ts'
import { MalformedError } from '../../wire/codec.ts'

// How a chunk of a snapshot is stored and sent: as it is, or deflated behind a byte with which no MessagePack begins
// (its specification: "never used"). So each chunk says itself what it is, and a follower stores what it was sent.

const deflatedMark = 0xc1

/** The chunk as it is to be stored: deflated where that spares an eighth. */
export async function packChunk(chunk: Uint8Array, deflate: Deflate | undefined): Promise<Uint8Array> {
  if (deflate === undefined) return chunk
  const deflated = await deflate.deflate(chunk)
  return deflated.length > (7 / 8) * chunk.length
    ? chunk
    : concatBytes([Uint8Array.of(deflatedMark), deflated])
}

/** The reverse. Throws MalformedError where the chunk, or on this platform any, cannot be inflated. */
export async function unpackChunk(chunk: Uint8Array, deflate: Deflate | undefined): Promise<Uint8Array> {
  if (chunk[0] !== deflatedMark) return chunk
  const unreadable = () => undefined
  const inflated = await deflate?.inflate(chunk.subarray(1), snapshotChunkBytesMax).catch(unreadable)
  if (inflated === undefined) throw new MalformedError('a chunk that cannot be inflated')
  return inflated
}
