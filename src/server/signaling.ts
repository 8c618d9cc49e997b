import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { HostId } from '../core/types.ts'
import { Counters } from '../transport/counters.ts'
import { type ClusterKeys, deriveClusterKeys } from '../transport/secret.ts'
import {
  type Authentication,
  addressOfRelayed,
  addressRelayed,
  type HostMessage,
  signalingPath,
  socketMessageBytesMax,
} from '../transport/signaling-protocol.ts'
import type { Grant, TransportCounters } from '../transport/transport.ts'
import { WebSocketServer } from '../transport/websocket-node.ts'
import { Founding, type FoundingStore } from './founding.ts'
import { type ConnectionHooks, SignalingConnection } from './signaling-connection.ts'
import { defaultSignalingLimits, type SignalingLimits } from './signaling-limits.ts'

/** The number of the answer to `belong`, for which nobody waits. */
const belongs = 0

export interface SignalingOptions {
  readonly cluster: string
  readonly secret: string
  readonly founding: FoundingStore
  readonly limits?: Partial<SignalingLimits>
  /** Judges the Origin header, undefined where there is none (a Node host). Everybody is allowed without this. */
  readonly allowOrigin?: (origin: string | undefined, request: IncomingMessage) => boolean
  /** Judges a host that has proved its key and that it knows the secret. */
  readonly verify?: (hostId: HostId, publicKey: Uint8Array) => boolean | Promise<boolean>
  readonly onPresence?: (hosts: readonly HostId[]) => void
  /** False: it grants no founding, and waits for a host that belongs to the cluster. Default true. */
  readonly mayFound?: boolean
  /** A host came that belongs to another founding than the one that stands here. */
  readonly onForeign?: ((host: HostId, theirs: Grant, standing: Grant) => void) | undefined
  /** The founding could not be read or stored; the asker is sent away to ask again later. */
  readonly onError?: (error: unknown) => void
}

/** Makes the rendezvous of one cluster. */
export async function createSignaling(options: SignalingOptions): Promise<SignalingServer> {
  return new SignalingServer(options, await deriveClusterKeys(options.cluster, options.secret))
}

/** The rendezvous of one cluster: who is here, envelopes and sealed bytes between hosts, and the founding. */
export class SignalingServer {
  private readonly options: SignalingOptions
  private readonly limits: SignalingLimits
  private readonly founding: Founding
  private readonly counts = new Counters()
  private readonly hooks: ConnectionHooks
  private readonly sockets = new WebSocketServer({
    noServer: true,
    maxPayload: socketMessageBytesMax,
    clientTracking: false,
  })
  private readonly connections = new Set<SignalingConnection>()
  private readonly connectionsOfAddress = new Map<string, number>()
  /** Hosts that proved their name; one connection each. */
  private readonly admitted = new Map<HostId, SignalingConnection>()
  /** Hosts that will not found, and wait to hear who did: each its latest question. */
  private readonly curious = new Map<SignalingConnection, number>()
  private isClosed = false

  constructor(options: SignalingOptions, keys: ClusterKeys) {
    this.options = options
    this.limits = { ...defaultSignalingLimits, ...options.limits }
    this.founding = new Founding(options.founding, options.mayFound)
    this.hooks = {
      keys,
      limits: this.limits,
      count: reason => this.counts.add(reason),
      verify: async (hostId, publicKey) => (await options.verify?.(hostId, publicKey)) ?? true,
      admitted: (connection, hostId) => this.admit(connection, hostId),
      message: (connection, from, message) => this.handle(connection, from, message),
      relayed: (from, bytes) => this.relay(from, bytes),
      closed: connection => this.forget(connection),
    }
  }

