import { concatBytes } from '../base/bytes.ts'
import type { Deflate } from './storage.ts'

/** A piece gives a thousand times as much at most, and only then is it known how much. */
const pieceBytes = 1024

/** Undefined where the browser has no such streams: neither the class nor the format was there from the beginning. */
export const browserDeflate: Deflate | undefined = deflateIfSupported()

function deflateIfSupported(): Deflate | undefined {
  const compression = () => new CompressionStream('deflate-raw')
  try {
    compression()
  } catch {
    return undefined
  }
  return {
    deflate: bytes => through(compression(), bytes),
    inflate: (bytes, bytesMax) => through(new DecompressionStream('deflate-raw'), bytes, bytesMax),
  }
}

async function through(
  stream: CompressionStream | DecompressionStream,
  bytes: Uint8Array,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  let given = 0
  const source = new ReadableStream<BufferSource>({
    pull(controller) {
      if (given < bytes.length) controller.enqueue(bytes.slice(given, given + pieceBytes))
      else controller.close()
      given += pieceBytes
    },
  })
  const taken: Uint8Array[] = []
  let left = bytesMax
  const sink = new WritableStream<Uint8Array>({
    write(piece) {
      left -= piece.length
      if (left < 0) throw new RangeError('it gives more than is wanted')
      taken.push(piece)
    },
  })
  await source.pipeThrough(stream).pipeTo(sink)
  return concatBytes(taken)
}
