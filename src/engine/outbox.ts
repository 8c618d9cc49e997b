import { appendBytesMax } from '../core/limits.ts'
import type { Message } from '../core/raft/message.ts'
import type { DeploymentId, GroupId, HostId } from '../core/types.ts'
import type { Lane, Transport } from '../transport/transport.ts'
import { encodeShared } from '../wire/codec.ts'
import { encodeFrame, type FrameKind } from '../wire/frames.ts'
import { encodeRaftBody } from '../wire/message-codec.ts'

/** Raft messages of one turn that go the same way. */
type Bundle = Map<GroupId, Message[]>

/**
 * What leaves the host. Raft messages are gathered over one turn, so that all groups of a pair of hosts share a frame;
 * everything else leaves at once. Frames are unreliable: whoever needs an answer asks again.
 */
export class Outbox {
  private readonly transport: Transport
  private readonly deployment: () => DeploymentId | undefined
  private readonly bundles: Record<'control' | 'log', Map<HostId, Bundle>> = {
    control: new Map(),
    log: new Map(),
  }

  constructor(transport: Transport, deployment: () => DeploymentId | undefined) {
    this.transport = transport
    this.deployment = deployment
  }

  /** Sends any body but Raft messages, now. False when it was dropped at once. */
  send(to: HostId, lane: Lane, kind: FrameKind, body: unknown): boolean {
    return this.sendBody(to, lane, kind, encodeShared(body))
  }

  /** Hands proposals to the leader's host, now. False when the first of them was dropped at once. */
  propose(to: HostId, group: GroupId, proposals: readonly Uint8Array[]): boolean {
    let isSent = true
    for (const batch of batches(proposals)) isSent = this.send(to, 'log', 'propose', [group, batch]) && isSent
    return isSent
  }

  /** Queues a Raft message until the end of the turn. */
  raft(to: HostId, group: GroupId, message: Message): void {
    // All appends of a peer share the log lane, with or without entries: one that overtakes another is refused there.
    const bundles = this.bundles[message.type === 'MsgApp' ? 'log' : 'control']
    let bundle = bundles.get(to)
    if (bundle === undefined) {
      bundle = new Map()
      bundles.set(to, bundle)
    }
    const messages = bundle.get(group)
    if (messages === undefined) bundle.set(group, [message])
    else messages.push(message)
  }

  /** Ends the turn. Heartbeats and votes first. */
  flush(): void {
    for (const lane of ['control', 'log'] as const) {
      const bundles = this.bundles[lane]
      if (bundles.size === 0) continue
      for (const [to, bundle] of bundles) this.flushBundle(to, lane, bundle)
      bundles.clear()
    }
  }

  private flushBundle(to: HostId, lane: Lane, bundle: Bundle): void {
    this.sendBody(to, lane, 'raft', encodeRaftBody(bundle))
  }

  /** Before the cluster is known there is nothing to say, and nobody to say it to. */
  private sendBody(to: HostId, lane: Lane, kind: FrameKind, body: Uint8Array): boolean {
    const deployment = this.deployment()
    return deployment !== undefined && this.transport.send(to, lane, encodeFrame(deployment, kind, body))
  }
}

/** Pieces of about `appendBytesMax`, at least one proposal each: a frame has a bound. */
function* batches(proposals: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for (const proposal of proposals) {
    if (batch.length > 0 && bytes + proposal.length > appendBytesMax) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(proposal)
    bytes += proposal.length
  }
  if (batch.length > 0) yield batch
}
