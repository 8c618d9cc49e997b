import { access, constants } from 'node:fs/promises'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { assert } from '../base/assert.ts'
import { isQuorateError, QuorateError } from '../core/error.ts'
import type { DeploymentId } from '../core/types.ts'
import type { Host, StoreOptions } from '../engine/host/host.ts'
import { checkClusterName } from '../engine/host/open-host.ts'
import type { Store } from '../engine/store/store.ts'
import type { StoreHooks } from '../engine/store-hooks.ts'
import { openHost } from '../node.ts'
import { makeDirectory } from '../storage/file-system.ts'
import type { Authorize, Rendezvous } from '../transport/transport.ts'
import { Founding, type FoundingStore, fileFoundingStore } from './founding.ts'
import { isLoopback } from './http-guard.ts'
import { SeedDoor } from './seed-door.ts'
import { keptSecret } from './seed-secret.ts'
import { createSignaling, type SignalingOptions } from './signaling.ts'

export interface SeedOptions {
  /** Default 8080; 0 takes any free one. */
  readonly port?: number
  /** Address to listen on. Default 127.0.0.1. One that others can reach needs a `secret`. */
  readonly host?: string
  /** Folder of the seed: its founding, its generated secret, its part of the store. Default `.quorate`. */
  readonly data?: string
  /** Default `demo`. */
  readonly cluster?: string
  /**
   * The secret of the cluster. Without it one is made, kept in `data`, and told to the page that the seed
   * serves.
   */
  readonly secret?: string
  /** No host and no store of its own: it introduces the others to each other, and grants the founding. */
  readonly signalOnly?: boolean
  /**
   * Its host is a witness: it founds nothing and keeps no values, and votes once it is promoted. With two other voters
   * that keep values, two tabs say, the loss of any one is survived. What its folder joined as it stays.
   */
  readonly witness?: boolean
  /**
   * Founds nothing, and grants no founding: the cluster exists. Where the folder knows no cluster, the first host that
   * belongs to one says which, and this seed joins it, as a new learner. So a seed that lost its folder comes back to
   * the members that it left, and never founds a second cluster beside theirs. Without effect on a folder that knows
   * one.
   */
  readonly join?: boolean
  /** Folder of the built demo, served at `/`. */
  readonly demo?: string
  /**
   * A listening HTTP server to be mounted on, in place of `host` and `port`. It is not closed with the seed.
   */
  readonly server?: Server
  /** Names besides the loopback ones by which a seed without a `secret` may be called. */
  readonly hostNames?: readonly string[]
  /** Hears of errors that nobody waits for. Default: they are thrown as uncaught. */
  readonly onError?: (error: unknown) => void
  /**
   * Hears of each founding besides its own that somebody belongs to who comes to this seed: two clusters of one name go
   * on beside each other (WRONG_CLUSTER, which says what to do). The seed serves on. Default: nobody hears of it but in
   * the counter `foreign` of the signaling.
   */
  readonly onForeign?: (error: QuorateError) => void
  /** Who may talk to the seed's host; see `openHost`. */
  readonly authorize?: Authorize
  /** What the application adds to the seed's store from its start: a seed leads more often than anybody else. */
  readonly hooks?: StoreHooks
  /** Ends the start. */
  readonly signal?: AbortSignal
}

/** A running seed. */
export interface Seed {
  readonly url: string
  readonly cluster: string
  readonly secret: string
  /** Undefined on a seed that only signals, as does one whose host the group has removed. */
  readonly host: Host | undefined
  /** False when no leader was known in time: the seed serves, and the others have yet to come. */
  readonly hasLeader: boolean
  /**
   * Ends the watches, hands leadership over, closes the host, then the signaling and the server. Idempotent.
   */
  close(): Promise<void>
}

/**
 * A start does not wait longer for a leader: a seed whose voters are not here yet must be reachable for them.
 */
const leaderWaitMs = 5_000
const retryMs = 500

/**
 * Starts a seed: signaling, a host with its replica on disk, the HTTP API and the demo. Rejects with the
 * error of the system (EADDRINUSE, say) where the port cannot be had, with a QuorateError where the data
 * folder cannot be used.
 *
 * Where the cluster is yet to be founded, the seed's own host is the founder: nobody is let in before it is.
 */
export async function startSeed(options: SeedOptions = {}): Promise<Seed> {
  const { data = '.quorate', cluster = 'demo', signalOnly = false } = options
  const { host: address = '127.0.0.1', onError = throwLater } = options
  checkClusterName(cluster)
  if (signalOnly && options.witness === true) throw new TypeError('a witness has a part in the store')
  const isSecretOwn = options.secret === undefined
  if (isSecretOwn && options.server === undefined && !isLoopback(address)) {
    throw new TypeError(`others can reach a seed on ${address}: it needs a secret`)
  }
  await makeFolder(data)
  const secret = options.secret ?? (await keptSecret(join(data, 'secret')))
  const door = await SeedDoor.open({ ...options, address, cluster, secret, isSecretOwn, onError })
  const founding = fileFoundingStore(join(data, 'founding.json'))
  // Once: a seed that learns late that it was removed has let others in already, and they stay where they are.
  const letIn = async () => {
    if (door.isOpen) return
    const onForeign = tellOnce(cluster, options.onForeign)
    const mayFound = options.join !== true
    door.letIn(await createSignaling({ cluster, secret, founding, onError, onForeign, mayFound }))
  }
  try {
    const started = signalOnly
      ? await startSignalOnly(door, letIn)
      : await startMember({ ...options, data, cluster, secret, onError, door, founding, letIn })
    return { url: door.url, cluster, secret, ...started, close: () => door.close() }
  } catch (error) {
    await door.close()
    throw error
  }
}

