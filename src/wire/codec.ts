import { plainBytes } from '../base/bytes.ts'
import { frameBytesMax, messageDepthMax, messageItemsMax } from '../core/limits.ts'
import { canonical, tooLarge } from './canonical.ts'
import { MalformedError } from './malformed-error.ts'
import { pack } from './packer.ts'
import { decodeText } from './text.ts'

export { MalformedError }

// MessagePack, cut down to what means the same everywhere: null, booleans, numbers, well-formed strings, byte
// strings, arrays, and objects with string keys. Whatever passes `encode` comes out of `decode` equal;
// everything else is refused on both sides: extensions, 64-bit integers (they would become BigInt or lose
// bits), Map, Set, Date, class instances, -0, NaN, lone surrogates and the key `__proto__`.
//
// msgpackr packs (packer.ts). It would also unpack, but understands more than that (records, references, typed
// arrays, errors, regular expressions), and does so whatever its options say: what it is given has to be walked first.
// That walk, once it is there, can as well return the value as it goes, so that nothing hostile is ever built.

/**
 * The bytes of a value, in an ArrayBuffer of their own: equal values have equal bytes. Throws TypeError on a value that
 * would not come back equal, TOO_LARGE above `frameBytesMax` bytes or `messageItemsMax` items.
 */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encodeOnce(value))
}

/** Like `encode`, without the copy: the result is valid only until the next call of either. */
export function encodeOnce(value: unknown, bytesMax = frameBytesMax, depthMax = messageDepthMax): Uint8Array {
  const bytes = pack(canonical(value, bytesMax, depthMax))
  if (bytes.length > bytesMax) throw tooLarge(bytesMax)
  return bytes
}

/**
 * The value that the bytes stand for. Throws MalformedError, and nothing else, where they stand for none that
 * `encode` accepts. Byte strings in the result are Uint8Arrays that share the memory of `bytes`, or copies.
 */
export function decode(bytes: Uint8Array, copies = false, depthMax = messageDepthMax): unknown {
  if (bytes.length > frameBytesMax) throw new MalformedError('too long')
  return new Decoder(plainBytes(bytes), copies).message(depthMax)
}

/** Reads one message. A class, because the place moves through every call. */
class Decoder {
  private readonly bytes: Uint8Array
  private readonly copies: boolean
  /** Made with the first fraction: most messages have none. */
  private view: DataView | undefined
  private position = 0
  private items = 0

  constructor(bytes: Uint8Array, copies: boolean) {
    this.bytes = bytes
    this.copies = copies
  }

  message(depthMax: number): unknown {
    const value = this.value(depthMax)
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
    if (!Number.isFinite(value) || Object.is(value, -0)) throw new MalformedError('no number')
    return value
  }

  private raw(length: number): Uint8Array {
    const start = this.position
    const end = this.skip(length)
    return this.copies ? this.bytes.slice(start, end) : this.bytes.subarray(start, end)
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
