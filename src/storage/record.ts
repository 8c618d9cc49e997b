import { crc32 } from 'node:zlib'
import { assert } from '../base/assert.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import type { ByteWriter } from '../wire/byte-writer.ts'

// How a log of records survives a crash, and how a crash is told from damage.
//
// A record is: header, payload, padding to a multiple of eight bytes, end mark. Records lie one behind the
// other in a file that is filled with zeros ahead of them. One record is written at a time, and the next one
// only after it is durable. So at a crash only the last record can be unfinished, and what a disk leaves out
// of a write it leaves out in whole sectors, which then still hold the zeros from before; a killed process
// leaves out the end of the write. Hence an invalid record was torn, and is cut, only if
//   - no valid record with a later number follows it anywhere, and
//   - the file ends inside it, or it has more sectors of nothing but zeros than it was written with, or its
//     last byte is zero.
// Every other invalid record was whole once, may have been acknowledged, and is reported as damage. That
// includes one flipped bit in the very last record: all its sectors are there. What cannot be told apart:
// damage that zeroes a whole sector, or cuts the file, in the last record.
//
// The checksums are seeded with a number that is drawn per file, so neither an older file's block nor a value
// in which somebody stores a copy of a log is ever taken for a record of this file. They are CRC-32 as in zlib, and
// not CRC-32C as elsewhere: Node has it at the speed of memory, ten times that of tables in JavaScript, and every entry
// goes through here. Records live in processes only; what a browser stores has other rows.

/** Where a record stands, and which one it must be. */
export interface RecordPlace {
  /** Offset in the file, a multiple of eight. */
  readonly offset: number
  /** Counts the records of a log through all its files. */
  readonly sequence: number
  readonly salt: number
}

export type RecordReading =
  | { readonly type: 'record'; readonly payload: Uint8Array; readonly end: number }
  /** Zeros, or nothing, up to the end of the file. */
  | { readonly type: 'end' }
  | { readonly type: 'torn' }
  | { readonly type: 'damaged'; readonly reason: string }

// Header, in words of four bytes. Both ends of it, and the end of the record, are bytes that are never zero.
const at = {
  magic: 0,
  length: 4,
  sequenceLow: 8,
  sequenceHigh: 12,
  zeroSectors: 16,
  bodyCrc: 20,
  headerCrc: 24,
}
const headerMarkAt = 28
export const recordHeaderBytes = 32
const magic = 0x51_52_43_44
const mark = 0xc5_b6_a7_98
const markBytes = 4
const sectorBytes = 512

/** Leaves room for the header. The payload is written next, then `finishRecord` is called. */
export function beginRecord(writer: ByteWriter): void {
  assert(writer.length === 0, 'a record begins an empty writer')
  writer.skip(recordHeaderBytes)
}

/** Fills in what the place decides. The writer then holds the whole record. */
export function finishRecord(writer: ByteWriter, { offset, sequence, salt }: RecordPlace): void {
  assert(offset % 8 === 0, 'a record begins at a multiple of eight')
  const length = writer.length - recordHeaderBytes
  while ((writer.length + markBytes) % 8 !== 0) writer.byte(0)
  writer.word(mark)
  writer.wordAt(at.magic, magic)
  writer.wordAt(at.length, length)
  writer.wordAt(at.sequenceLow, sequence % 2 ** 32)
  writer.wordAt(at.sequenceHigh, Math.floor(sequence / 2 ** 32))
  writer.wordAt(headerMarkAt, mark)
  const bytes = writer.written()
  // The header has no sector that is all zeros, so it may be counted before it is complete.
  writer.wordAt(at.zeroSectors, zeroSectors(bytes, offset))
  writer.wordAt(at.bodyCrc, crc32(bytes.subarray(recordHeaderBytes), salt))
  writer.wordAt(at.headerCrc, crc32(bytes.subarray(0, at.headerCrc), salt))
}

