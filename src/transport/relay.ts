import { toHex } from '../base/bytes.ts'
import { Queue } from '../base/queue.ts'
import { channelBufferedBytesMax } from '../core/limits.ts'
import type { HostId } from '../core/types.ts'
import { MalformedError } from '../wire/codec.ts'
import type { Counters } from './counters.ts'
import type { Channel, Link, LinkHandlers } from './link.ts'
import { channels } from './link.ts'
import type { SealKey, Session } from './session.ts'
import type { Timers } from './timers.ts'

/** What carries sealed chunks to a host: a seed's WebSocket. */
export interface Carrier {
  /** False when the host cannot be reached this way right now. */
  sendRelayed(to: HostId, payload: Uint8Array): boolean
}

// Sealed chunk: the first 8 bytes of the session's name, 6 bytes of counter, then what AES-GCM makes of a byte of kind
// (the number of a channel, or an acknowledgement) and the chunk.
const tagBytes = 8
const counterBytes = 6
const headerBytes = tagBytes + counterBytes

/** An acknowledgement: everything up to the counter that follows has arrived. */
const acknowledgementKind = channels.length

/** Bytes after which the receiver acknowledges: a fraction of what the sender lets be under way. */
const acknowledgeEveryBytes = channelBufferedBytesMax / 8

/** Chunks that arrive faster than they can be opened are dropped: only a hostile seed is that fast. */
const openingMax = 4096

export interface RelayOptions {
  readonly carrier: Carrier
  readonly timers: Timers
  readonly counters: Counters
}

/**
 * Links through a seed, sealed end to end: the seed sees who talks to whom, and how much. What it loses or withholds
 * is lost; what it changes, repeats or reorders is refused and counted.
 */
export class Relay {
  private readonly options: RelayOptions
  private readonly links = new Map<string, RelayLink>()

  constructor(options: RelayOptions) {
    this.options = options
  }

  makeLink(session: Session, handlers: LinkHandlers): Link {
    const key = linkKey(session.peer, session.id.slice(0, 2 * tagBytes))
    const link = new RelayLink(this.options, session, handlers, () => this.links.delete(key))
    this.links.set(key, link)
    return link
  }

  receive(from: HostId, payload: Uint8Array): void {
    const link = payload.length > headerBytes ? this.links.get(linkKey(from, hexTag(payload))) : undefined
    if (link === undefined) this.options.counters.add('relay-unknown-session')
    else link.receive(payload)
  }

  /** The seed lost the host, or we lost the seed. */
  left(hostId: HostId): void {
    for (const link of [...this.links.values()]) if (link.peer === hostId) link.fail('left the seed')
  }
}

class RelayLink implements Link {
  readonly path = 'relay'
  readonly candidate = undefined
  readonly peer: HostId
  private readonly options: RelayOptions
  private readonly session: Session
  private readonly handlers: LinkHandlers
  private readonly forget: () => void
  private readonly tag: Uint8Array
  private isClosed = false
  private sendCounter = 0
  private receiveCounter = -1
  // Sockets and seeds buffer megabytes, out of our sight. What the peer has not acknowledged is in one of them, and a
  // heartbeat would have to wait behind all of it.
  private readonly underWay = new Queue<{ readonly counter: number; readonly bytes: number }>()
  private underWayBytes = 0
  private unacknowledgedBytes = 0
  private opening = 0
  // Chains, because WebCrypto answers in any order and chunks must keep theirs.
  private sealed: Promise<void> = Promise.resolve()
  private opened: Promise<void> = Promise.resolve()

  constructor(options: RelayOptions, session: Session, handlers: LinkHandlers, forget: () => void) {
    this.options = options
    this.session = session
    this.handlers = handlers
    this.forget = forget
    this.peer = session.peer
    this.tag = bytesOfHex(session.id.slice(0, 2 * tagBytes))
    options.timers.after(0, () => {
      if (!this.isClosed) handlers.opened()
    })
  }

