import { nodeClock } from './clock/node.ts'
import type { Host, StoreOptions } from './engine/host/host.ts'
import { checkHostOptions, type HostOptions } from './engine/host/open-host.ts'
import { startReplicas } from './engine/host/replicas.ts'
import type { Store } from './engine/store/store.ts'
import { openHostOn, openSoleStore, type Platform } from './open.ts'
import { nodeDeflate } from './storage/deflate-node.ts'
import { openFileStorage } from './storage/file.ts'
import { openMemoryStorage } from './storage/memory.ts'
import type { Storage } from './storage/storage.ts'
import { createHostMesh } from './transport/create-mesh.ts'
import type { Rendezvous } from './transport/transport.ts'
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
 * Starts a host in this process. Rejects with STORAGE_LOCKED, STORAGE_CORRUPT, STORAGE_FAILED or UNSUPPORTED where the
 * folder cannot be used, TypeError where an option is wrong. Whether a cluster can be reached shows in `host.store()`.
 */
export async function openHost(options: NodeHostOptions): Promise<Host> {
  checkHostOptions(options)
  const { cluster, secret, webrtc, iceServers, seeds = [], bindAddress } = options
  const storage = options.storage ?? (await openStorage(options.data))
  const environment = {
    openSocket: openNodeSocket,
    loadRtc: () => loadNodeRtc(bindAddress === undefined ? {} : { bindAddress }),
    timers: nodeClock,
    random: Math.random,
  }
  const connect: Platform['connect'] = async stored => {
    const given = { cluster, secret, seeds, webrtc, iceServers, authorize: options.authorize }
    const meshOptions = { storage, stored, ...given, environment }
    const mesh = await createHostMesh(meshOptions)
    return { ...mesh, rendezvous: options.rendezvous ?? mesh.rendezvous }
  }
  const platform = { storage, clock: nodeClock, connect, startReplicas, deflate: nodeDeflate }
  return openHostOn(platform, { priority: 2, ...options })
}

/** `openHost`, then its store; closing the store closes the host. */
export async function open(
  options: NodeHostOptions & StoreOptions & { readonly name?: string },
): Promise<Store> {
  return openSoleStore(await openHost(options), options)
}

function openStorage(folder: string | undefined): Promise<Storage> {
  return folder === undefined ? openMemoryStorage() : openFileStorage(folder)
}
