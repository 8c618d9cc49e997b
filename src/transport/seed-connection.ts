import type { Random } from '../base/random.ts'
import { QuorateError } from '../core/error.ts'
import type { HostId } from '../core/types.ts'
import { MalformedError } from '../wire/codec.ts'
import { Backoff } from './backoff.ts'
import type { Counters } from './counters.ts'
import type { Identity } from './identity.ts'
import { type ClusterKeys, randomBytes } from './secret.ts'
import { nonceBytes } from './session.ts'
import {
  addressOfRelayed,
  admissionText,
  decodeSeedMessage,
  encodeHostMessage,
  type HostMessage,
  isRelayed,
  payloadOfRelayed,
  type SeedMessage,
} from './signaling-protocol.ts'
import type { OpenSocket, Socket } from './socket.ts'
import type { Timers } from './timers.ts'
import type { Grant } from './transport.ts'

/** Time for a seed to answer, and the pause after which a silent one is asked whether it is still there. */
const answerMs = 10_000
const pingMs = 15_000

export interface SeedConnectionOptions {
  readonly url: string
  readonly identity: Identity
  readonly keys: ClusterKeys
  readonly openSocket: OpenSocket
  readonly timers: Timers
  readonly random: Random
  readonly counters: Counters
  readonly handlers: SeedHandlers
}

export interface SeedHandlers {
  /** Admitted: `present` is filled, messages can be sent. */
  admitted(): void
  joined(hostId: HostId): void
  left(hostId: HostId): void
  /** The connection is gone, and with it all who were present. Another attempt follows by itself. */
  lost(): void
  /** The seed will never admit this host. No further attempt is made. */
  refused(error: QuorateError): void
  envelope(bytes: Uint8Array): void
  relayed(from: HostId, payload: Uint8Array): void
  granted(request: number, grant: Grant): void
}

/** Between two attempts to reach a seed. A person looks at the page that waits, so the pauses stay short. */
const redialMs = { first: 200, max: 5_000 } as const

/** The connection to one seed: made, proved, kept alive, and made again when it is lost. */
export class SeedConnection {
  readonly present = new Set<HostId>()
  private readonly options: SeedConnectionOptions
  private readonly backoff: Backoff
  private socket: Socket | undefined
  // Invariant: callbacks of a socket that is no longer `socket` do nothing.
  private isAdmitted = false
  private isOver = false
  private expectedProof: Uint8Array | undefined
  private isProving = false
  private cancelTimer: () => void = () => undefined

  constructor(options: SeedConnectionOptions) {
    this.options = options
    this.backoff = new Backoff(options.random, redialMs.first, redialMs.max)
  }

  connect(): void {
    if (this.isOver || this.socket !== undefined) return
    const own = this.options.openSocket(this.options.url, {
      open: () => undefined,
      message: bytes => {
        if (this.socket === own) this.receive(own, bytes)
      },
      closed: () => {
        if (this.socket === own) this.lose('seed-lost')
      },
    })
    this.socket = own
    this.expect(answerMs)
  }

  send(message: HostMessage): boolean {
    return this.sendBytes(encodeHostMessage(message))
  }

  sendBytes(bytes: Uint8Array): boolean {
    if (!this.isAdmitted || this.socket === undefined) return false
    this.socket.send(bytes)
    return true
  }

  /** Leaves the seed and, unless closed, comes back. */
  reconnect(): void {
    if (this.socket !== undefined) this.lose('seed-lost')
    this.cancelTimer()
    this.backoff.reset()
    this.connect()
  }

  close(): void {
    this.isOver = true
    this.cancelTimer()
    this.detach()
  }

  private receive(socket: Socket, bytes: Uint8Array): void {
    try {
      if (isRelayed(bytes) && this.isAdmitted) {
        this.heard()
        this.options.handlers.relayed(addressOfRelayed(bytes), payloadOfRelayed(bytes))
        return
      }
      const message = decodeSeedMessage(bytes)
      if (this.isAdmitted) this.handle(message)
      else this.handleAdmission(socket, message)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      // A seed that speaks nonsense is no seed; perhaps what answers at this address will be one later.
      this.lose('seed-malformed')
    }
  }

