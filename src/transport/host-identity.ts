import { QuorateError } from '../core/error.ts'
import type { Storage, StoredHost } from '../storage/storage.ts'
import { createIdentity, type Identity, identityOf } from './identity.ts'

const hostValue = 'host'

/**
 * The identity of the host that owns the storage; a new one where there is none. Keys count only together with the
 * note in the log that they are this host's: where the log was lost and the keys were not, the host has forgotten its
 * votes and must not go on under the same name. Throws STORAGE_CORRUPT where the note is there and its keys are not.
 */
export async function hostIdentity(storage: Storage, stored: StoredHost): Promise<Identity> {
  const note = stored.values.get(hostValue)
  if (note !== undefined) {
    const keys = await storage.loadKeys()
    const known = keys === undefined ? undefined : await identityOf(keys)
    if (known?.hostId === new TextDecoder().decode(note)) return known
    // The keys are durable before the note is. A new name would leave this host's replicas without their host.
    throw new QuorateError('STORAGE_CORRUPT', 'the keys of this host are gone')
  }
  const identity = await createIdentity(!storage.supports.opaqueKeys)
  await storage.saveKeys(identity.keys)
  const value = new TextEncoder().encode(identity.hostId)
  await storage.write({ groups: new Map(), values: new Map([[hostValue, value]]) })
  return identity
}
