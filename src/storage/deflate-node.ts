import { promisify } from 'node:util'
import { constants, deflateRaw, inflateRaw } from 'node:zlib'
import { plainBytes } from '../base/bytes.ts'
import type { Deflate } from './storage.ts'

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)

/** On threads that are not the loop's. */
export const nodeDeflate: Deflate = {
  deflate: async bytes => plainBytes(await deflate(bytes, { level: constants.Z_BEST_SPEED })),
  inflate: async (bytes, maxOutputLength) => plainBytes(await inflate(bytes, { maxOutputLength })),
}
