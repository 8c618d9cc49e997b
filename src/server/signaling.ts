import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { HostId } from '../core/types.ts'
import { Counters } from '../transport/counters.ts'
import { deriveClusterKeys } from '../transport/secret.ts'
import {
  type Authentication,
  addressOfRelayed,
  addressRelayed,
  type HostMessage,
  signalingPath,
  socketMessageBytesMax,
} from '../transport/signaling-protocol.ts'
import type { TransportCounters } from '../transport/transport.ts'
import { WebSocketServer } from '../transport/websocket-node.ts'
import { Founding, type FoundingStore } from './founding.ts'
import { type ConnectionHooks, SignalingConnection } from './signaling-connection.ts'
import { defaultSignalingLimits, type SignalingLimits } from './signaling-limits.ts'

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
  /** The founding could not be read or stored; the asker is sent away to ask again later. */
  readonly onError?: (error: unknown) => void
}

/** The rendezvous of one cluster: who is here, envelopes and sealed bytes between hosts, and the founding. */
export interface SignalingServer {
  /** Serves `/v1/signal` of an HTTP server; other upgrades are left alone. */
  attach(server: Server): void
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  hosts(): readonly HostId[]
  counters(): TransportCounters
  /** Ends every connection. The HTTP server is its owner's. */
  close(): Promise<void>
}

export async function createSignaling(options: SignalingOptions): Promise<SignalingServer> {
  const keys = await deriveClusterKeys(options.cluster, options.secret)
  const limits = { ...defaultSignalingLimits, ...options.limits }
  const founding = new Founding(options.founding)
  const counters = new Counters()
  const all = new Set<SignalingConnection>()
  const perAddress = new Map<string, number>()
  const admitted = new Map<HostId, SignalingConnection>()
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: socketMessageBytesMax,
    clientTracking: false,
  })
  let isClosed = false

  const announce = (type: 'joined' | 'left', hostId: HostId) => {
    for (const [other, connection] of [...admitted]) if (other !== hostId) connection.send({ type, hostId })
    options.onPresence?.([...admitted.keys()])
  }

  const found = async (
    connection: SignalingConnection,
    founder: HostId,
    request: number,
    deployment: string,
  ) => {
    try {
      connection.send({ type: 'granted', request, ...(await founding.ask({ founder, deployment })) })
    } catch (error) {
      options.onError?.(error)
      connection.refuse('SYSTEM_BUSY', 'The founding could not be recorded.')
    }
  }

  const hooks: ConnectionHooks = {
    keys,
    limits,
    count: reason => counters.add(reason),
    verify: async (hostId, publicKey) => (await options.verify?.(hostId, publicKey)) ?? true,
    admitted(connection) {
      const { hostId } = connection
      if (hostId === undefined) return []
      // The newer one has proved the name: the older one is a tab that was reloaded or a line that went dead.
      const former = admitted.get(hostId)
      admitted.set(hostId, connection)
      former?.drop('replaced')
      announce('joined', hostId)
      return [...admitted.keys()]
    },
    message(connection, message: Exclude<HostMessage, Authentication>) {
      const { hostId } = connection
      if (hostId === undefined) return
      switch (message.type) {
        case 'ping':
          connection.send({ type: 'pong' })
          break
        case 'envelope': {
          const receiver = admitted.get(message.to)
          if (receiver === undefined) counters.add('absent')
          else receiver.send({ type: 'envelope', from: hostId, body: message.body })
          break
        }
        case 'found':
          void found(connection, hostId, message.request, message.proposed)
          break
      }
    },
    relay(connection, bytes) {
      const receiver = admitted.get(addressOfRelayed(bytes))
      if (receiver === undefined || connection.hostId === undefined) {
        counters.add('absent')
        return
      }
      addressRelayed(bytes, connection.hostId)
      receiver.sendBytes(bytes)
    },
    closed(connection) {
      all.delete(connection)
      const { hostId } = connection
      if (hostId === undefined || admitted.get(hostId) !== connection) return
      admitted.delete(hostId)
      announce('left', hostId)
    },
  }

  const handleUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const address = request.socket.remoteAddress ?? ''
    const fromAddress = perAddress.get(address) ?? 0
    if (isClosed) return reject(socket, 503)
    if (!(options.allowOrigin?.(request.headers.origin, request) ?? true)) {
      counters.add('origin-refused')
      return reject(socket, 403)
    }
    if (all.size >= limits.connectionsMax || fromAddress >= limits.connectionsPerAddressMax) {
      counters.add('connections-refused')
      return reject(socket, 503)
    }
    perAddress.set(address, fromAddress + 1)
    socket.once('close', () => {
      const left = (perAddress.get(address) ?? 1) - 1
      if (left > 0) perAddress.set(address, left)
      else perAddress.delete(address)
    })
    sockets.handleUpgrade(request, socket, head, opened => all.add(new SignalingConnection(opened, hooks)))
  }

  return {
    attach(server) {
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (pathOf(request) === signalingPath) handleUpgrade(request, socket, head)
        else if (server.listenerCount('upgrade') === 1) reject(socket, 404)
      })
    },
    handleUpgrade,
    hosts: () => [...admitted.keys()],
    counters: () => counters.snapshot(),
    async close() {
      isClosed = true
      for (const connection of [...all]) connection.close()
      sockets.close()
    },
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
