import type { HostId } from '../core/types.ts'
import { verifierOf } from '../transport/identity.ts'
import { type ClusterKeys, randomBytes } from '../transport/secret.ts'
import { nonceBytes } from '../transport/session.ts'
import {
  type Authentication,
  admissionText,
  decodeHostMessage,
  encodeSeedMessage,
  type HostMessage,
  isRelayed,
  type RefusalCode,
  type SeedMessage,
} from '../transport/signaling-protocol.ts'
import type { ServerSocket } from '../transport/websocket-node.ts'
import { MalformedError } from '../wire/codec.ts'
import type { SignalingLimits } from './signaling-limits.ts'
import { TokenBucket } from './token-bucket.ts'

/** What a connection asks of the signaling server it belongs to. */
export interface ConnectionHooks {
  readonly keys: ClusterKeys
  readonly limits: SignalingLimits
  count(reason: string): void
  /** A further judge of hosts that proved who they are and that they know the secret. */
  verify(hostId: HostId, publicKey: Uint8Array): Promise<boolean>
  /** The host is in: from now on it is present. Gives all hosts that are. */
  admitted(connection: SignalingConnection, hostId: HostId): readonly HostId[]
  message(connection: SignalingConnection, from: HostId, message: Exclude<HostMessage, Authentication>): void
  /** The bytes may be written to. */
  relayed(from: HostId, bytes: Uint8Array): void
  closed(connection: SignalingConnection): void
}

/** One WebSocket of a host: proves who it is, keeps it within its limits, and hands on what it says. */
export class SignalingConnection {
  /** Undefined until the host has proved it. */
  hostId: HostId | undefined
  private readonly socket: ServerSocket
  private readonly hooks: ConnectionHooks
  private readonly seedNonce = randomBytes(nonceBytes)
  private readonly messages: TokenBucket
  private readonly bytes: TokenBucket
  /** Ends an attempt to authenticate that takes too long, then a host that fell silent. */
  private timer: NodeJS.Timeout
  private resumeTimer: NodeJS.Timeout | undefined
  private isProving = false
  private isClosed = false

  constructor(socket: ServerSocket, hooks: ConnectionHooks) {
    this.socket = socket
    this.hooks = hooks
    const { limits } = hooks
    const nowMs = performance.now()
    this.messages = new TokenBucket({
      perSecond: limits.messagesPerSecond,
      burst: limits.messagesBurst,
      nowMs,
    })
    this.bytes = new TokenBucket({ perSecond: limits.bytesPerSecond, burst: limits.bytesBurst, nowMs })
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data, isBinary) => this.receive(data, isBinary))
    // The close event follows; what the error says (a payload above the limit, say) is the client's business.
    socket.on('error', () => hooks.count('socket-error'))
    socket.on('close', () => this.end())
    this.timer = setTimeout(() => this.drop('unauthenticated-timeout'), limits.authenticationMs)
    this.send({ type: 'challenge', nonce: this.seedNonce })
  }

  send(message: SeedMessage): void {
    this.sendBytes(encodeSeedMessage(message))
  }

  sendBytes(bytes: Uint8Array): void {
    if (this.isClosed) return
    if (this.socket.bufferedAmount + bytes.length > this.hooks.limits.bufferedBytesMax) {
      this.drop('slow-consumer')
      return
    }
    this.socket.send(bytes)
  }

  refuse(code: RefusalCode, message: string): void {
    this.send({ type: 'refused', code, message })
    this.hooks.count(`refused-${code.toLowerCase()}`)
    this.close()
  }

  /** Ends the connection at once: nothing that waits in it is worth keeping. */
  drop(reason: string): void {
    this.hooks.count(reason)
    this.end()
    this.socket.terminate()
  }

  close(): void {
    this.end()
    this.socket.close()
    // A client that does not answer the closing handshake must not hold the socket.
    setTimeout(() => this.socket.terminate(), 1_000).unref()
  }

  private receive(data: unknown, isBinary: boolean): void {
    if (this.isClosed) return
    if (!isBinary || !(data instanceof Uint8Array)) {
      this.drop('malformed')
      return
    }
    this.throttle(data.length)
    try {
      this.handle(data)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.drop('malformed')
    }
  }

  private handle(bytes: Uint8Array): void {
    if (this.hostId === undefined) {
      const message = decodeHostMessage(bytes)
      if (message.type !== 'authenticate' || this.isProving) throw new MalformedError('not the time for this')
      this.isProving = true
      void this.authenticate(message)
      return
    }
    this.timer.refresh()
    if (isRelayed(bytes)) {
      this.hooks.relayed(this.hostId, bytes)
      return
    }
    const message = decodeHostMessage(bytes)
    if (message.type === 'authenticate') throw new MalformedError('not the time for this')
    this.hooks.message(this, this.hostId, message)
  }

  private async authenticate(message: Authentication): Promise<void> {
    let code: RefusalCode | undefined
    try {
      code = await this.judge(message)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.drop('malformed')
      return
    }
    if (this.isClosed) return
    if (code !== undefined) {
      // One text for every reason: a stranger learns nothing from it.
      this.refuse(
        code,
        code === 'WRONG_CLUSTER' ? 'Another cluster lives here.' : 'The seed refused this host.',
      )
      return
    }
    const bound = {
      cluster: message.cluster,
      hostId: message.hostId,
      seedNonce: this.seedNonce,
      nonce: message.nonce,
    }
    const proof = await this.hooks.keys.admission.mac(admissionText('seed', bound))
    if (this.isClosed) return
    this.hostId = message.hostId
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.drop('silent'), this.hooks.limits.silenceMs)
    this.send({ type: 'welcome', proof, present: this.hooks.admitted(this, message.hostId) })
  }

  private async judge(message: Authentication): Promise<RefusalCode | undefined> {
    const { keys } = this.hooks
    const { cluster, hostId, publicKey, nonce, proof, signature } = message
    if (cluster !== keys.cluster) return 'WRONG_CLUSTER'
    const proven = admissionText('host', { cluster, hostId, seedNonce: this.seedNonce, nonce })
    if (!(await keys.admission.verify(proof, proven))) return 'UNAUTHORIZED'
    const verifier = await verifierOf(publicKey)
    if (verifier.hostId !== hostId || !(await verifier.verify(signature, proven))) return 'UNAUTHORIZED'
    return (await this.hooks.verify(hostId, publicKey)) ? undefined : 'UNAUTHORIZED'
  }

  // Reading is paused instead of anything being lost: TCP makes the sender wait.
  private throttle(bytes: number): void {
    const nowMs = performance.now()
    const waitMs = Math.max(this.messages.take(1, nowMs), this.bytes.take(bytes, nowMs))
    if (waitMs === 0 || this.resumeTimer !== undefined) return
    this.hooks.count('throttled')
    this.socket.pause()
    this.resumeTimer = setTimeout(() => {
      this.resumeTimer = undefined
      this.socket.resume()
    }, waitMs)
  }

  private end(): void {
    if (this.isClosed) return
    this.isClosed = true
    clearTimeout(this.timer)
    clearTimeout(this.resumeTimer)
    this.hooks.closed(this)
  }
}
