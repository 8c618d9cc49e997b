import type { StoredHost } from '../storage/storage.ts'
import { Host } from './host.ts'
import { type EngineOptions, engineDefaults, type HostParts } from './parts.ts'

/** What every platform's `openHost` takes. */
export interface HostOptions {
  /** Name of the cluster. Hosts of one name, secret and seed find each other. 1 to 64 characters. */
  readonly cluster: string
  /** What the members share and strangers do not know. It never leaves the host: it is proved, not sent. */
  readonly secret: string
  /** A 'member' (default) holds a replica of every store it opens; a 'client' works through hosts that do. */
  readonly role?: 'member' | 'client'
  /** Milliseconds after which a call that names no deadline fails. Default 10 000. */
  readonly deadlineMs?: number
  /** 'off': never connect directly, but through the seed only. */
  readonly webrtc?: 'auto' | 'off'
  /** STUN and TURN servers. Default: none, which is enough within a local network. */
  readonly iceServers?: readonly RTCIceServer[]
  /** Milliseconds between two ticks of the Raft clock; elections take 20 to 40 of them. Alike on all hosts. */
  readonly tickMs?: number
}

/** Throws TypeError on what is no option of a host. */
export function checkHostOptions(options: HostOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('a host needs its options')
  const { cluster, secret, deadlineMs, tickMs, role } = options
  checkClusterName(cluster)
  if (typeof secret !== 'string' || secret === '')
    throw new TypeError('secret must be a string that is not empty')
  for (const [name, ms] of Object.entries({ deadlineMs, tickMs })) {
    if (ms !== undefined && !(ms > 0)) throw new TypeError(`${name} must be a number above 0`)
  }
  if (role !== undefined && role !== 'member' && role !== 'client') {
    throw new TypeError("role is 'member' or 'client'")
  }
}

export function checkClusterName(cluster: unknown): void {
  if (typeof cluster !== 'string' || !/^[\w.-]{1,64}$/.test(cluster)) {
    throw new TypeError('cluster must have 1 to 64 letters, digits, dots, dashes or underscores')
  }
}

/** Starts a host from its parts, with storage that was loaded. */
export function startHost(parts: HostParts, stored: StoredHost, options: GivenOptions): Host {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  return Host.start(parts, { ...engineDefaults, ...given, cluster: options.cluster }, stored)
}

type GivenOptions = { readonly [Name in keyof EngineOptions]?: EngineOptions[Name] | undefined } & {
  readonly cluster: string
}
