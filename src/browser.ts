import { browserClock } from './clock/browser.ts'
import { isQuorateError, QuorateError } from './core/error.ts'
import type { Host, StoreOptions } from './engine/host/host.ts'
import { checkHostOptions, type HostOptions } from './engine/host/open-host.ts'
import type { Store } from './engine/store/store.ts'
import { openHostOn, openSoleStore, type Platform } from './open.ts'
import { lockDatabase } from './storage/indexeddb-lock.ts'
import type { Storage } from './storage/storage.ts'
import { openVolatileStorage } from './storage/volatile.ts'

export * from './index.ts'

export interface BrowserHostOptions extends HostOptions {
  /** Addresses of seeds: `http://host:port`, `ws://…` or their encrypted forms. Default: where the page came from. */
  readonly seeds?: readonly string[]
  /** Name of the IndexedDB database. Default: one for each cluster. */
  readonly database?: string
  /** A storage of one's own in place of IndexedDB; the host closes it. */
  readonly storage?: Storage
}

/**
 * Starts a host in this page. A profile has one host for each database, because it has one disk: a further tab becomes
 * a client of its own, and works through the members. Rejects with INSECURE_CONTEXT where the page is neither https
 * nor localhost, STORAGE_FAILED, STORAGE_CORRUPT or UNSUPPORTED where IndexedDB cannot be used, UNREACHABLE where the
 * rest of this library cannot be loaded, TypeError where an option is wrong.
 */
export async function openHost(options: BrowserHostOptions): Promise<Host> {
  checkHostOptions(options)
  if (!isSecureContext) {
    throw new QuorateError(
      'INSECURE_CONTEXT',
      'keys and locks need a secure context: serve the page over https, or from localhost',
    )
  }
  const { cluster, secret, webrtc, iceServers, authorize, seeds = [location.origin] } = options
  // It comes while storage is being opened.
  const loading = loaded(import('./transport/mesh-browser.ts'))
  loading.catch(() => {})
  const { role, ...opened } = await openStorage(options)
  const { storage } = opened
  const clock = browserClock()
  const connect: Platform['connect'] = async stored => {
    const { createBrowserMesh } = await loading
    const given = { cluster, secret, seeds, webrtc, iceServers, authorize }
    return createBrowserMesh(clock, { storage, stored, ...given })
  }
  const priority = () => (isHidden() ? 0 : (options.priority ?? 1))
  const platform = { ...opened, clock, connect }
  const host = await openHostOn(platform, { ...options, role, priority: priority() })
  // Whoever looks at another page may close this one, and its timers are late: others shall lead meanwhile.
  const changed = () => {
    if (host.isEnded) removeEventListener('visibilitychange', changed, true)
    else host.setPriority(priority())
  }
  addEventListener('visibilitychange', changed, true)
  return host
}

/** A worker has no page that could be hidden. */
function isHidden(): boolean {
  return typeof document !== 'undefined' && document.visibilityState === 'hidden'
}

/** `openHost`, then its store; closing the store closes the host. */
export async function open(
  options: BrowserHostOptions & StoreOptions & { readonly name?: string },
): Promise<Store> {
  return openSoleStore(await openHost(options), options)
}

/** A part of this library that a page loads when it opens a host. */
async function loaded<Module>(script: Promise<Module>): Promise<Module> {
  try {
    return await script
  } catch (cause) {
    throw new QuorateError('UNREACHABLE', 'a script could not be loaded', { retryable: true, cause })
  }
}

interface Opened extends Omit<Platform, 'clock' | 'connect'> {
  readonly role: NonNullable<HostOptions['role']>
}

/** Decides whether this page is a member or a client, and opens what it needs for that. */
async function openStorage(options: BrowserHostOptions): Promise<Opened> {
  const { cluster, role = 'member', database = `quorate-${cluster}` } = options
  // A client keeps nothing: it is another host each time.
  if (role === 'client') return clientOn(options.storage)
  const member = () => loaded(import('./browser-member.ts'))
  if (options.storage !== undefined) {
    const { startReplicas, deflate } = await member()
    return { storage: options.storage, role, startReplicas, deflate }
  }
  const release = await lockOrNothing(database)
  if (release === undefined) return clientOn()
  try {
    const { openIndexedDbStorage, startReplicas, deflate } = await member()
    const storage = await openIndexedDbStorage(database, { release })
    // Without this the browser may clear the storage when the disk fills up. Refusal is no error, just less safe.
    void navigator.storage?.persist?.().catch(() => false)
    return { storage, role, startReplicas, deflate }
  } catch (error) {
    release()
    throw error
  }
}

function clientOn(storage = openVolatileStorage()): Opened {
  return { storage, role: 'client', startReplicas: undefined, deflate: undefined }
}

/** Undefined where another tab of this profile has the database. */
function lockOrNothing(database: string): Promise<(() => void) | undefined> {
  return lockDatabase(database).catch(error => {
    if (isQuorateError(error, 'STORAGE_LOCKED')) return undefined
    throw error
  })
}
