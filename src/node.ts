import { randomBytes } from 'node:crypto'
import { nodeClock } from './clock/node.ts'
import type { Host, StoreOptions } from './engine/host.ts'
import { checkHostOptions, type HostOptions, startHost } from './engine/open-host.ts'
import type { Store } from './engine/store.ts'
import { openFileStorage } from './storage/file.ts'
import { openMemoryStorage } from './storage/memory.ts'
import type { Storage } from './storage/storage.ts'
import { createMesh } from './transport/create-mesh.ts'
import { hostIdentity } from './transport/host-identity.ts'
import { signalUrls } from './transport/signal-url.ts'
import type { Rendezvous, Transport } from './transport/transport.ts'
import { loadNodeRtc } from './transport/webrtc-node.ts'
import { openNodeSocket } from './transport/websocket-node.ts'

export * from './index.ts'

export interface NodeHostOptions extends HostOptions {
  /** Addresses of seeds: `http://host:port`, `ws://…` or their encrypted forms. A host without any knows nobody new. */
  readonly seeds?: readonly string[]
  /** Folder of the host. Without one it keeps all in memory, and is a new host after each start. */
  readonly data?: string
  /** A storage of one's own in place of a folder; the host closes it. */
  readonly storage?: Storage
  /** Direct connections only from and to this address. Default: every address of the machine. */
  readonly bindAddress?: string
  /** Where the founding is granted, in place of the seeds: for the process that is the seed. */
  readonly rendezvous?: Rendezvous
}

/**
 * Starts a host in this process. Rejects with STORAGE_LOCKED, STORAGE_CORRUPT or STORAGE_FAILED where the folder
 * cannot be used, TypeError where an option is wrong. Whether a cluster can be reached shows in `host.store()`.
 */
export async function openHost(options: NodeHostOptions): Promise<Host> {
  checkHostOptions(options)
  const { cluster, secret, role, deadlineMs, tickMs, webrtc = 'auto', iceServers = [], seeds = [] } = options
  const urls = signalUrls(seeds)
  const storage = options.storage ?? (await openStorage(options.data))
  let transport: Transport | undefined
  try {
    const stored = await storage.load()
    const identity = await hostIdentity(storage, stored)
    const { bindAddress } = options
    const mesh = await createMesh({
      identity,
      cluster,
      secret,
      urls,
      webrtc,
      iceServers,
      environment: {
        openSocket: openNodeSocket,
        loadRtc: () => loadNodeRtc(bindAddress === undefined ? {} : { bindAddress }),
        timers: nodeClock,
        random: Math.random,
      },
    })
    transport = mesh.transport
    const parts = {
      id: identity.hostId,
      storage,
      transport,
      rendezvous: options.rendezvous ?? mesh.rendezvous,
      clock: nodeClock,
      random: Math.random,
      newDeployment: () => randomBytes(16).toString('hex'),
    }
    return startHost(parts, stored, { cluster, role, deadlineMs, tickMs, authorize: options.authorize })
  } catch (error) {
    await transport?.close()
    await storage.close()
    throw error
  }
}

/** `openHost`, then its store; closing the store closes the host. */
export async function open(
  options: NodeHostOptions & StoreOptions & { readonly name?: string },
): Promise<Store> {
  const host = await openHost(options)
  try {
    return await host.soleStore(options.name, options)
  } catch (error) {
    await host.close()
    throw error
  }
}

function openStorage(folder: string | undefined): Promise<Storage> {
  return folder === undefined ? openMemoryStorage() : openFileStorage(folder)
}
