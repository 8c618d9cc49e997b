import { promisify } from 'node:util'
import { constants, createDeflateRaw, type DeflateRaw, inflateRaw } from 'node:zlib'
import { concatBytes, plainBytes } from '../base/bytes.ts'
import type { Deflate } from './storage.ts'

const inflate = promisify(inflateRaw)

/** Room for what comes of some twenty chunks. */
const outputBytes = 256 * 1024

let stream: DeflateRaw | undefined
/** Of what was asked for so far. */
let done: Promise<unknown> = Promise.resolve()

/** On threads that are not the loop's. */
export const nodeDeflate: Deflate = {
  deflate(bytes) {
    const deflated = done.then(() => deflateNow(bytes))
    done = deflated.catch(() => undefined)
    return deflated
  },
  inflate: async (bytes, maxOutputLength) => plainBytes(await inflate(bytes, { maxOutputLength })),
}

/**
 * By one stream, used again and again, for one piece at a time: a stream for each takes 270 KB that V8 is told of, and
 * has it collect more often.
 */
function deflateNow(bytes: Uint8Array): Promise<Uint8Array> {
  stream ??= createDeflateRaw({ level: constants.Z_BEST_SPEED, chunkSize: outputBytes })
  const own = stream
  const pieces: Uint8Array[] = []
  const take = (piece: Uint8Array): void => void pieces.push(piece)
  return new Promise<Uint8Array>((resolve, reject) => {
    own.on('data', take)
    own.once('error', reject)
    own.write(bytes)
    own.flush(constants.Z_FINISH, () => {
      own.off('data', take)
      own.off('error', reject)
      own.reset()
      resolve(concatBytes(pieces))
    })
  })
}
