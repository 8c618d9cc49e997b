/**
 * A growing byte string that is written from front to back and used again and again. Integers are
 * little-endian; `number` takes as many bytes as the value needs, so it holds every safe integer and costs
 * one byte for a small one.
 */
export class ByteWriter {
  private buffer: Uint8Array<ArrayBuffer>
  private view: DataView
  private end = 0

  constructor(capacity = 4096) {
    this.buffer = new Uint8Array(capacity)
    this.view = new DataView(this.buffer.buffer)
  }

  get length(): number {
    return this.end
  }

  /** What was written since the last `clear`: a view that the next call may change. */
  written(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.end)
  }

  clear(): void {
    this.end = 0
  }

  /** Lets `count` bytes of any content stand, to be filled in later, and returns where they begin. */
  skip(count: number): number {
    this.reserve(count)
    this.end += count
    return this.end - count
  }

  zeros(count: number): void {
    const start = this.skip(count)
    this.buffer.fill(0, start, start + count)
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
    this.view.setUint32(position, value, true)
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
    this.bytes(encoder.encode(text))
  }

  private reserve(count: number): void {
    const needed = this.end + count
    if (needed <= this.buffer.length) return
    const larger = new Uint8Array(Math.max(needed, this.buffer.length * 2))
    larger.set(this.written())
    this.buffer = larger
    this.view = new DataView(larger.buffer)
  }
}

const encoder = new TextEncoder()
