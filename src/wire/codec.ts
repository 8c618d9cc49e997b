import { Packr, RESET_BUFFER_MODE } from 'msgpackr/pack'
import { plainBytes } from '../base/bytes.ts'
import { QuorateError } from '../core/error.ts'
import { frameBytesMax, messageDepthMax, messageItemsMax } from '../core/limits.ts'
import { MalformedError } from './malformed-error.ts'
import { decodeText } from './text.ts'

export { MalformedError }

// MessagePack, cut down to what means the same everywhere: null, booleans, numbers, well-formed strings, byte
// strings, arrays, and objects with string keys. Whatever passes `encode` comes out of `decode` equal;
// everything else is refused on both sides: extensions, 64-bit integers (they would become BigInt or lose
// bits), Map, Set, Date, class instances, -0, undefined, lone surrogates and the key `__proto__`.
//
// msgpackr packs. It would also unpack, but understands more than that (records, references, typed arrays,
// errors, regular expressions), and does so whatever its options say: what it is given has to be walked first.
// That walk, once it is there, can as well return the value as it goes, so that nothing hostile is ever built.

/**
 * The bytes of a value, in an ArrayBuffer of their own. Throws TypeError on a value that would not come back
 * equal, TOO_LARGE above `frameBytesMax` bytes or `messageItemsMax` items.
 */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  // The packer starts at the same place of its buffer next time: this copy is all that remains.
  return new Uint8Array(pack(value, RESET_BUFFER_MODE))
}

/**
 * Like `encode`, for a value that is known to pass it. The result is valid until the next call of any of these three.
 */
export function encodeChecked(value: unknown): Uint8Array {
  return packr.pack(value, RESET_BUFFER_MODE)
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
  return new Decoder(plainBytes(bytes)).message()
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

/** Reads one message. A class, because the place moves through every call. */
class Decoder {
  private readonly bytes: Uint8Array
  /** Made with the first fraction: most messages have none. */
  private view: DataView | undefined
  private position = 0
  private items = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  message(): unknown {
    const value = this.value(messageDepthMax)
    if (this.position !== this.bytes.length) throw new MalformedError('bytes after the end')
    return value
  }

  private value(depth: number): unknown {
    this.items += 1
    if (this.items > messageItemsMax) throw new MalformedError('too many items')
    const token = this.byte()
    if (token < 0x80) return token
    if (token < 0x90) return this.object(token & 0x0f, depth)
    if (token < 0xa0) return this.array(token & 0x0f, depth)
    if (token < 0xc0) return this.text(token & 0x1f)
    return token < 0xe0 ? this.long(token, depth) : token - 0x100
  }

  /**
   * The values whose token does not hold their length. Sizes of a length or an integer follow each other in the
   * tokens.
   */
  private long(token: number, depth: number): unknown {
    switch (token) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4: // byte strings
      case 0xc5:
      case 0xc6:
        return this.raw(this.unsigned(1 << (token - 0xc4)))
      case 0xcb:
        return this.double()
      case 0xcc: // unsigned integers
      case 0xcd:
      case 0xce:
        return this.unsigned(1 << (token - 0xcc))
      case 0xd0: // signed integers
      case 0xd1:
      case 0xd2:
        return this.signed(1 << (token - 0xd0))
      case 0xd9: // strings
      case 0xda:
      case 0xdb:
        return this.text(this.unsigned(1 << (token - 0xd9)))
      case 0xdc: // arrays
      case 0xdd:
        return this.array(this.unsigned(2 << (token - 0xdc)), depth)
      case 0xde: // objects
      case 0xdf:
        return this.object(this.unsigned(2 << (token - 0xde)), depth)
      default:
        throw new MalformedError('a kind of value that no message holds')
    }
  }

  private array(length: number, depth: number): unknown[] {
    if (depth === 0) throw new MalformedError('nested too deep')
    // Grows as members come: a length that lies takes no memory.
    const array: unknown[] = []
    for (let i = 0; i < length; i++) array.push(this.value(depth - 1))
    return array
  }

  private object(size: number, depth: number): object {
    if (depth === 0) throw new MalformedError('nested too deep')
    const object: Record<string, unknown> = {}
    for (let i = 0; i < size; i++) {
      const key = this.key()
      object[key] = this.value(depth - 1)
    }
    return object
  }

  private key(): string {
    const token = this.byte()
    let length: number
    if (token >= 0xa0 && token < 0xc0) length = token & 0x1f
    else if (token >= 0xd9 && token <= 0xdb) length = this.unsigned(1 << (token - 0xd9))
    else throw new MalformedError('a key that is no string')
    const key = this.text(length)
    if (key === '__proto__') throw new MalformedError('the key __proto__')
    return key
  }

  private text(length: number): string {
    const start = this.position
    return decodeText(this.bytes, start, this.skip(length))
  }

  private double(): number {
    const { buffer, byteOffset, length } = this.bytes
    this.view ??= new DataView(buffer, byteOffset, length)
    const value = this.view.getFloat64(this.skip(8) - 8)
    if (Object.is(value, -0)) throw new MalformedError('-0')
    return value
  }

  private raw(length: number): Uint8Array {
    const start = this.position
    return this.bytes.subarray(start, this.skip(length))
  }

  private signed(length: number): number {
    const value = this.unsigned(length)
    const range = 2 ** (8 * length)
    return value < range / 2 ? value : value - range
  }

  private byte(): number {
    const byte = this.bytes[this.position]
    if (byte === undefined) throw new MalformedError('cut short')
    this.position += 1
    return byte
  }

  private unsigned(length: number): number {
    let value = 0
    const start = this.position
    const end = this.skip(length)
    for (let i = start; i < end; i++) value = value * 256 + (this.bytes[i] as number)
    return value
  }

  private skip(length: number): number {
    if (length > this.bytes.length - this.position) throw new MalformedError('cut short')
    this.position += length
    return this.position
  }
}
