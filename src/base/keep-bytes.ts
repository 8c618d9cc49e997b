import { plainBytes } from './bytes.ts'

/** Above this a buffer of its own is no loss. */
const sharedBytesMax = 320

/**
 * Little, because a buffer lives for as long as one of the values in it does. Where one value in a hundred stays and
 * the others are overwritten soon, each one that stays keeps a whole buffer: five times what a buffer of its own takes.
 * Values that are overwritten at random leave two to five times their own size alive.
 */
const bufferBytes = 1024

/** Larger values come sixteen to a buffer: a buffer takes a hundred times as long to make as one of the copies. */
const valuesMin = 16

let buffer = new Uint8Array(0)
let used = 0

/**
 * A copy of source[start, end) that is to be kept for long, without keeping the source. Small ones lie in buffers that
 * they share: to make a buffer for each takes ten times as long as the copy, and the collector pays for it once more.
 */
export function keepBytes(source: Uint8Array, start = 0, end = source.length): Uint8Array<ArrayBuffer> {
  const length = end - start
  if (length > sharedBytesMax) return plainBytes(source).slice(start, end) as Uint8Array<ArrayBuffer>
  if (length > buffer.length - used) {
    buffer = new Uint8Array(Math.max(bufferBytes, valuesMin * length))
    used = 0
  }
  const kept = buffer.subarray(used, used + length)
  kept.set(length === source.length ? source : source.subarray(start, end))
  used += length
  return kept
}
