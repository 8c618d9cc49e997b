import { Packr, RESET_BUFFER_MODE } from 'msgpackr/pack'
import { equalBytes } from '../base/bytes.ts'
import { QuorateError } from '../core/error.ts'
import { frameBytesMax, messageDepthMax, messageItemsMax } from '../core/limits.ts'

// MessagePack, cut down to what means the same everywhere: null, booleans, numbers, well-formed strings, byte
// strings, arrays, and objects with string keys. Whatever passes `encode` comes out of `decode` equal;
// everything else is refused on both sides: extensions, 64-bit integers (they would become BigInt or lose
// bits), Map, Set, Date, class instances, -0, undefined, lone surrogates and the key `__proto__`.
//
// msgpackr understands more than that (records, references, typed arrays, errors, regular expressions), and
// it does so whatever its options say. So bytes are walked once before it sees them: cheaper than to judge
// what it made of them, and nothing hostile is ever built.

/** Bytes that are no message: cut short, too deep, too large, or of a kind that `encode` never writes. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

/**
 * The bytes of a value, in an ArrayBuffer of their own. Throws TypeError on a value that would not come back
 * equal, TOO_LARGE above `frameBytesMax` bytes or `messageItemsMax` items.
 */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  // The packer starts at the same place of its buffer next time: this copy is all that remains.
  return new Uint8Array(pack(value, RESET_BUFFER_MODE))
}

/**
 * Like `encode`, without the copy: the result is a piece of a buffer in which other results lie, too. It
 * stays unchanged, but whoever keeps it keeps the whole buffer, and it must not be transferred. For what is
 * copied into a frame at once.
 */
export function encodeShared(value: unknown): Uint8Array {
  return pack(value)
}

/**
 * The value that the bytes stand for. Throws MalformedError, and nothing else, where they stand for none that
 * `encode` accepts. Byte strings in the result are Uint8Arrays that share the memory of `bytes`.
 */
export function decode(bytes: Uint8Array): unknown {
  if (bytes.length > frameBytesMax) throw new MalformedError('too long')
  // A plain view: msgpackr hands out pieces of the class it is given (Buffer, in Node) and leaves a mark on
  // it.
  const source = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const scan: Scan = { bytes: source, position: 0, items: 0 }
  scanValue(scan, messageDepthMax)
  if (scan.position !== source.length) throw new MalformedError('bytes after the end')
  return packr.unpack(source)
}

const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  useToJSON: false,
  mapsAsObjects: true,
  // Exact headers for objects; the default one has room for 65,535 keys.
  variableMapSize: true,
})

function pack(value: unknown, mode?: number): Uint8Array {
  // The walk sees to it that packing cannot run away: neither in a circle nor over all memory.
  checkValue(value, { items: 0, bytes: 0 }, messageDepthMax)
  const bytes = packr.pack(value, mode)
  if (bytes.length > frameBytesMax) throw tooLarge()
  return bytes
}

interface Tally {
  items: number
  /** A lower bound of the encoded size. */
  bytes: number
}

function checkValue(value: unknown, tally: Tally, depth: number): void {
  countItem(tally)
  switch (typeof value) {
    case 'number':
      if (Object.is(value, -0)) throw new TypeError('-0 cannot be encoded, it would come back as 0')
      return
    case 'string':
      checkText(value, tally)
      return
    case 'boolean':
      return
    case 'object':
      if (value === null) return
      if (value instanceof Uint8Array) countBytes(tally, value.length)
      else if (depth === 0)
        throw new TypeError('a value that is nested too deep, or holds itself, cannot be encoded')
      else if (Array.isArray(value)) checkArray(value, tally, depth)
      else checkObject(value, tally, depth)
      return
    default:
      throw new TypeError(`a value of type ${typeof value} cannot be encoded`)
  }
}

function checkArray(array: readonly unknown[], tally: Tally, depth: number): void {
  // By index, so that a hole is met as the undefined that it is.
  for (let i = 0; i < array.length; i++) checkValue(array[i], tally, depth - 1)
}

function checkObject(object: object, tally: Tally, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(object)
  // Not compared with Object.prototype: an object from another frame of the page has its own.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError('an instance of a class cannot be encoded')
  }
  const members = object as Readonly<Record<string, unknown>>
  for (const key of Object.keys(members)) {
    if (key === '__proto__') throw new TypeError('the key __proto__ cannot be encoded')
    countItem(tally)
    checkText(key, tally)
    checkValue(members[key], tally, depth - 1)
  }
}

const loneSurrogate = /\p{Surrogate}/u

function checkText(text: string, tally: Tally): void {
  countBytes(tally, text.length)
  if (loneSurrogate.test(text)) throw new TypeError('a string with a lone surrogate cannot be encoded')
}

