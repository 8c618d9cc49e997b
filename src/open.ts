import { toHex } from './base/bytes.ts'
import type { Clock } from './clock/clock.ts'
import type { DeploymentId } from './core/types.ts'
import type { Host, StartReplicas, StoreOptions } from './engine/host/host.ts'
import { type HostOptions, startHost } from './engine/host/open-host.ts'
import type { HostParts } from './engine/parts.ts'
import type { Store } from './engine/store/store.ts'
import type { Deflate, Storage, StoredHost } from './storage/storage.ts'

/** What `browser.ts` and `node.ts` bring, each its own. */
export interface Platform {
  readonly storage: Storage
  readonly clock: Clock
  /** The network of the host whose storage holds this. */
  readonly connect: (stored: StoredHost) => Promise<Pick<HostParts, 'id' | 'transport' | 'rendezvous'>>
  /** What a host needs that is no client. */
  readonly startReplicas: StartReplicas | undefined
  readonly deflate: Deflate | undefined
}

/** Starts a host on a platform. Where that fails, what was opened for it is closed. */
export async function openHostOn(platform: Platform, options: HostOptions): Promise<Host> {
  const { storage, clock, connect, startReplicas, deflate } = platform
  let close = (): Promise<void> => storage.close()
  try {
    const stored = await storage.load()
    const network = await connect(stored)
    close = () => network.transport.close().then(() => storage.close())
    const { cluster, role, priority, deadlineMs, tickMs } = options
    const parts = { ...network, storage, clock, deflate, random: Math.random, newDeployment }
    return startHost(parts, stored, { cluster, role, priority, deadlineMs, tickMs }, startReplicas)
  } catch (error) {
    await close()
    throw error
  }
}

/** The one store of a host that was opened for it: closing the store closes the host. */
export async function openSoleStore(
  host: Host,
  options: StoreOptions & { readonly name?: string },
): Promise<Store> {
  try {
    return await host.soleStore(options.name, options)
  } catch (error) {
    await host.close()
    throw error
  }
}

function newDeployment(): DeploymentId {
  return toHex(crypto.getRandomValues(new Uint8Array(16)))
}
