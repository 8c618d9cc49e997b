import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openVolatileStorage } from '../../src/storage/volatile.ts'

test('a storage that keeps nothing says so, and takes what a client writes', async () => {
  const storage = openVolatileStorage()
  assert.equal(storage.supports.durable, false)
  await storage.write({ groups: new Map(), values: new Map([['host', Uint8Array.of(1)]]) })
  assert.deepEqual(await storage.load(), { groups: new Map(), values: new Map() })
  assert.equal(await storage.loadKeys(), undefined)
  await storage.close()
})

test('a storage that keeps nothing refuses everything of a replica', async () => {
  const storage = openVolatileStorage()
  const mistake = { name: 'AssertionError', message: /a replica needs a storage/ }
  const conf = { voters: [1], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
  const snapshot = { index: 1, term: 1, conf }
  const chunks = async function* (): AsyncGenerator<Uint8Array> {}
  await assert.rejects(storage.write({ groups: new Map([['g', {}]]) }), mistake)
  await assert.rejects(storage.saveSnapshot('g', snapshot, chunks()), mistake)
  await assert.rejects(storage.readSnapshot('g', snapshot)[Symbol.asyncIterator]().next(), mistake)
})