  send(channel: Channel, chunk: Uint8Array): void {
    this.underWay.push({ counter: this.sendCounter, bytes: chunk.length })
    this.underWayBytes += chunk.length
    this.sendSealed(channels.indexOf(channel), chunk)
  }

  // Both channels share one way, so both are as full as it is.
  bufferedBytes(): number {
    return this.underWayBytes
  }

  signal(): void {
    this.options.counters.add('relay-signal')
  }

  close(): void {
    this.isClosed = true
    this.forget()
  }

  fail(reason: string): void {
    if (this.isClosed) return
    this.close()
    this.handlers.closed(reason)
  }

  receive(payload: Uint8Array): void {
    if (this.opening >= openingMax) {
      this.options.counters.add('relay-overrun')
      return
    }
    this.opening += 1
    const counter = readCounter(payload, tagBytes)
    const opening = openChunk(this.session.open, counter, payload.subarray(headerBytes))
    this.opened = this.opened.then(async () => {
      const plain = await opening
      this.opening -= 1
      if (this.isClosed) return
      if (plain === undefined) {
        this.options.counters.add('relay-forged')
        return
      }
      // Counters only go up: a chunk that was sent once is taken once, and never out of its turn.
      if (counter <= this.receiveCounter) {
        this.options.counters.add('relay-replayed')
        return
      }
      // A gap means that the seed lost chunks. Frames in pieces can no longer be told apart: start over.
      if (counter !== this.receiveCounter + 1) {
        this.fail('chunks were lost')
        return
      }
      this.receiveCounter = counter
      this.handle(plain[0] ?? -1, plain.subarray(1))
    })
  }

  private handle(kind: number, chunk: Uint8Array): void {
    if (kind === acknowledgementKind) {
      this.acknowledged(chunk)
      return
    }
    const channel = channels[kind]
    if (channel === undefined) return
    this.unacknowledgedBytes += chunk.length
    if (this.unacknowledgedBytes >= acknowledgeEveryBytes) {
      this.unacknowledgedBytes = 0
      const counter = new Uint8Array(counterBytes)
      writeCounter(counter, 0, this.receiveCounter)
      this.sendSealed(acknowledgementKind, counter)
    }
    this.handlers.chunk(channel, chunk)
  }

  private acknowledged(bytes: Uint8Array): void {
    if (bytes.length !== counterBytes) return
    const counter = readCounter(bytes, 0)
    for (
      let next = this.underWay.peek();
      next !== undefined && next.counter <= counter;
      next = this.underWay.peek()
    ) {
      this.underWay.shift()
      this.underWayBytes -= next.bytes
    }
    this.handlers.drained()
  }

  private sendSealed(kind: number, chunk: Uint8Array): void {
    const plain = new Uint8Array(1 + chunk.length)
    plain[0] = kind
    plain.set(chunk, 1)
    const counter = this.sendCounter++
    const sealing = this.session.seal.seal(counter, plain)
    this.sealed = this.sealed.then(async () => {
      const sealedChunk = await sealing
      // What was handed over before the link was closed still goes, a goodbye above all.
      if (!this.options.carrier.sendRelayed(this.peer, this.pack(counter, sealedChunk)))
        this.fail('left the seed')
    })
  }

  private pack(counter: number, sealedChunk: Uint8Array): Uint8Array {
    const payload = new Uint8Array(headerBytes + sealedChunk.length)
    payload.set(this.tag)
    writeCounter(payload, tagBytes, counter)
    payload.set(sealedChunk, headerBytes)
    return payload
  }
}

async function openChunk(key: SealKey, counter: number, sealed: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return await key.open(counter, sealed)
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}

function readCounter(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2)
}

function writeCounter(bytes: Uint8Array, at: number, counter: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  view.setUint16(at, Math.floor(counter / 2 ** 32))
  view.setUint32(at + 2, counter >>> 0)
}

function linkKey(peer: HostId, tag: string): string {
  return `${peer} ${tag}`
}

function hexTag(payload: Uint8Array): string {
  return toHex(payload.subarray(0, tagBytes))
}

function bytesOfHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], pair => Number.parseInt(pair, 16))
}
