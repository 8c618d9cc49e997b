import { test } from 'node:test'
import { openMemoryStorage } from '../../src/storage/memory.ts'
import { MemoryDisk } from '../../src/storage/memory-disk.ts'
import { storageConformance } from '../../src/testing/storage-conformance.ts'

storageConformance({
  name: 'memory',
  supports: { durable: false, exclusive: true, opaqueKeys: true },
  place: async () => {
    const disk = new MemoryDisk()
    return { open: () => openMemoryStorage(disk), remove: async () => disk.crash() }
  },
  test,
})