type Started = Pick<Seed, 'host' | 'hasLeader'>

async function startSignalOnly(door: SeedDoor, letIn: () => Promise<void>): Promise<Started> {
  await letIn()
  door.serve({ type: 'signal-only' })
  return { host: undefined, hasLeader: true }
}

interface HostStart {
  readonly data: string
  readonly cluster: string
  readonly secret: string
  readonly door: SeedDoor
  readonly founding: FoundingStore
  readonly letIn: () => Promise<void>
  readonly onError: (error: unknown) => void
  readonly authorize?: Authorize
  readonly hooks?: StoreHooks
  readonly signal?: AbortSignal
  readonly witness?: boolean
  readonly join?: boolean
}

/**
 * A removed host has no store any more. Its seed goes on without one: the page and the introductions are all that
 * the others have to find each other by.
 */
async function startMember(start: HostStart): Promise<Started> {
  try {
    return await startHost(start)
  } catch (error) {
    if (!isQuorateError(error, 'REMOVED')) throw error
    await start.door.closeHost()
    return startSignalOnly(start.door, start.letIn)
  }
}

async function startHost({
  data,
  cluster,
  secret,
  door,
  letIn,
  onError,
  signal,
  witness = false,
  ...start
}: HostStart): Promise<Started> {
  const founding = new Founding(start.founding)
  let recorded: Promise<void> | undefined
  const founds: Rendezvous = {
    found: deployment => {
      assert(deployment !== undefined, "a seed's own host is a member, and would found")
      return founding.adopt({ founder: host.id, deployment })
    },
    // A record that was lost beside the host's own data is there again before anybody else may found.
    belong: (grant, heard) => {
      recorded = founding.adopt(grant).then(standing => heard(standing, door.url))
      // Whoever waits for it below is told of the failure.
      recorded.catch(() => undefined)
    },
  }
  // A witness waits for the others like anybody else.
  const waits = witness || start.join === true
  const isOpenFromStart = waits || (await start.founding.load()) !== undefined
  const host: Host = await openHost({
    cluster,
    secret,
    seeds: [door.url],
    data: join(data, 'host'),
    ...(start.authorize && { authorize: start.authorize }),
    ...(witness && { role: 'witness' }),
    ...(!waits && { rendezvous: founds }),
  })
  door.closeHost = () => host.close()
  host.on('error', onError)
  // A host that lost its part of the store, or its fellow voters, needs them to come in before anything else.
  if (isOpenFromStart) await letIn()
  const opened = openPatiently(host, { ...start.hooks, ...(signal && { signal }) }).then(async store => {
    await recorded
    if (!isOpenFromStart) await letIn()
    door.serve({ type: 'host', host, store })
  })
  const hasLeader = await Promise.race([
    opened.then(() => knowsLeader(host, signal)),
    pause(leaderWaitMs, signal),
  ])
  // From now on nobody waits for it.
  opened.catch(error => signal?.aborted === true || isQuorateError(error, 'CLOSED') || onError(error))
  return { host, hasLeader: hasLeader === true }
}

/** The store of the seed, whenever it comes; only what time cannot heal is thrown. */
async function openPatiently(host: Host, options: StoreOptions): Promise<Store> {
  for (;;) {
    try {
      return await host.store('main', { ...options, waitForLeader: false })
    } catch (error) {
      if (!isQuorateError(error) || !error.retryable) throw error
      await pause(retryMs, options.signal)
    }
  }
}

async function knowsLeader(host: Host, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await host.store('main', { deadlineMs: leaderWaitMs, ...(signal && { signal }) })
    return true
  } catch (error) {
    if (isQuorateError(error, 'NO_LEADER')) return false
    throw error
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await makeDirectory(path)
    await access(path, constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new QuorateError('STORAGE_FAILED', `the data folder ${path} cannot be written (${code})`, {
      cause: error,
    })
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return setTimeout(ms, undefined, { ref: false, ...(signal && { signal }) })
}

/** At most so many other foundings are told of: the counter has all that come. */
const foreignMax = 16

function tellOnce(cluster: string, onForeign: SeedOptions['onForeign']): SignalingOptions['onForeign'] {
  const told = new Set<DeploymentId>()
  return (host, { deployment }, standing) => {
    if (told.has(deployment) || told.size >= foreignMax) return
    told.add(deployment)
    const message =
      `host ${host} belongs to another founding of cluster ${cluster} (${deployment}) than this seed ` +
      `(${standing.deployment}): they share nothing, and both go on. If this seed lost its folder, and the others ` +
      'hold what was written before, stop it, move its folder away and start it with --join. If theirs is what shall ' +
      'go, clear their storage'
    onForeign?.(new QuorateError('WRONG_CLUSTER', message, { detail: { host, deployment } }))
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
