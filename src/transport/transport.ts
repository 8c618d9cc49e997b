import type { DeploymentId, HostId } from '../core/types.ts'

/**
 * Order in which frames leave when a link is busy: heartbeats and votes, then log entries and requests, then snapshots.
 * Frames of one lane to one peer keep their order while they travel by one path; nothing else is promised.
 */
export type Lane = 'control' | 'log' | 'bulk'

export const lanes: readonly Lane[] = ['control', 'log', 'bulk']

/** How frames reach a peer: over a data channel, through a seed's WebSocket, in one process, or not at all. */
export type Path = 'direct' | 'relay' | 'memory' | 'none'

/** A host that this one is connected to, and how. */
export interface PeerStatus {
  readonly hostId: HostId
  readonly path: Path
  /** Kind of the ICE candidate in use ('host', 'srflx', 'prflx', 'relay'), where the path is direct and it is known. */
  readonly candidate: string | undefined
  readonly roundTripMs: number | undefined
  readonly queuedBytes: number
}

/** Counted since start; a hostile or broken peer shows here. Every key is a reason why frames were not delivered. */
export interface TransportCounters {
  readonly [reason: string]: number
}

export interface TransportHandlers {
  /** A whole frame. The bytes are the receiver's own. Never called inside `send`. */
  frame(from: HostId, lane: Lane, frame: Uint8Array): void
  /** Frames can now be sent to the peer. Called again when the path changes (relay to direct, say). */
  connected(peer: HostId, path: Path): void
  /** Nothing can be sent to the peer any more. */
  disconnected(peer: HostId, reason: string): void
  /** Hosts of the cluster that a seed sees right now changed; see `Transport.present`. */
  presence(): void
}

/**
 * Unreliable frames between hosts of one cluster. A frame arrives whole and unchanged, once or not at all.
 * The contract, which `quorate/testing` exports as a suite that every adapter passes:
 *
 * 1. The sender named in `frame(from, …)` has proved its HostId.
 * 2. `send` never blocks and never throws for a reason of the network: it returns false when the frame was dropped at
 *    once (no path, queue full, too large) and counts it. True promises nothing.
 * 3. Queues are bounded per peer and lane, and a slow peer delays nobody else.
 * 4. `disconnected` follows the loss of the last path, once; then `connected` may follow again.
 * 5. `close` lets queued frames leave for at most `drainMs`, tells the peers, then releases everything. Idempotent.
 */
export interface Transport {
  start(handlers: TransportHandlers): void
  send(to: HostId, lane: Lane, frame: Uint8Array): boolean
  /** The peers to be connected to, from now on. Others may still connect to us. */
  want(peers: ReadonlySet<HostId>): void
  /** Hosts of the cluster that can be dialled now, as far as a seed or the connections tell. Without ourselves. */
  present(): ReadonlySet<HostId>
  peers(): readonly PeerStatus[]
  counters(): TransportCounters
  /** A bad frame was met above the transport: counted, and the peer's channels are closed when it repeats. */
  misbehaved(peer: HostId, reason: string): void
  /** Closes the peer's channels now and gives it no connection for a while; counted. */
  refuse(peer: HostId, reason: string): void
  /** Drops every connection and dials anew; nothing else is lost. */
  reconnect(): void
  close(): Promise<void>
}

/** Whether a peer, which has proved its id and the cluster's secret, may talk to this host. Anything but true: no. */
export type Authorize = (peer: HostId) => boolean | Promise<boolean>

/** Where hosts of a cluster find each other, and where its founding is granted once and durably. */
export interface Rendezvous {
  /**
   * Asks for the founding of the cluster. The first asker gets it, with the deployment it proposes; everybody else
   * (and the first one, asking again) is told who got it and that deployment. Waits until a seed answers. Who proposes
   * nothing will not found, but waits until somebody else was granted it.
   * Rejects with UNAUTHORIZED when the secret is wrong, and with `signal.reason` when aborted.
   */
  found(proposed: DeploymentId | undefined, signal: AbortSignal): Promise<Grant>
  /**
   * From now on every seed hears, whenever this host comes to it, to which founding it belongs: one that lost its
   * record has it again. What stands there, of this or of another founding, is told to `heard` each time, with the
   * address of the seed.
   */
  belong?(grant: Grant, heard: (standing: Grant, seed: string) => void): void
}

export interface Grant {
  readonly founder: HostId
  readonly deployment: DeploymentId
}
