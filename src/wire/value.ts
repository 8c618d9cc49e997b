import { keepBytes } from '../base/keep-bytes.ts'
import { QuorateError } from '../core/error.ts'
import { valueBytesMax } from '../core/limits.ts'
import { decode, encodeOnce } from './codec.ts'
import { decodeOrNothing } from './guards.ts'

/**
 * The bytes of a value as it lies in the store: null, booleans, finite numbers, well-formed strings,
 * Uint8Arrays, arrays and plain objects of these. Equal values have equal bytes, whatever the order of their
 * members, so that they can be compared as bytes. As in JSON, a member that is undefined is left out and
 * symbols are no members; unlike in JSON, nothing is converted: everything else, -0, NaN and holes in arrays
 * included, is a TypeError that names the place. Throws TOO_LARGE above `valueBytesMax` bytes.
 */
export function encodeValue(value: unknown): Uint8Array {
  return keepBytes(encodeOnce(value, valueBytesMax))
}

/**
 * The value that the bytes stand for, new at every call. Throws UNSUPPORTED where they stand for none: they came from
 * another host, with all that was checked but this, and whoever reads the value waits for it.
 */
export function decodeValue(bytes: Uint8Array): unknown {
  const decoded = decodeOrNothing(() => ({ value: decode(bytes) }))
  if (decoded !== undefined) return ownBytes(decoded.value)
  throw new QuorateError('UNSUPPORTED', 'a value is of a form that this version does not read')
}

/** Copies the byte strings, which `decode` takes from the stored bytes: a reader may change what it got. */
function ownBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return value.slice()
  const members = value as Record<string | number, unknown>
  for (const name of Object.keys(members)) {
    const member = members[name]
    if (typeof member === 'object' && member !== null) members[name] = ownBytes(member)
  }
  return value
}
