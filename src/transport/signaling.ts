import type { Random } from '../base/random.ts'
import type { QuorateError } from '../core/error.ts'
import type { DeploymentId, HostId } from '../core/types.ts'
import type { Counters } from './counters.ts'
import type { Identity } from './identity.ts'
import type { ClusterKeys } from './secret.ts'
import { SeedConnection } from './seed-connection.ts'
import { encodeRelayed } from './signaling-protocol.ts'
import type { OpenSocket } from './socket.ts'
import type { Timers } from './timers.ts'
import type { Grant, Rendezvous } from './transport.ts'

export interface SignalingHandlers {
  /** An envelope for this host, from whoever says so: nothing in it is proved yet. */
  envelope(bytes: Uint8Array): void
  /** Relayed bytes. The seed says from whom; only the seal proves it. */
  relayed(from: HostId, payload: Uint8Array): void
  joined(hostId: HostId): void
  left(hostId: HostId): void
}

export interface SignalingOptions {
  /** WebSocket addresses of seeds, path and all. The first one is where the founding is asked for. */
  readonly urls: readonly string[]
  readonly identity: Identity
  readonly keys: ClusterKeys
  readonly openSocket: OpenSocket
  readonly timers: Timers
  readonly random: Random
  readonly counters: Counters
}

type Heard = (standing: Grant, seed: string) => void

interface Asker {
  readonly proposed: DeploymentId | undefined
  readonly resolve: (grant: Grant) => void
  readonly reject: (error: unknown) => void
}

/**
 * This host's side of the rendezvous, over all its seeds at once: a host is present when any seed sees it, and is
 * reached through the first seed that does. Seeds are allowed to lie about presence and to lose what they carry.
 */
export class Signaling implements Rendezvous {
  private readonly options: SignalingOptions
  private readonly seeds: readonly SeedConnection[]
  private readonly askers = new Map<number, Asker>()
  /** Numbers of questions. What is answered to `belong` has the number 0. */
  private requests = 1
  private belonging: { readonly grant: Grant; readonly heard: Heard } | undefined
  private handlers: SignalingHandlers | undefined
  private refusal: QuorateError | undefined

  constructor(options: SignalingOptions) {
    this.options = options
    this.seeds = options.urls.map((url, i) => this.seed(url, i === 0))
    for (const seed of this.seeds) seed.connect()
  }

  start(handlers: SignalingHandlers): void {
    this.handlers = handlers
    for (const hostId of this.present()) handlers.joined(hostId)
  }

  present(): ReadonlySet<HostId> {
    return new Set(this.seeds.flatMap(seed => [...seed.present]))
  }

  isPresent(hostId: HostId): boolean {
    return this.seeds.some(seed => seed.present.has(hostId))
  }

  sendEnvelope(to: HostId, body: Uint8Array): boolean {
    return this.route(to)?.send({ type: 'envelope', to, body }) ?? false
  }

  sendRelayed(to: HostId, payload: Uint8Array): boolean {
    return this.route(to)?.sendBytes(encodeRelayed(to, payload)) ?? false
  }

  /** Only the first seed is asked: two seeds that do not know of each other would grant two foundings. */
  found(proposed: DeploymentId | undefined, signal: AbortSignal): Promise<Grant> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      if (this.refusal !== undefined) throw this.refusal
      const request = this.requests++
      const end = () => {
        this.askers.delete(request)
        signal.removeEventListener('abort', abort)
      }
      const abort = () => {
        end()
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort)
      const asker = {
        proposed,
        resolve: (grant: Grant) => {
          end()
          resolve(grant)
        },
        reject: (error: unknown) => {
          end()
          reject(error)
        },
      }
      this.askers.set(request, asker)
      this.seeds[0]?.send({ type: 'found', request, proposed })
    })
  }

  belong(grant: Grant, heard: Heard): void {
    this.belonging = { grant, heard }
    for (const seed of this.seeds) seed.send({ type: 'belong', ...grant })
  }

  reconnect(): void {
    for (const seed of this.seeds) seed.reconnect()
  }

  /** The error is what waiting calls reject with. */
  close(error: QuorateError): void {
    this.handlers = undefined
    this.belonging = undefined
    for (const seed of this.seeds) seed.close()
    this.refuse(error)
  }

  private route(to: HostId): SeedConnection | undefined {
    return this.seeds.find(seed => seed.present.has(to))
  }

  private seed(url: string, isFirst: boolean): SeedConnection {
    const { urls: _, ...shared } = this.options
    const seen = new Set<HostId>()
    const leave = (hostId: HostId) => {
      seen.delete(hostId)
      if (!this.isPresent(hostId)) this.handlers?.left(hostId)
    }
    const join = (hostId: HostId) => {
      seen.add(hostId)
      this.handlers?.joined(hostId)
    }
    const seed: SeedConnection = new SeedConnection({
      ...shared,
      url,
      handlers: {
        admitted: () => {
          for (const hostId of seed.present) join(hostId)
          if (this.belonging !== undefined) seed.send({ type: 'belong', ...this.belonging.grant })
          if (!isFirst) return
          for (const [request, { proposed }] of this.askers) seed.send({ type: 'found', request, proposed })
        },
        joined: join,
        left: leave,
        lost: () => {
          for (const hostId of [...seen]) leave(hostId)
        },
        refused: error => {
          for (const hostId of [...seen]) leave(hostId)
          if (isFirst) this.refuse(error)
        },
        envelope: bytes => this.handlers?.envelope(bytes),
        relayed: (from, payload) => this.handlers?.relayed(from, payload),
        granted: (request, { founder, deployment }) => {
          if (request === 0) this.belonging?.heard({ founder, deployment }, url)
          else this.askers.get(request)?.resolve({ founder, deployment })
        },
      },
    })
    return seed
  }

  private refuse(error: QuorateError): void {
    this.refusal = error
    for (const asker of [...this.askers.values()]) asker.reject(error)
  }
}