function countItem(tally: Tally): void {
  tally.items += 1
  if (tally.items > messageItemsMax) throw tooLarge()
}

function countBytes(tally: Tally, bytes: number): void {
  tally.bytes += bytes
  if (tally.bytes > frameBytesMax) throw tooLarge()
}

function tooLarge(): QuorateError {
  return new QuorateError(
    'TOO_LARGE',
    `a message holds at most ${frameBytesMax} bytes and ${messageItemsMax} items`,
  )
}

interface Scan {
  readonly bytes: Uint8Array
  position: number
  items: number
}

/** Moves behind the value at the scan's position, or throws. */
function scanValue(scan: Scan, depth: number): void {
  scan.items += 1
  if (scan.items > messageItemsMax) throw new MalformedError('too many items')
  const token = scanNumber(scan, 1)
  if (token < 0x80 || token >= 0xe0) return // an integer in one byte
  if (token < 0x90) scanObject(scan, token & 0x0f, depth)
  else if (token < 0xa0) scanArray(scan, token & 0x0f, depth)
  else if (token < 0xc0) scanText(scan, token & 0x1f)
  else scanLong(scan, token, depth)
}

/**
 * The values whose token does not hold their length. Sizes of a length or an integer follow each other in the
 * tokens.
 */
function scanLong(scan: Scan, token: number, depth: number): void {
  switch (token) {
    case 0xc0: // null
    case 0xc2: // false
    case 0xc3: // true
      break
    case 0xc4: // byte strings
    case 0xc5:
    case 0xc6:
      scanBytes(scan, scanNumber(scan, 1 << (token - 0xc4)))
      break
    case 0xcb:
      scanDouble(scan)
      break
    case 0xcc: // unsigned integers
    case 0xcd:
    case 0xce:
      scanBytes(scan, 1 << (token - 0xcc))
      break
    case 0xd0: // signed integers
    case 0xd1:
    case 0xd2:
      scanBytes(scan, 1 << (token - 0xd0))
      break
    case 0xd9: // strings
    case 0xda:
    case 0xdb:
      scanText(scan, scanNumber(scan, 1 << (token - 0xd9)))
      break
    case 0xdc: // arrays
    case 0xdd:
      scanArray(scan, scanNumber(scan, 2 << (token - 0xdc)), depth)
      break
    case 0xde: // objects
    case 0xdf:
      scanObject(scan, scanNumber(scan, 2 << (token - 0xde)), depth)
      break
    default:
      throw new MalformedError('a kind of value that no message holds')
  }
}

function scanArray(scan: Scan, length: number, depth: number): void {
  if (depth === 0) throw new MalformedError('nested too deep')
  for (let i = 0; i < length; i++) scanValue(scan, depth - 1)
}

function scanObject(scan: Scan, size: number, depth: number): void {
  if (depth === 0) throw new MalformedError('nested too deep')
  for (let i = 0; i < size; i++) {
    scanKey(scan)
    scanValue(scan, depth - 1)
  }
}

function scanKey(scan: Scan): void {
  const token = scanNumber(scan, 1)
  let length: number
  if (token >= 0xa0 && token < 0xc0) length = token & 0x1f
  else if (token >= 0xd9 && token <= 0xdb) length = scanNumber(scan, 1 << (token - 0xd9))
  else throw new MalformedError('a key that is no string')
  const start = scan.position
  scanText(scan, length)
  if (length === protoKey.length && equalBytes(scan.bytes.subarray(start, scan.position), protoKey)) {
    throw new MalformedError('the key __proto__')
  }
}

const protoKey = Uint8Array.from('__proto__', character => character.charCodeAt(0))

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function scanText(scan: Scan, length: number): void {
  const start = scan.position
  scanBytes(scan, length)
  for (let i = start; i < scan.position; i++) {
    if ((scan.bytes[i] as number) < 0x80) continue
    // Beyond ASCII the platform knows what is well-formed; msgpackr would put replacement characters instead.
    try {
      strictText.decode(scan.bytes.subarray(i, scan.position))
    } catch (cause) {
      throw new MalformedError('a string that is not UTF-8', { cause })
    }
    return
  }
}

function scanDouble(scan: Scan): void {
  const start = scan.position
  scanBytes(scan, 8)
  if (scan.bytes[start] !== 0x80) return
  for (let i = start + 1; i < scan.position; i++) if (scan.bytes[i] !== 0) return
  throw new MalformedError('-0')
}

function scanBytes(scan: Scan, length: number): void {
  if (length > scan.bytes.length - scan.position) throw new MalformedError('cut short')
  scan.position += length
}

function scanNumber(scan: Scan, length: number): number {
  let value = 0
  const start = scan.position
  scanBytes(scan, length)
  for (let i = start; i < scan.position; i++) value = value * 256 + (scan.bytes[i] as number)
  return value
}
