import { MalformedError } from './codec.ts'

/** Reads what a ByteWriter wrote. Everything that does not fit throws MalformedError. */
export class ByteReader {
  private readonly source: Uint8Array
  private position = 0

  constructor(source: Uint8Array) {
    // A plain view: of a Buffer, `slice` would be no copy.
    this.source = new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
  }

  get left(): number {
    return this.source.length - this.position
  }

  byte(): number {
    const value = this.source[this.position]
    if (value === undefined) throw new MalformedError('cut short')
    this.position += 1
    return value
  }

  word(): number {
    const low = this.byte() + this.byte() * 0x100
    return low + this.byte() * 0x10000 + this.byte() * 0x1000000
  }

  /** A safe integer from 0. */
  number(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
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
    if (length > this.left) throw new MalformedError('cut short')
    this.position += length
    return this.source.slice(this.position - length, this.position) as Uint8Array<ArrayBuffer>
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.raw(this.number())
  }

  text(): string {
    try {
      return decoder.decode(this.bytes())
    } catch (cause) {
      if (cause instanceof MalformedError) throw cause
      throw new MalformedError('a string that is not UTF-8', { cause })
    }
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.left > 0) throw new MalformedError('bytes after the end')
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
