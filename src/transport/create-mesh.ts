import type { Random } from '../base/random.ts'
import type { HostId } from '../core/types.ts'
import type { Storage, StoredHost } from '../storage/storage.ts'
import { Counters } from './counters.ts'
import { EnvelopeSealer } from './envelope.ts'
import { GuardedTransport } from './guarded-transport.ts'
import { hostIdentity } from './host-identity.ts'
import type { Identity } from './identity.ts'
import type { LinkHandlers } from './link.ts'
import { Mesh } from './mesh.ts'
import { Relay } from './relay.ts'
import type { Rtc } from './rtc.ts'
import { deriveClusterKeys } from './secret.ts'
import type { Session } from './session.ts'
import { signalUrls } from './signal-url.ts'
import { Signaling } from './signaling.ts'
import type { OpenSocket } from './socket.ts'
import type { Timers } from './timers.ts'
import type { Authorize, Rendezvous, Transport } from './transport.ts'
import { WebRtc } from './webrtc.ts'

/** What the platform gives: `node.ts` and `browser.ts` name theirs. */
export interface MeshEnvironment {
  readonly openSocket: OpenSocket
  /** Undefined where there is no WebRTC: all frames go through the seed then. */
  readonly loadRtc: (() => Promise<Rtc>) | undefined
  readonly timers: Timers
  readonly random: Random
  /** Calls back when the page is about to go, so that its peers hear of it at once. */
  readonly onLeave?: (callback: () => void) => void
}

export interface CreateMeshOptions {
  readonly identity: Identity
  readonly cluster: string
  readonly secret: string
  /** WebSocket addresses of seeds, `/v1/signal` and all. The first is asked for the founding. */
  readonly urls: readonly string[]
  /** 'off': do without direct connections. */
  readonly webrtc?: 'auto' | 'off' | undefined
  /** False: do without the relay, so that frames only ever go directly. */
  readonly relay?: boolean
  readonly iceServers?: readonly RTCIceServer[] | undefined
  readonly authorize?: Authorize | undefined
  readonly environment: MeshEnvironment
}

/** The transport of a real host and its rendezvous, put together from their adapters. */
export interface CreatedMesh {
  readonly transport: Transport
  readonly rendezvous: Rendezvous
}

export interface HostMeshOptions extends Omit<CreateMeshOptions, 'identity' | 'urls'> {
  readonly storage: Storage
  readonly stored: StoredHost
  /** Addresses of seeds, in any of their forms. */
  readonly seeds: readonly string[]
}

export interface CreatedHostMesh extends CreatedMesh {
  readonly id: HostId
}

/** The mesh of the host that owns the storage. Throws TypeError on an address that is none. */
export async function createHostMesh(options: HostMeshOptions): Promise<CreatedHostMesh> {
  const urls = signalUrls(options.seeds)
  const identity = await hostIdentity(options.storage, options.stored)
  return { id: identity.hostId, ...(await createMesh({ ...options, identity, urls })) }
}

/** Begins to connect to the seeds at once; peers are dialled when `start` was called and they are wanted. */
export async function createMesh(options: CreateMeshOptions): Promise<CreatedMesh> {
  const { identity, urls, environment } = options
  const { timers, random, openSocket, loadRtc } = environment
  const keys = await deriveClusterKeys(options.cluster, options.secret)
  const counters = new Counters()
  const signaling = new Signaling({ urls, identity, keys, openSocket, timers, random, counters })
  const relay = options.relay === false ? undefined : new Relay({ carrier: signaling, timers, counters })
  const webRtc =
    loadRtc === undefined || options.webrtc === 'off'
      ? undefined
      : new WebRtc({ loadRtc, iceServers: options.iceServers ?? [], counters })
  const mesh = new Mesh({
    self: identity.hostId,
    signaling,
    sealer: new EnvelopeSealer(identity, keys),
    makers: {
      direct: webRtc && ((session: Session, handlers: LinkHandlers) => webRtc.makeLink(session, handlers)),
      relay: relay && ((session: Session, handlers: LinkHandlers) => relay.makeLink(session, handlers)),
    },
    relay,
    timers,
    random,
    counters,
  })
  environment.onLeave?.(() => mesh.reconnect())
  const { authorize } = options
  const transport = authorize === undefined ? mesh : new GuardedTransport(mesh, authorize, timers)
  return { transport, rendezvous: signaling }
}
