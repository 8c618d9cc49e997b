import type { DeploymentId, HostId } from '../../core/types.ts'
import type { Lane, Transport } from '../../transport/transport.ts'
import { encodeOnce } from '../../wire/codec.ts'
import { encodeFrame, type FrameKind } from '../../wire/frames.ts'

/** What leaves the host, at once. Frames are unreliable: whoever needs an answer asks again. */
export class Sender {
  readonly counted = { framesSent: 0, bytesSent: 0 }
  private readonly transport: Transport
  private readonly deployment: () => DeploymentId | undefined

  constructor(transport: Transport, deployment: () => DeploymentId | undefined) {
    this.transport = transport
    this.deployment = deployment
  }

  /** False when it was dropped at once. */
  send(to: HostId, lane: Lane, kind: FrameKind, body: unknown): boolean {
    return this.sendBody(to, lane, kind, encodeOnce(body))
  }

  /** `send` of bytes. Before the cluster is known there is nothing to say, and nobody to say it to. */
  sendBody(to: HostId, lane: Lane, kind: FrameKind, body: Uint8Array): boolean {
    const deployment = this.deployment()
    if (deployment === undefined) return false
    const frame = encodeFrame(deployment, kind, body)
    this.counted.framesSent += 1
    this.counted.bytesSent += frame.length
    return this.transport.send(to, lane, frame)
  }
}
