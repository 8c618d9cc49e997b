import { browserClock } from './clock/browser.ts'
import { isQuorateError, QuorateError } from './core/error.ts'
import type { Host, StoreOptions } from './engine/host.ts'
import { checkHostOptions, type HostOptions } from './engine/open-host.ts'
import type { Store } from './engine/store.ts'
import { openHostOn, openSoleStore, type Platform } from './open.ts'
import { openIndexedDbStorage } from './storage/indexeddb.ts'
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
  const { storage, role } = await openStorage(options)
  const clock = browserClock()
  const connect: Platform['connect'] = async stored => {
    const { createBrowserMesh } = await loadMesh()
    const given = { cluster, secret, seeds, webrtc, iceServers, authorize }
    return createBrowserMesh(clock, { storage, stored, ...given })
  }
  const priority = () => (isHidden() ? 0 : (options.priority ?? 1))
  const host = await openHostOn({ storage, clock, connect }, { ...options, role, priority: priority() })
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

/** The rest of this library: a page loads it when it opens a host. */
async function loadMesh(): Promise<typeof import('./transport/mesh-browser.ts')> {
  try {
    return await import('./transport/mesh-browser.ts')
  } catch (cause) {
    throw new QuorateError('UNREACHABLE', 'a script could not be loaded', { retryable: true, cause })
  }
}

type Role = NonNullable<HostOptions['role']>

async function openStorage(options: BrowserHostOptions): Promise<{ storage: Storage; role: Role }> {
  const { cluster, role = 'member', database = `quorate-${cluster}` } = options
  if (options.storage !== undefined) return { storage: options.storage, role }
  // A client keeps nothing: it is another host each time.
  if (role === 'client') return { storage: openVolatileStorage(), role }
  try {
    const storage = await openIndexedDbStorage(database)
    // Without this the browser may clear the storage when the disk fills up. Refusal is no error, just less safe.
    void navigator.storage?.persist?.().catch(() => false)
    return { storage, role }
  } catch (error) {
    if (!isQuorateError(error, 'STORAGE_LOCKED')) throw error
    return { storage: openVolatileStorage(), role: 'client' }
  }
}
