import { concatBytes } from '../base/bytes.ts'
import { chunkBytesMax, frameBytesMax } from '../core/limits.ts'
import { MalformedError } from '../wire/codec.ts'
import type { Channel } from './link.ts'
import { type Lane, lanes } from './transport.ts'

// A chunk is what a link carries in one message: one byte of header, then a piece of a frame.
//
//   bits 0..1  lane, or 3 for what the two ends of a link say to each other
//   bit  2     first chunk of the frame
//   bit  3     last chunk of the frame
//   bits 4..7  zero
//
// The first chunk of a frame of several has the frame's length in the four bytes that follow (little-endian).

export const firstFlag = 4
export const lastFlag = 8
const linkLane = 3

/** The most that a header takes. */
export const chunkHeaderBytes = 5

/** The channel that carries a lane. */
export function channelOf(lane: Lane): Channel {
  return lane === 'bulk' ? 'bulk' : 'control'
}

/** A message between the two ends of a link: never more than a few bytes. */
export function linkChunk(message: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(linkLane | firstFlag | lastFlag), message])
}

export interface ChunkReceiver {
  frame(lane: Lane, frame: Uint8Array): void
  linkMessage(channel: Channel, message: Uint8Array): void
}

interface Assembly {
  readonly length: number
  // The pieces, not room for the announced length: a peer gets no more memory than it sends bytes.
  readonly pieces: Uint8Array[]
  received: number
}

/** Puts the chunks of one link together again: at most one frame per lane at a time, none above `frameBytesMax`. */
export class Reassembly {
  private readonly receiver: ChunkReceiver
  private readonly assemblies: (Assembly | undefined)[] = [undefined, undefined, undefined]

  constructor(receiver: ChunkReceiver) {
    this.receiver = receiver
  }

  /** Throws MalformedError on a chunk that no well-behaved peer sends; the frame that it belongs to is lost. */
  receive(channel: Channel, chunk: Uint8Array): void {
    const header = chunk[0]
    if (header === undefined || header > 15) throw new MalformedError('chunk: no header')
    if (chunk.length > chunkBytesMax + chunkHeaderBytes) throw new MalformedError('chunk: too large')
    const number = header & 3
    const isWhole = (header & (firstFlag | lastFlag)) === (firstFlag | lastFlag)
    if (number === linkLane) {
      if (!isWhole) throw new MalformedError('chunk: a link message in pieces')
      this.receiver.linkMessage(channel, chunk.subarray(1))
      return
    }
    const lane = lanes[number] as Lane
    if (channelOf(lane) !== channel) throw new MalformedError('chunk: wrong channel')
    if (isWhole) {
      if (this.assemblies[number] !== undefined) throw this.broken(number, 'a frame inside another')
      // Large chunks are handed on as they came; a view keeps no more alive than the one byte before it.
      this.receiver.frame(lane, chunk.subarray(1))
      return
    }
    if (header & firstFlag) this.begin(number, chunk)
    else this.append(number, lane, chunk, (header & lastFlag) !== 0)
  }

  /** Forgets unfinished frames: chunks were lost on the way. */
  reset(): void {
    this.assemblies.fill(undefined)
  }

  private begin(number: number, chunk: Uint8Array): void {
    if (this.assemblies[number] !== undefined) throw this.broken(number, 'a frame inside another')
    if (chunk.length < chunkHeaderBytes) throw new MalformedError('chunk: cut short')
    const length = new DataView(chunk.buffer, chunk.byteOffset, chunk.length).getUint32(1, true)
    if (length > frameBytesMax) throw new MalformedError('chunk: the frame is too large')
    const piece = chunk.subarray(chunkHeaderBytes)
    this.assemblies[number] = { length, pieces: [piece], received: piece.length }
  }

  private append(number: number, lane: Lane, chunk: Uint8Array, isLast: boolean): void {
    const assembly = this.assemblies[number]
    if (assembly === undefined) throw new MalformedError('chunk: a frame without a beginning')
    const piece = chunk.subarray(1)
    // Empty pieces would pile up without bringing the frame any nearer to its end.
    if (piece.length === 0) throw this.broken(number, 'empty')
    assembly.received += piece.length
    if (assembly.received > assembly.length) throw this.broken(number, 'more than was announced')
    assembly.pieces.push(piece)
    if (!isLast) return
    if (assembly.received !== assembly.length) throw this.broken(number, 'less than was announced')
    this.assemblies[number] = undefined
    this.receiver.frame(lane, concatBytes(assembly.pieces))
  }

  private broken(number: number, what: string): MalformedError {
    this.assemblies[number] = undefined
    return new MalformedError(`chunk: ${what}`)
  }
}
