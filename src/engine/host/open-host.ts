import { assert } from '../../base/assert.ts'
import type { StoredHost } from '../../storage/storage.ts'
import type { Authorize } from '../../transport/transport.ts'
import { checkOptions } from '../calls/check-options.ts'
import { checkPriority } from '../membership/check-priority.ts'
import { type EngineOptions, engineDefaults, type HostParts } from '../parts.ts'
import { Host, type StartReplicas } from './host.ts'

/** What every platform's `openHost` takes. */
export interface HostOptions {
  /** Name of the cluster. Hosts of one name, secret and seed find each other. 1 to 64 characters. */
  readonly cluster: string
  /** What the members share and strangers do not know. It never leaves the host: it is proved, not sent. */
  readonly secret: string
  /**
   * A 'member' (default) holds a replica of every store it opens; a 'client' works through hosts that do. A 'witness'
   * works through others, too, but takes part in deciding once it is promoted: it votes and acknowledges, and gets and
   * keeps no value. So two members and a witness survive the loss of any one. Alone with a member it can lose what only
   * the other one held, as a single copy is lost. What a host joined as it stays.
   */
  readonly role?: 'member' | 'client' | 'witness'
  /**
   * How much this host shall lead: an integer from 0. A leader hands over to a connected voter of a higher priority
   * that has the log; who wins an election does not depend on it. Default 2 in Node and 1 in a page, which has 0 while
   * it is hidden. `host.setPriority` changes it.
   */
  readonly priority?: number
  /** Milliseconds after which a call that names no deadline fails. Default 10 000. */
  readonly deadlineMs?: number
  /** 'off': never connect directly, but through the seed only. */
  readonly webrtc?: 'auto' | 'off'
  /** STUN and TURN servers. Default: none, which is enough within a local network. */
  readonly iceServers?: readonly RTCIceServer[]
  /**
   * Asked about each peer whenever it connects, before anything of a store goes to it or comes from it. The peer has
   * proved its id and the secret already. Whoever is answered by anything but true, by an error, or not within 5 s is
   * refused: its channels close (`unauthorized` in `host.info().counters`), and half a minute later it may try again.
   * Each host asks for itself; without a rule everybody who knows the secret is let in.
   */
  readonly authorize?: Authorize
  /** Milliseconds between two ticks of the Raft clock; elections take 20 to 40 of them. Alike on all hosts. */
  readonly tickMs?: number
}

/** Throws TypeError on what is no option of a host. */
export function checkHostOptions(options: HostOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('a host needs its options')
  checkOptions(options)
  const { cluster, secret, deadlineMs, tickMs, role, priority = 0, authorize } = options
  checkClusterName(cluster)
  if (typeof secret !== 'string' || secret === '')
    throw new TypeError('secret must be a string that is not empty')
  for (const [name, ms] of Object.entries({ deadlineMs, tickMs })) {
    if (ms !== undefined && !(ms > 0)) throw new TypeError(`${name} must be a number above 0`)
  }
  if (authorize !== undefined && typeof authorize !== 'function')
    throw new TypeError('authorize is a function')
  checkPriority(priority)
  if (role !== undefined && !['member', 'client', 'witness'].includes(role)) {
    throw new TypeError("role is 'member', 'client' or 'witness'")
  }
}

export function checkClusterName(cluster: unknown): void {
  if (typeof cluster !== 'string' || !/^[\w.-]{1,64}$/.test(cluster)) {
    throw new TypeError('cluster must have 1 to 64 letters, digits, dots, dashes or underscores')
  }
}

/** Starts a host from its parts, with storage that was loaded. Without `startReplicas` it can be a client only. */
export function startHost(
  parts: HostParts,
  stored: StoredHost,
  options: GivenOptions,
  startReplicas: StartReplicas | undefined,
): Host {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const all = { ...engineDefaults, ...given, cluster: options.cluster }
  const isClient = all.role === 'client'
  assert(isClient || startReplicas !== undefined, 'whoever is no client has replicas')
  return Host.start(parts, all, stored, isClient ? undefined : startReplicas)
}

type GivenOptions = { readonly [Name in keyof EngineOptions]?: EngineOptions[Name] | undefined } & {
  readonly cluster: string
}
