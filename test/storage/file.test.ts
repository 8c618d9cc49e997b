import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { openFileStorage } from '../../src/storage/file.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { storageConformance } from '../../src/testing/storage-conformance.ts'

storageConformance({
  name: 'file',
  supports: { durable: true, exclusive: true, opaqueKeys: false },
  place: async () => {
    const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'quorate-'))
    const opened: Storage[] = []
    return {
      open: async () => {
        const storage = await openFileStorage(directory)
        opened.push(storage)
        return storage
      },
      remove: async () => {
        for (const storage of opened) await storage.close()
        await fs.promises.rm(directory, { recursive: true })
      },
    }
  },
  test,
})