/** Reads the record that must stand at the place, or says what stands there instead. */
export function readRecord(file: Uint8Array, place: RecordPlace): RecordReading {
  const { offset } = place
  const header = readHeader(file, offset, place.salt)
  if (header === undefined) return judge(file, place, Math.min(offset + recordHeaderBytes, file.length), 0)
  if (header.sequence !== place.sequence) {
    return { type: 'damaged', reason: `record ${header.sequence} stands in the place of ${place.sequence}` }
  }
  const end = offset + recordBytes(header.length)
  const body = file.subarray(offset + recordHeaderBytes, end)
  if (end <= file.length && crc32(body, place.salt) === header.bodyCrc) {
    return { type: 'record', payload: body.subarray(0, header.length), end }
  }
  return judge(file, place, end, header.zeroSectors)
}

/** What an invalid record is that reaches to `end` and was written with so many sectors of zeros. */
function judge(file: Uint8Array, place: RecordPlace, end: number, zerosWritten: number): RecordReading {
  const { offset } = place
  const rest = nonZeroBytes(file, offset, 2)
  if (rest === 0) return { type: 'end' }
  if (laterRecord(file, place)) return { type: 'damaged', reason: 'invalid, and valid ones follow' }
  if (file.length < end || file.length - offset < recordHeaderBytes) return { type: 'torn' }
  // The smallest piece that a torn write leaves is an end mark: four bytes, and none of them is zero.
  // (Or the first byte of the record, should a write end after it.)
  if (rest === 1 && file[offset] === 0)
    return { type: 'damaged', reason: 'a byte is set where nothing was written' }
  const bytes = file.subarray(offset, end)
  if (zeroSectors(bytes, offset) > zerosWritten || bytes[bytes.length - 1] === 0) return { type: 'torn' }
  return { type: 'damaged', reason: 'whole, but its checksum is wrong' }
}

/** The size of the record whose header stands at the offset; undefined where there is no valid header. */
export function recordSizeAt(file: Uint8Array, offset: number, salt: number): number | undefined {
  const header = readHeader(file, offset, salt)
  return header && recordBytes(header.length)
}

interface Header {
  readonly length: number
  readonly sequence: number
  readonly zeroSectors: number
  readonly bodyCrc: number
}

function readHeader(file: Uint8Array, offset: number, salt: number): Header | undefined {
  if (file.length - offset < recordHeaderBytes) return undefined
  const bytes = file.subarray(offset, offset + recordHeaderBytes)
  const reader = new ByteReader(bytes)
  if (reader.word() !== magic) return undefined
  const length = reader.word()
  const sequence = reader.word() + reader.word() * 2 ** 32
  const header = { length, sequence, zeroSectors: reader.word(), bodyCrc: reader.word() }
  if (reader.word() !== crc32(bytes.subarray(0, at.headerCrc), salt) || reader.word() !== mark)
    return undefined
  return header
}

/**
 * The place of a later valid record is searched everywhere, since the length of the invalid one may be wrong.
 */
function laterRecord(file: Uint8Array, { offset, sequence, salt }: RecordPlace): boolean {
  for (let next = offset + 8; next + recordHeaderBytes <= file.length; next += 8) {
    const header = readHeader(file, next, salt)
    if (header !== undefined && header.sequence > sequence) return true
  }
  return false
}

function recordBytes(length: number): number {
  return Math.ceil((recordHeaderBytes + length + markBytes) / 8) * 8
}

/** Counts the sectors of the file in which the piece at `offset` has zeros only. */
function zeroSectors(piece: Uint8Array, offset: number): number {
  let count = 0
  let start = 0
  while (start < piece.length) {
    const end = Math.min(piece.length, start + sectorBytes - ((offset + start) % sectorBytes))
    let i = start
    while (i < end && piece[i] === 0) i++
    if (i === end) count += 1
    start = end
  }
  return count
}

/** Counts the bytes from `offset` on that are not zero, up to `most`. */
function nonZeroBytes(file: Uint8Array, offset: number, most: number): number {
  let count = 0
  for (let i = offset; i < file.length && count < most; i++) if (file[i] !== 0) count += 1
  return count
}