  /** Serves `/v1/signal` of an HTTP server; other upgrades are left to others, if there are any. */
  attach(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (pathOf(request) === signalingPath) this.handleUpgrade(request, socket, head)
      else if (server.listenerCount('upgrade') === 1) reject(socket, 404)
    })
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { connectionsMax, connectionsPerAddressMax } = this.limits
    const address = request.socket.remoteAddress ?? ''
    const fromAddress = this.connectionsOfAddress.get(address) ?? 0
    if (this.isClosed) {
      reject(socket, 503)
    } else if (!(this.options.allowOrigin?.(request.headers.origin, request) ?? true)) {
      this.counts.add('origin-refused')
      reject(socket, 403)
    } else if (this.connections.size >= connectionsMax || fromAddress >= connectionsPerAddressMax) {
      this.counts.add('connections-refused')
      reject(socket, 503)
    } else {
      this.countAddress(address, 1)
      socket.once('close', () => this.countAddress(address, -1))
      this.sockets.handleUpgrade(request, socket, head, opened => {
        this.connections.add(new SignalingConnection(opened, this.hooks))
      })
    }
  }

  /** The hosts that are present. */
  hosts(): readonly HostId[] {
    return [...this.admitted.keys()]
  }

  counters(): TransportCounters {
    return this.counts.snapshot()
  }

  /** Ends every connection. The HTTP server is its owner's. */
  async close(): Promise<void> {
    this.isClosed = true
    for (const connection of [...this.connections]) connection.close()
    this.sockets.close()
  }

  private admit(connection: SignalingConnection, hostId: HostId): readonly HostId[] {
    // The newer one has proved the name: the older one is a tab that was reloaded or a line that went dead.
    const former = this.admitted.get(hostId)
    this.admitted.set(hostId, connection)
    former?.drop('replaced')
    this.announce('joined', hostId)
    return this.hosts()
  }

  private handle(
    connection: SignalingConnection,
    from: HostId,
    message: Exclude<HostMessage, Authentication>,
  ): void {
    switch (message.type) {
      case 'ping':
        connection.send({ type: 'pong' })
        break
      case 'envelope': {
        const receiver = this.admitted.get(message.to)
        if (receiver === undefined) this.counts.add('absent')
        else receiver.send({ type: 'envelope', from, body: message.body })
        break
      }
      case 'found':
        void this.answer(connection, message.request, () =>
          message.proposed === undefined
            ? this.founding.standing()
            : this.founding.ask({ founder: from, deployment: message.proposed }),
        )
        break
      case 'belong':
        void this.answer(connection, belongs, () => this.compare(from, message))
        break
    }
  }

  /** Takes over what a host knows where this seed knows nothing, and says so where it knows something else. */
  private async compare(host: HostId, { founder, deployment }: Grant): Promise<Grant> {
    const theirs = { founder, deployment }
    const standing = await this.founding.adopt(theirs)
    if (standing.deployment !== deployment) {
      this.counts.add('foreign')
      this.options.onForeign?.(host, theirs, standing)
    }
    return standing
  }

  private async answer(
    connection: SignalingConnection,
    request: number,
    founding: () => Promise<Grant | undefined>,
  ): Promise<void> {
    try {
      const grant = await founding()
      if (grant === undefined) {
        if (this.connections.has(connection)) this.curious.set(connection, request)
        return
      }
      connection.send({ type: 'granted', request, ...grant })
      for (const [other, asked] of this.curious) other.send({ type: 'granted', request: asked, ...grant })
      this.curious.clear()
    } catch (error) {
      this.options.onError?.(error)
      // Who only says where it belongs needs no answer, and is to meet the others all the same.
      if (request !== belongs) connection.refuse('SYSTEM_BUSY', 'The founding could not be recorded.')
    }
  }

  private relay(from: HostId, bytes: Uint8Array): void {
    const receiver = this.admitted.get(addressOfRelayed(bytes))
    if (receiver === undefined) {
      this.counts.add('absent')
      return
    }
    addressRelayed(bytes, from)
    receiver.sendBytes(bytes)
  }

  private forget(connection: SignalingConnection): void {
    this.connections.delete(connection)
    this.curious.delete(connection)
    const { hostId } = connection
    if (hostId === undefined || this.admitted.get(hostId) !== connection) return
    this.admitted.delete(hostId)
    this.announce('left', hostId)
  }

  private announce(type: 'joined' | 'left', hostId: HostId): void {
    // A copy: to send can end a connection that is too slow, which ends in here again.
    for (const [other, connection] of [...this.admitted]) {
      if (other !== hostId) connection.send({ type, hostId })
    }
    this.options.onPresence?.(this.hosts())
  }

  private countAddress(address: string, by: number): void {
    const count = (this.connectionsOfAddress.get(address) ?? 0) + by
    if (count > 0) this.connectionsOfAddress.set(address, count)
    else this.connectionsOfAddress.delete(address)
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? ''
}

function reject(socket: Duplex, status: 403 | 404 | 503): void {
  // A client that went away in the middle of its request is nobody's error.
  socket.on('error', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
