import { replayWindow } from '../core/limits.ts'
import type { HostId } from '../core/types.ts'

interface Peer {
  highest: number
  readonly recent: Set<number>
}

/**
 * Knows numbered frames that come twice. A transport should not repeat one, but what is served twice may take effect
 * behind the answer that it did not. Peers number upwards; what is too far behind to be told counts as repeated, too
 * (the window of IPsec, RFC 4303 §3.4.3).
 */
export class ReplayGuard {
  private readonly peers = new Map<HostId, Peer>()

  isRepeated(from: HostId, number: number): boolean {
    const peer = this.peers.get(from) ?? { highest: 0, recent: new Set() }
    this.peers.set(from, peer)
    if (number <= peer.highest - replayWindow || peer.recent.has(number)) return true
    peer.highest = Math.max(peer.highest, number)
    peer.recent.add(number)
    if (peer.recent.size > 2 * replayWindow) {
      for (const old of peer.recent) if (old <= peer.highest - replayWindow) peer.recent.delete(old)
    }
    return false
  }

  /** The connection is over, and no frame of it comes any more. Its next life may number from anywhere. */
  forget(peer: HostId): void {
    this.peers.delete(peer)
  }
}
