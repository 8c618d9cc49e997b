import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Writer } from '../../src/engine/writer.ts'
import { openMemoryStorage } from '../../src/storage/memory.ts'

test('a writer tells its host of a fault in what was to follow a write', async () => {
  const storage = await openMemoryStorage()
  await storage.load()
  const fault = new Error('the log holds what nobody can read')
  const told = new Promise(resolve => {
    const writer = new Writer(storage, 40, resolve)
    writer.add('main', { hardState: { term: 1, vote: 0, commit: 0 } }, () => {
      throw fault
    })
    writer.flush()
  })
  assert.equal(await told, fault)
})
