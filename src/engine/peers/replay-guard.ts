import { replayWindow } from '../../core/limits.ts'
import type { HostId } from '../../core/types.ts'

/**
 * Knows numbered frames that come twice. A transport should not repeat one, but what is served twice may take effect
 * behind the answer that it did not. Numbers are a peer's own and begin at random in each of its lives, so that nothing
 * can be told from their order.
 */
export class ReplayGuard {
  private readonly peers = new Map<HostId, Set<number>>()

  isRepeated(from: HostId, number: number): boolean {
    const recent = this.peers.get(from) ?? new Set()
    this.peers.set(from, recent)
    if (recent.has(number)) return true
    recent.add(number)
    if (recent.size > replayWindow) for (const oldest of recent) return !recent.delete(oldest)
    return false
  }

  /** The connection is over, and no frame of it comes any more. */
  forget(peer: HostId): void {
    this.peers.delete(peer)
  }
}