  private handleAdmission(socket: Socket, message: SeedMessage): void {
    switch (message.type) {
      case 'challenge':
        if (this.isProving) throw new MalformedError('seed: a second challenge')
        this.isProving = true
        void this.prove(socket, message.nonce)
        return
      case 'welcome':
        this.admit(message.proof, message.present)
        return
      case 'refused':
        this.handleRefusal(message)
        return
      default:
        throw new MalformedError('seed: too early')
    }
  }

  private handle(message: SeedMessage): void {
    const { handlers } = this.options
    this.heard()
    switch (message.type) {
      case 'joined':
        this.present.add(message.hostId)
        handlers.joined(message.hostId)
        break
      case 'left':
        this.present.delete(message.hostId)
        handlers.left(message.hostId)
        break
      case 'envelope':
        handlers.envelope(message.body)
        break
      case 'granted':
        handlers.granted(message.request, message)
        break
      case 'refused':
        this.handleRefusal(message)
        break
      case 'pong':
        break
      case 'challenge':
      case 'welcome':
        throw new MalformedError('seed: too late')
    }
  }

  private handleRefusal(refusal: SeedMessage & { readonly type: 'refused' }): void {
    if (refusal.code === 'SYSTEM_BUSY') {
      this.lose('seed-busy')
      return
    }
    this.options.counters.add('seed-refused')
    this.close()
    this.options.handlers.refused(new QuorateError(refusal.code, refusal.message))
  }

  private async prove(socket: Socket, seedNonce: Uint8Array): Promise<void> {
    const { identity, keys } = this.options
    const { hostId, publicKey } = identity
    const nonce = randomBytes(nonceBytes)
    const bound = { cluster: keys.cluster, hostId, seedNonce, nonce }
    const proven = admissionText('host', bound)
    // What the seed must answer is known before it is asked, so that its welcome is judged without a pause: messages
    // follow it at once.
    const [expectedProof, proof, signature] = await Promise.all([
      keys.admission.mac(admissionText('seed', bound)),
      keys.admission.mac(proven),
      identity.sign(proven),
    ])
    if (this.socket !== socket) return
    this.expectedProof = expectedProof
    const { cluster } = keys
    socket.send(
      encodeHostMessage({ type: 'authenticate', cluster, hostId, publicKey, nonce, proof, signature }),
    )
  }

  private admit(proof: Uint8Array, present: readonly HostId[]): void {
    const expected = this.expectedProof
    // An impostor that lets everybody in must not be asked for the founding, nor be told who is here.
    if (expected === undefined || !sameBytes(expected, proof)) {
      this.lose('seed-unproved')
      return
    }
    this.isAdmitted = true
    this.backoff.reset()
    for (const hostId of present) if (hostId !== this.options.identity.hostId) this.present.add(hostId)
    this.heard()
    this.options.handlers.admitted()
  }

  private heard(): void {
    this.cancelTimer()
    this.cancelTimer = this.options.timers.after(pingMs, () => {
      this.send({ type: 'ping' })
      this.expect(answerMs)
    })
  }

  private expect(ms: number): void {
    this.cancelTimer()
    this.cancelTimer = this.options.timers.after(ms, () => this.lose('seed-silent'))
  }

  private lose(reason: string): void {
    const wasAdmitted = this.isAdmitted
    this.options.counters.add(reason)
    this.cancelTimer()
    this.detach()
    if (this.isOver) return
    this.cancelTimer = this.options.timers.after(this.backoff.nextMs(), () => this.connect())
    if (wasAdmitted) this.options.handlers.lost()
  }

  private detach(): void {
    const { socket } = this
    this.socket = undefined
    this.isAdmitted = false
    this.expectedProof = undefined
    this.isProving = false
    this.present.clear()
    socket?.close()
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  let difference = left.length ^ right.length
  for (let i = 0; i < left.length; i++) difference |= (left[i] ?? 0) ^ (right[i] ?? 0)
  return difference === 0
}
