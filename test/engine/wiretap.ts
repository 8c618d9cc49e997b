import { seededRandom } from '../../src/base/random.ts'
import type { HostId } from '../../src/core/types.ts'
import { startHost } from '../../src/engine/host/open-host.ts'
import { startReplicas } from '../../src/engine/host/replicas.ts'
import type { EngineOptions } from '../../src/engine/parts.ts'
import { openMemoryStorage } from '../../src/storage/memory.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { Lane, Transport, TransportHandlers } from '../../src/transport/transport.ts'
import { TestCluster } from './cluster.ts'

export const deployment = 'a'.repeat(32)

/** A transport with nobody at its other end: frames come from the test, and what is wrong with them is counted. */
export class Wiretap implements Transport {
  handlers: TransportHandlers | undefined
  readonly faults = new Map<string, number>()
  start(handlers: TransportHandlers): void {
    this.handlers = handlers
  }
  misbehaved(_peer: HostId, reason: string): void {
    this.faults.set(reason, (this.faults.get(reason) ?? 0) + 1)
  }
  readonly sent: { readonly to: HostId; readonly lane: Lane; readonly frame: Uint8Array }[] = []
  send(to: HostId, lane: Lane, frame: Uint8Array): boolean {
    this.sent.push({ to, lane, frame })
    return true
  }
  want = () => {}
  refuse = () => {}
  present = () => new Set<HostId>()
  peers = () => []
  counters = () => Object.fromEntries(this.faults)
  reconnect = () => {}
  close = async () => {}
}

/** A host, founder of its cluster, whose only peer is the test. */
export async function tapped(options: Partial<EngineOptions> & { readonly storage?: Storage } = {}) {
  const cluster = new TestCluster()
  const transport = new Wiretap()
  const { storage = await openMemoryStorage(), ...engine } = options
  const { timers } = cluster
  const host = startHost(
    {
      id: 'a',
      storage,
      transport,
      rendezvous: { found: async () => ({ founder: 'a', deployment }) },
      clock: {
        now: () => timers.now(),
        wall: () => 0,
        after: (ms, call) => timers.after(ms, call),
        soon: call => void timers.after(0, call),
      },
      random: seededRandom(1),
      newDeployment: () => deployment,
    },
    await storage.load(),
    { ...engine, cluster: 'test' },
    startReplicas,
  )
  return { cluster, transport, host }
}
