import type { ByteWriter } from './byte-writer.ts'

// MessagePack, each number and length in its shortest form, of what `codec.ts` lets through.

export function writeValue(to: ByteWriter, value: unknown): void {
  if (typeof value === 'number') writeNumber(to, value)
  else if (typeof value === 'string') writeText(to, value)
  else if (typeof value === 'boolean') to.byte(value ? 0xc3 : 0xc2)
  else if (typeof value !== 'object' || value === null) to.byte(0xc0)
  else if (value instanceof Uint8Array) writeBytes(to, value)
  else if (Array.isArray(value)) {
    if (value.length < 16) to.byte(0x90 | value.length)
    else writeHead(to, 0xdc, value.length, 1)
    for (const item of value) writeValue(to, item)
  } else {
    const keys = Object.keys(value)
    if (keys.length < 16) to.byte(0x80 | keys.length)
    else writeHead(to, 0xde, keys.length, 1)
    for (const key of keys) {
      writeText(to, key)
      writeValue(to, (value as Readonly<Record<string, unknown>>)[key])
    }
  }
}

export function writeNumber(to: ByteWriter, value: number): void {
  if (value >>> 0 === value) {
    if (value < 0x80) to.byte(value)
    else writeHead(to, 0xcc, value)
  } else if (value >> 0 === value) {
    if (value >= -0x20) to.byte(value)
    else {
      const width = value >= -0x80 ? 0 : value >= -0x8000 ? 1 : 2
      to.byte(0xd0 + width)
      writeInteger(to, value, width)
    }
  } else {
    to.byte(0xcb)
    double.setFloat64(0, value)
    to.raw(doubleBytes)
  }
}

export function writeText(to: ByteWriter, text: string): void {
  if (to.shortText(text, 0xa0)) return
  const bytes = utf8.encode(text)
  if (bytes.length < 32) to.byte(0xa0 | bytes.length)
  else writeHead(to, 0xd9, bytes.length)
  to.raw(bytes)
}

export function writeBytes(to: ByteWriter, bytes: Uint8Array): void {
  writeHead(to, 0xc4, bytes.length)
  to.raw(bytes)
}

/** A token and a number in as few bytes as hold it. Tokens follow each other by their widths, from `least` on. */
function writeHead(to: ByteWriter, token: number, value: number, least = 0): void {
  const width = Math.max(least, value < 0x100 ? 0 : value < 0x1_0000 ? 1 : 2)
  to.byte(token + width - least)
  writeInteger(to, value, width)
}

function writeInteger(to: ByteWriter, value: number, width: number): void {
  for (let bits = (8 << width) - 8; bits >= 0; bits -= 8) to.byte(value >>> bits)
}

const double = new DataView(new ArrayBuffer(8))
const doubleBytes = new Uint8Array(double.buffer)
const utf8 = new TextEncoder()
