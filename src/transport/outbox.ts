import { Queue } from '../base/queue.ts'
import {
  bulkChunkBytesMax,
  channelBufferedBytesMax,
  chunkBytesMax,
  peerQueueBytesMax,
} from '../core/limits.ts'
import { channelOf, chunkHeaderBytes, firstFlag, lastFlag } from './chunk.ts'
import { type Channel, channels } from './link.ts'
import { type Lane, lanes } from './transport.ts'

/** Where an outbox puts its chunks. */
export interface ChunkSink {
  /** The bytes are only valid during the call. */
  send(channel: Channel, chunk: Uint8Array): void
  bufferedBytes(channel: Channel): number
}

interface LaneQueue {
  readonly frames: Queue<Uint8Array>
  bytes: number
  /** Bytes of the oldest frame that have left already. */
  offset: number
}

// One buffer for all chunks that ever leave: a sink takes what it needs before it returns.
const scratch = new Uint8Array(chunkBytesMax + chunkHeaderBytes)
const scratchView = new DataView(scratch.buffer)

/**
 * What waits to be sent to one peer. A frame leaves inside `send` when nothing waits before it, without being kept or
 * queued; otherwise it waits in its lane, and lanes are served in their order whenever a channel has room. That a
 * channel never holds more than `channelBufferedBytesMax` is what keeps a heartbeat from standing behind a snapshot.
 */
export class Outbox {
  private readonly queues: Record<Lane, LaneQueue> = {
    control: laneQueue(),
    log: laneQueue(),
    bulk: laneQueue(),
  }
  // Upper bounds of what waits inside the channels: to ask a channel is dear, so it is asked only near the limit.
  private readonly buffered: Record<Channel, number> = { control: 0, bulk: 0 }
  private sink: ChunkSink | undefined

  get queuedBytes(): number {
    return this.queues.control.bytes + this.queues.log.bytes + this.queues.bulk.bytes
  }

  /** False when the lane is full. The frame may be changed as soon as this returns. */
  send(lane: Lane, frame: Uint8Array): boolean {
    const queue = this.queues[lane]
    if (queue.bytes + frame.length > peerQueueBytesMax) return false
    const sink = this.sink
    let offset = 0
    if (sink !== undefined && queue.frames.length === 0) {
      offset = this.writeChunks(sink, lane, frame, 0)
      if (offset < 0) return true
    }
    queue.frames.push(frame.slice())
    queue.bytes += frame.length
    queue.offset = queue.frames.length === 1 ? offset : queue.offset
    return true
  }

  /** Sends over another link from now on, or over none. A frame that has left in part starts over. */
  connect(sink: ChunkSink | undefined): void {
    this.sink = sink
    for (const channel of channels) this.buffered[channel] = 0
    for (const lane of lanes) this.queues[lane].offset = 0
    this.pump()
  }

  /** Sends what the channels have room for. To be called when one of them drained. */
  pump(): void {
    for (const lane of lanes) if (this.sink !== undefined) this.pumpLane(this.sink, lane)
  }

  /** Forgets everything: there is no path, and what waited is late already. Gives the number of frames. */
  clear(): number {
    let count = 0
    for (const queue of Object.values(this.queues)) {
      count += queue.frames.length
      queue.frames.clear()
      queue.bytes = 0
      queue.offset = 0
    }
    return count
  }

  private pumpLane(sink: ChunkSink, lane: Lane): void {
    const queue = this.queues[lane]
    for (let frame = queue.frames.peek(); frame !== undefined; frame = queue.frames.peek()) {
      const offset = this.writeChunks(sink, lane, frame, queue.offset)
      if (offset >= 0) {
        queue.offset = offset
        return
      }
      queue.frames.shift()
      queue.bytes -= frame.length
      queue.offset = 0
    }
  }

  /** Writes chunks of a frame until it is done (-1) or the channel is full (where to go on). */
  private writeChunks(sink: ChunkSink, lane: Lane, frame: Uint8Array, start: number): number {
    const channel = channelOf(lane)
    const bytesMax = channel === 'bulk' ? bulkChunkBytesMax : chunkBytesMax
    let offset = start
    do {
      if (!this.hasRoom(sink, channel)) return offset
      const end = Math.min(offset + bytesMax, frame.length)
      let header = lanes.indexOf(lane)
      if (offset === 0) header |= firstFlag
      if (end === frame.length) header |= lastFlag
      scratch[0] = header
      let headerBytes = 1
      if (offset === 0 && end < frame.length) {
        scratchView.setUint32(1, frame.length, true)
        headerBytes = chunkHeaderBytes
      }
      scratch.set(offset === 0 && end === frame.length ? frame : frame.subarray(offset, end), headerBytes)
      const chunk = scratch.subarray(0, headerBytes + end - offset)
      this.buffered[channel] += chunk.length
      sink.send(channel, chunk)
      offset = end
    } while (offset < frame.length)
    return -1
  }

  private hasRoom(sink: ChunkSink, channel: Channel): boolean {
    if (this.buffered[channel] < channelBufferedBytesMax) return true
    this.buffered[channel] = sink.bufferedBytes(channel)
    return this.buffered[channel] < channelBufferedBytesMax
  }
}

function laneQueue(): LaneQueue {
  return { frames: new Queue(), bytes: 0, offset: 0 }
}
