// One process of the limit: what three processes can do at most that append to a file, fdatasync and acknowledge over
// data channels, and nothing else. No Raft, no encoding, no checks: the ceiling that the store is measured against.
// Arguments: own number (0 leads), the file to write.

import { closeSync, fdatasyncSync, ftruncateSync, openSync, writevSync } from 'node:fs'
import type { DataChannel } from 'node-datachannel'
import { PeerConnection } from 'node-datachannel'
import { answerUsage } from './answer-usage.ts'
import type { Load, Measurement } from './drive.ts'
import { drive, valueBytes } from './drive.ts'

/** Between the leader and the parent that started it, which hands signals on to the process named in `peer`. */
export type LimitMessage =
  | {
      readonly type: 'description'
      readonly peer: number
      readonly sdp: string
      readonly kind: 'offer' | 'answer'
    }
  | { readonly type: 'candidate'; readonly peer: number; readonly candidate: string; readonly mid: string }
  | { readonly type: 'ready' }
  | { readonly type: 'load'; readonly load: Load }
  | { readonly type: 'measured'; readonly measurement: Measurement }

const followerCount = 2
const sequenceBytes = 4
const leader = 0
const self = Number(process.argv[2])
const file = openSync(process.argv[3] ?? '', 'w')

const connections = new Map<number, PeerConnection>()

function send(message: LimitMessage): void {
  process.send?.(message)
}

function connect(peer: number): PeerConnection {
  const connection = new PeerConnection(`limit-${self}-${peer}`, {
    iceServers: [],
    bindAddress: '127.0.0.1',
  })
  connection.onLocalDescription((sdp, kind) => {
    if (kind === 'offer' || kind === 'answer') send({ type: 'description', peer, sdp, kind })
  })
  connection.onLocalCandidate((candidate, mid) => send({ type: 'candidate', peer, candidate, mid }))
  connections.set(peer, connection)
  return connection
}

/** Appends and makes durable. Synchronous, because there is nothing else this process could do meanwhile. */
function append(parts: readonly Uint8Array[]): void {
  writevSync(file, parts)
  fdatasyncSync(file)
}

/** A follower makes all that has arrived durable at once and acknowledges the last of it. */
function follow(channel: DataChannel): void {
  let arrived: Buffer[] = []
  const flush = (): void => {
    const batches = arrived
    arrived = []
    append(batches)
    const last = batches[batches.length - 1]
    if (last !== undefined) channel.sendMessageBinary(last.subarray(0, sequenceBytes))
  }
  channel.onMessage(message => {
    if (arrived.length === 0) setImmediate(flush)
    arrived.push(message as Buffer)
  })
}

/** The leader: values put in one turn of the loop form a batch, which is done when two of the three hold it. */
class Leader {
  readonly #channels: DataChannel[] = []
  readonly #acknowledged: number[] = Array.from({ length: followerCount }, () => 0)
  readonly #waiting = new Map<number, (() => void)[]>()
  #values: Uint8Array[] = []
  #resolves: (() => void)[] = []
  #sequence = 0
  #durable = 0
  #done = 0

  /** Tells whether all followers are there. */
  add(channel: DataChannel): boolean {
    const number = this.#channels.push(channel) - 1
    channel.onMessage(message => {
      this.#acknowledged[number] = (message as Buffer).readUInt32LE(0)
      this.#settle()
    })
    return this.#channels.length === followerCount
  }

  put(value: Uint8Array): Promise<void> {
    return new Promise(resolve => {
      // After all that runs now: writers that were just answered put their next values first.
      if (this.#values.length === 0) process.nextTick(() => this.#flush())
      this.#values.push(value)
      this.#resolves.push(resolve)
    })
  }

  #flush(): void {
    this.#sequence++
    const header = Buffer.allocUnsafe(sequenceBytes)
    header.writeUInt32LE(this.#sequence, 0)
    const batch = Buffer.concat([header, ...this.#values])
    this.#waiting.set(this.#sequence, this.#resolves)
    this.#values = []
    this.#resolves = []
    // Followers write while the leader does (Raft thesis §10.2.1).
    for (const channel of this.#channels) channel.sendMessageBinary(batch)
    append([batch])
    this.#durable = this.#sequence
    this.#settle()
  }

  #settle(): void {
    const majority = [this.#durable, ...this.#acknowledged].sort((a, b) => b - a)[1] ?? 0
    while (this.#done < majority) {
      this.#done++
      for (const resolve of this.#waiting.get(this.#done) ?? []) resolve()
      this.#waiting.delete(this.#done)
    }
  }
}

function lead(): void {
  const group = new Leader()
  for (let peer = 1; peer <= followerCount; peer++) {
    const channel = connect(peer).createDataChannel('limit')
    channel.onOpen(() => {
      if (group.add(channel)) send({ type: 'ready' })
    })
  }
  const value = Buffer.alloc(valueBytes, 'v')
  process.on('message', (message: LimitMessage) => {
    if (message.type !== 'load') return
    ftruncateSync(file)
    void drive(message.load, () => group.put(value)).then(measurement =>
      send({ type: 'measured', measurement }),
    )
  })
}

process.on('message', (message: LimitMessage) => {
  if (message.type === 'description') {
    const connection = connections.get(message.peer) ?? connect(message.peer)
    connection.onDataChannel(follow)
    connection.setRemoteDescription(message.sdp, message.kind)
  }
  if (message.type === 'candidate') {
    connections.get(message.peer)?.addRemoteCandidate(message.candidate, message.mid)
  }
})
process.once('disconnect', () => {
  closeSync(file)
  process.exit(0)
})
answerUsage()
if (self === leader) lead()
