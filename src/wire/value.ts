import { keepBytes } from '../base/keep-bytes.ts'
import { QuorateError } from '../core/error.ts'
import { valueBytesMax, valueDepthMax } from '../core/limits.ts'
import { decode, encodeOnce, MalformedError } from './codec.ts'

/**
 * The bytes of a value as it lies in the store: null, booleans, finite numbers, well-formed strings,
 * Uint8Arrays, arrays and plain objects of these. Equal values have equal bytes, whatever the order of their
 * members, so that they can be compared as bytes. As in JSON, a member that is undefined is left out and
 * symbols are no members; unlike in JSON, nothing is converted: everything else, -0, NaN and holes in arrays
 * included, is a TypeError that names the place, and so is what is nested deeper than `valueDepthMax`. Throws
 * TOO_LARGE above `valueBytesMax` bytes.
 */
export function encodeValue(value: unknown): Uint8Array {
  return keepBytes(encodeOnce(value, valueBytesMax, valueDepthMax))
}

/**
 * The value that the bytes stand for, new at every call, its byte strings included: a reader may change what it got.
 * Throws UNSUPPORTED where they stand for none: they came from another host, with all that was checked but this, and
 * whoever reads the value waits for it.
 */
export function decodeValue(bytes: Uint8Array, depthMax = valueDepthMax): unknown {
  try {
    return decode(bytes, true, depthMax)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new QuorateError('UNSUPPORTED', 'a value is of a form that this version does not read', {
      cause: error,
    })
  }
}
