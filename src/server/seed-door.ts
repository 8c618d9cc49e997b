import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { httpConnectionsMax } from '../core/limits.ts'
import { signalingPath } from '../transport/signaling-protocol.ts'
import { HttpApi } from './http.ts'
import { isLoopback } from './http-guard.ts'
import type { Served } from './served.ts'
import type { SignalingServer } from './signaling.ts'

export interface DoorOptions {
  readonly address: string
  readonly port?: number
  readonly server?: Server
  readonly cluster: string
  readonly secret: string
  /** True when the secret was made by the seed: it may be told to whoever reaches a loopback address. */
  readonly isSecretOwn: boolean
  readonly demo?: string
  readonly hostNames?: readonly string[]
  readonly onError: (error: unknown) => void
}

type RequestHandler = (message: IncomingMessage, response: ServerResponse) => void

/** A request has this long to arrive whole. */
const requestMs = 30_000

/** Requests under way have this long to be answered when the seed closes. */
const lastRequestsMs = 2_000

/**
 * The one way into a seed: an HTTP server with the API on it, and the signaling as soon as others may come.
 * Until then, and until there is a store to serve, whoever comes is asked to come again.
 */
export class SeedDoor {
  /** Without a slash at the end. */
  readonly url: string
  private readonly server: Server
  private readonly ownsServer: boolean
  private readonly api: HttpApi
  /** What answered requests on a server that is not ours, and will again. */
  private readonly others: readonly RequestHandler[]
  private readonly sockets = new Set<Duplex>()
  /** Those over which nothing was asked yet, as browsers open them in advance. */
  private readonly silent = new Set<Duplex>()
  private served: Served = { type: 'starting' }
  private signaling: SignalingServer | undefined
  /** Ends what stands between the end of the watches and the end of the signaling. */
  closeHost = async () => {}
  private closing: Promise<void> | undefined

  /** Listens, or takes its place on the server it is given. */
  static async open(options: DoorOptions): Promise<SeedDoor> {
    const { address, port = 8080 } = options
    const server = options.server ?? createServer({ requestTimeout: requestMs, headersTimeout: requestMs })
    if (options.server === undefined) {
      server.maxConnections = httpConnectionsMax
      server.listen(port, address)
    }
    if (!server.listening) await once(server, 'listening')
    return new SeedDoor(server, options)
  }

  private constructor(server: Server, options: DoorOptions) {
    const { secret, cluster, demo, onError, hostNames = [] } = options
    const { address, port } = server.address() as AddressInfo
    if (options.isSecretOwn && !isLoopback(address)) {
      throw new TypeError(`others can reach a seed on ${address}: it needs a secret`)
    }
    this.server = server
    this.ownsServer = options.server === undefined
    this.url = `http://${nameOf(address)}:${port}`
    this.others = server.listeners('request') as RequestHandler[]
    this.api = new HttpApi({
      cluster,
      secret,
      access: options.isSecretOwn ? 'local' : 'secret',
      hostNames,
      onError,
      served: () => this.served,
      signaling: {
        hosts: () => this.signaling?.hosts() ?? [],
        counters: () => this.signaling?.counters() ?? {},
      },
      ...(demo !== undefined && { demo }),
    })
    server.removeAllListeners('request')
    server.on('request', this.onRequest)
    server.on('upgrade', this.onUpgrade)
    server.on('connection', this.onConnection)
  }

  /** Whether hosts find each other here. */
  get isOpen(): boolean {
    return this.signaling !== undefined
  }

  /** From now on hosts find each other here. */
  letIn(signaling: SignalingServer): void {
    this.signaling = signaling
  }

  serve(served: Served): void {
    this.served = served
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow()
    return this.closing
  }

  /** The host goes while it can still reach the others: it may have a leadership to hand over. */
  private async closeNow(): Promise<void> {
    const { server } = this
    this.api.close()
    const closed = this.ownsServer ? new Promise(resolve => server.close(resolve)) : undefined
    await this.closeHost()
    await this.signaling?.close()
    server.off('request', this.onRequest)
    server.off('upgrade', this.onUpgrade)
    for (const other of this.others) server.on('request', other)
    server.off('connection', this.onConnection)
    if (closed === undefined) return
    server.closeIdleConnections()
    // Not idle to Node, which waits for their first request: the seed would wait along.
    for (const socket of this.silent) socket.destroy()
    // Those too that were upgraded, which Node forgets: a client must not hold the seed by not hanging up.
    const late = setTimeout(() => {
      for (const socket of this.sockets) socket.destroy()
    }, lastRequestsMs)
    await closed
    clearTimeout(late)
  }

  private readonly onConnection = (socket: Duplex) => {
    this.sockets.add(socket)
    this.silent.add(socket)
    socket.once('close', () => {
      this.sockets.delete(socket)
      this.silent.delete(socket)
    })
  }

  private readonly onRequest: RequestHandler = (message, response) => {
    this.silent.delete(message.socket)
    if (this.others.length === 0 || this.api.owns(message)) void this.api.handle(message, response)
    else for (const other of this.others) other.call(this.server, message, response)
  }

  private readonly onUpgrade = (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    this.silent.delete(message.socket)
    if (message.url?.split('?', 1)[0] === signalingPath) {
      if (this.signaling === undefined) refuseUpgrade(socket, '503 Service Unavailable')
      else this.signaling.handleUpgrade(message, socket, head)
    } else if (this.server.listenerCount('upgrade') === 1) refuseUpgrade(socket, '404 Not Found')
  }
}

/** An address as part of a URL, by which this machine reaches itself. */
function nameOf(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
