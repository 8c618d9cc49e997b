import { plainBytes } from '../base/bytes.ts'
import { keepBytes } from '../base/keep-bytes.ts'
import { MalformedError } from './malformed-error.ts'
import { decodeText } from './text.ts'

/** Reads what a ByteWriter wrote. Everything that does not fit throws MalformedError. */
export class ByteReader {
  private readonly source: Uint8Array
  private readonly end: number
  private position: number

  /** Reads source[start, end). */
  constructor(source: Uint8Array, start = 0, end = source.length) {
    this.source = plainBytes(source)
    this.end = end
    this.position = start
  }

  get left(): number {
    return this.end - this.position
  }

  byte(): number {
    if (this.position >= this.end) throw new MalformedError('cut short')
    return this.source[this.position++] as number
  }

  word(): number {
    const low = this.byte() + this.byte() * 0x100
    return low + this.byte() * 0x10000 + this.byte() * 0x1000000
  }

  /** A safe integer from 0. */
  number(): number {
    let value = this.byte()
    if (value < 128) return value
    value -= 128
    for (let scale = 128; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (!Number.isSafeInteger(value)) throw new MalformedError('a number above 2^53')
      if (byte < 128) return value
    }
  }

  /** A count of things that take at least one byte each, so that a wrong one cannot claim all memory. */
  count(): number {
    const value = this.number()
    if (value > this.left) throw new MalformedError('cut short')
    return value
  }

  /** A copy: the caller may keep it without keeping the source. */
  raw(length: number): Uint8Array<ArrayBuffer> {
    const start = this.skip(length)
    return this.source.slice(start, this.position) as Uint8Array<ArrayBuffer>
  }

  /** Like `raw`, for what is kept for long and comes in great numbers. */
  kept(length: number): Uint8Array<ArrayBuffer> {
    const start = this.skip(length)
    return keepBytes(this.source, start, this.position)
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.raw(this.number())
  }

  /** Like `bytes`, but no copy: it shares the memory of the source. */
  view(): Uint8Array {
    const start = this.skip(this.number())
    return this.source.subarray(start, this.position)
  }

  text(): string {
    const start = this.skip(this.number())
    return decodeText(this.source, start, this.position)
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.left > 0) throw new MalformedError('bytes after the end')
  }

  /** Goes on behind so many bytes, and returns where they begin. */
  private skip(length: number): number {
    if (length > this.left) throw new MalformedError('cut short')
    this.position += length
    return this.position - length
  }
}
