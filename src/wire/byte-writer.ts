import { shortTextMax } from './text.ts'

/**
 * A growing byte string that is written from front to back and used again and again. Integers are
 * little-endian; `number` takes as many bytes as the value needs, so it holds every safe integer and costs
 * one byte for a small one. Positions count from where the byte string begins.
 */
export class ByteWriter {
  private readonly capacity: number
  private buffer: Uint8Array<ArrayBuffer>
  private view: DataView
  /** Where the byte string begins: what lies before it was taken. */
  private start = 0
  private end = 0

  constructor(capacity = 4096) {
    this.capacity = capacity
    this.buffer = new Uint8Array(capacity)
    this.view = new DataView(this.buffer.buffer)
  }

  get length(): number {
    return this.end - this.start
  }

  /** What was written since the last `clear` or `take`: a view that the next call may change. */
  written(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(this.start, this.end)
  }

  clear(): void {
    this.end = this.start
  }

  /**
   * What was written, for good: it is never changed, and the next byte string begins behind it. Whoever keeps it keeps
   * the buffer that it shares with others.
   */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.written()
    this.start = this.end
    return taken
  }

  /** Lets `count` bytes of any content stand, to be filled in later, and returns where they begin. */
  skip(count: number): number {
    this.reserve(count)
    this.end += count
    return this.length - count
  }

  zeros(count: number): void {
    this.skip(count)
    this.buffer.fill(0, this.end - count, this.end)
  }

  byte(value: number): void {
    this.reserve(1)
    this.buffer[this.end++] = value
  }

  word(value: number): void {
    this.reserve(4)
    this.view.setUint32(this.end, value, true)
    this.end += 4
  }

  wordAt(position: number, value: number): void {
    this.view.setUint32(this.start + position, value, true)
  }

  /** A safe integer from 0, seven bits a byte, the lowest first (LEB128). No 32-bit operator above 2^31. */
  number(value: number): void {
    this.reserve(8)
    let rest = value
    while (rest >= 0x80000000) {
      this.buffer[this.end++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    while (rest >= 128) {
      this.buffer[this.end++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.buffer[this.end++] = rest
  }

  /** The bytes alone; the reader has to know their number. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.end)
    this.end += bytes.length
  }

  /** The number of bytes, then the bytes. */
  bytes(bytes: Uint8Array): void {
    this.number(bytes.length)
    this.raw(bytes)
  }

  text(text: string): void {
    if (!this.shortText(text, 0)) this.bytes(encoder.encode(text))
  }

  /**
   * Writes a text of at most `shortTextMax` characters, all of them ASCII, behind one byte, its length and `token`
   * added. False, and nothing is written, where it is another one.
   */
  shortText(text: string, token: number): boolean {
    const { length } = text
    if (length > shortTextMax) return false
    this.reserve(length + 1)
    const { buffer, end } = this
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit >= 0x80) return false
      buffer[end + 1 + i] = unit
    }
    buffer[end] = token + length
    this.end = end + 1 + length
    return true
  }

  private reserve(count: number): void {
    const needed = this.end + count
    if (needed <= this.buffer.length) return
    const { length } = this
    const size = this.start > 0 ? this.capacity : 2 * this.buffer.length
    const larger = new Uint8Array(Math.max(length + count, size))
    larger.set(this.written())
    this.buffer = larger
    this.view = new DataView(larger.buffer)
    this.start = 0
    this.end = length
  }
}

const encoder = new TextEncoder()
