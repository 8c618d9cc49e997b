import fs from 'node:fs'
import path from 'node:path'
import { crc32c } from '../base/checksum.ts'
import { QuorateError } from '../core/error.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import type { ByteWriter } from '../wire/byte-writer.ts'
import { MalformedError } from '../wire/codec.ts'
import { readOperation } from './operation-codec.ts'
import { readRecord } from './record.ts'
import type { Operation } from './stored-state.ts'

// One file of the write-ahead log: a preamble, then records, then zeros.

/** In the names of the files of the log: ascending, without gaps. */
export type SegmentNumber = number

export interface Segment {
  readonly number: SegmentNumber
  readonly salt: number
  /** Of its first record. */
  readonly sequence: number
}

export const preambleBytes = 32
const format = 2
const magic = 0x54_52_51_1a

export function writePreamble(writer: ByteWriter, { salt, sequence }: Omit<Segment, 'number'>): void {
  writer.word(magic)
  writer.word(format)
  writer.word(salt)
  writer.word(sequence % 2 ** 32)
  writer.word(Math.floor(sequence / 2 ** 32))
  writer.zeros(8)
  writer.word(crc32c(writer.written()))
}

export function readPreamble(bytes: Uint8Array, name: string): Omit<Segment, 'number'> {
  const head = bytes.subarray(0, preambleBytes)
  if (head.length < preambleBytes) throw corrupt(name, 0, 'its beginning is missing')
  const reader = new ByteReader(head)
  const [first, version] = [reader.word(), reader.word()]
  const preamble = { salt: reader.word(), sequence: reader.word() + reader.word() * 2 ** 32 }
  reader.raw(8)
  if (reader.word() !== crc32c(head.subarray(0, preambleBytes - 4)) || first !== magic) {
    throw corrupt(name, 0, 'its beginning is damaged')
  }
  if (version !== format)
    throw new QuorateError('UNSUPPORTED', `${name} has format ${version}, which this version does not know`)
  return preamble
}

export interface SegmentEnd {
  /** Of the record that comes next. */
  readonly sequence: number
  readonly offset: number
  readonly torn: boolean
}

/** Calls back for every operation of the segment, in order. Throws STORAGE_CORRUPT where damage is met. */
export function replaySegment(
  bytes: Uint8Array,
  segment: Segment,
  file: string,
  each: (operation: Operation) => void,
): SegmentEnd {
  let { sequence } = segment
  let offset = preambleBytes
  for (;;) {
    const reading = readRecord(bytes, { offset, sequence, salt: segment.salt })
    switch (reading.type) {
      case 'record':
        replayRecord(reading.payload, file, offset, each)
        offset = reading.end
        sequence += 1
        break
      case 'damaged':
        throw corrupt(file, offset, reading.reason)
      default:
        return { sequence, offset, torn: reading.type === 'torn' }
    }
  }
}

function replayRecord(
  payload: Uint8Array,
  file: string,
  offset: number,
  each: (operation: Operation) => void,
): void {
  try {
    const reader = new ByteReader(payload)
    while (reader.left > 0) each(readOperation(reader))
  } catch (cause) {
    if (!(cause instanceof MalformedError)) throw cause
    throw corrupt(file, offset, cause.message, cause)
  }
}

export async function readSegment(
  directory: string,
  number: SegmentNumber,
): Promise<{ readonly segment: Segment; readonly bytes: Uint8Array; readonly file: string }> {
  const file = segmentFile(directory, number)
  const bytes = await fs.promises.readFile(file)
  return { segment: { number, ...readPreamble(bytes, file) }, bytes, file }
}

export function segmentFile(directory: string, number: SegmentNumber): string {
  return path.join(directory, `log-${String(number).padStart(12, '0')}.wal`)
}

/** Ascending. */
export async function listSegments(directory: string): Promise<SegmentNumber[]> {
  const files = await fs.promises.readdir(directory)
  return files
    .flatMap(file => name.exec(file)?.[1] ?? [])
    .map(Number)
    .sort((left, right) => left - right)
}

export function isLogFile(file: string): boolean {
  return name.test(file)
}

const name = /^log-(\d+)\.wal$/

export function corrupt(file: string, offset: number, reason: string, cause?: unknown): QuorateError {
  return new QuorateError('STORAGE_CORRUPT', `${file} is damaged at byte ${offset}: ${reason}`, {
    cause,
    detail: { file, offset },
  })
}
