import { assert } from '../base/assert.ts'
import type { Storage, StoredHost, WriteBatch } from './storage.ts'

/**
 * The storage of a client, which has no replica and is another host each time: it keeps nothing, not even until it is
 * closed, since a host never reads again what it wrote. A replica on it would forget its votes, so it takes none.
 */
export function openVolatileStorage(): Storage {
  return {
    supports: { durable: false, exclusive: false, opaqueKeys: true },
    load: async (): Promise<StoredHost> => ({ groups: new Map(), values: new Map() }),
    write: async ({ groups }: WriteBatch) => assert(groups.size === 0, noReplica),
    saveSnapshot: async () => assert(false, noReplica),
    // biome-ignore lint/correctness/useYield: there is never a chunk to give.
    async *readSnapshot() {
      assert(false, noReplica)
    },
    removeGroup: async () => undefined,
    loadKeys: async () => undefined,
    saveKeys: async () => undefined,
    close: async () => undefined,
  }
}

const noReplica = 'a replica needs a storage that keeps what it is given'
