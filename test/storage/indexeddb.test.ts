import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openIndexedDbStorage } from '../../src/storage/indexeddb.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { storageConformance } from '../../src/testing/storage-conformance.ts'
import { entries, writeGroup } from './batches.ts'
import { FakeLocks } from './fake-locks.ts'

storageConformance({
  name: 'indexeddb',
  supports: { durable: true, exclusive: true, opaqueKeys: true },
  place: async () => {
    const [factory, locks] = [new IDBFactory(), new FakeLocks()]
    const opened: Storage[] = []
    return {
      open: async () => {
        const storage = await openIndexedDbStorage('test', { factory, locks })
        opened.push(storage)
        return storage
      },
      remove: async () => {
        for (const storage of opened) await storage.close()
      },
    }
  },
  test,
})

test('indexeddb: every transaction that writes asks for strict durability', async t => {
  const asked: (string | undefined)[] = []
  const transaction = t.mock.method(IDBDatabase.prototype, 'transaction')
  const storage = await openIndexedDbStorage('test', { factory: new IDBFactory(), locks: new FakeLocks() })
  await storage.load()
  await writeGroup(storage, { entries: entries(1, 1, 3) })
  await storage.close()
  for (const { arguments: given } of transaction.mock.calls)
    if (given[1] === 'readwrite') asked.push(given[2]?.durability)
  assert.ok(asked.length > 1)
  assert.ok(asked.every(durability => durability === 'strict'))
})

test('indexeddb: an owner that was frozen while another one took over changes nothing any more', async () => {
  const factory = new IDBFactory()
  const frozen = await openIndexedDbStorage('test', { factory, locks: new FakeLocks() })
  await frozen.load()
  await writeGroup(frozen, { entries: entries(1, 1, 3) })
  const locks = new FakeLocks()
  const owner = await openIndexedDbStorage('test', { factory, locks })
  await owner.load()
  await assert.rejects(writeGroup(frozen, { entries: entries(2, 1, 1) }), { code: 'STORAGE_FAILED' })
  await assert.rejects(writeGroup(frozen, {}), { code: 'STORAGE_FAILED' })
  await writeGroup(owner, { entries: entries(1, 4, 4) })
  await owner.close()
  const again = await openIndexedDbStorage('test', { factory, locks })
  assert.deepEqual((await again.load()).groups.get('g')?.entries, entries(1, 1, 4))
  await again.close()
})

test('indexeddb: a deleted database is a failure, and its deletion is not blocked', async () => {
  const factory = new IDBFactory()
  const storage = await openIndexedDbStorage('test', { factory, locks: new FakeLocks() })
  await storage.load()
  await new Promise((resolve, reject) => {
    const request = factory.deleteDatabase('test')
    request.onsuccess = resolve
    request.onblocked = reject
  })
  await assert.rejects(writeGroup(storage, { entries: entries(1, 1, 1) }), { code: 'STORAGE_FAILED' })
  await storage.close()
})

test('indexeddb: a full disk is a failure that says so, and loses nothing', async t => {
  const factory = new IDBFactory()
  const locks = new FakeLocks()
  const storage = await openIndexedDbStorage('test', { factory, locks })
  await storage.load()
  await writeGroup(storage, { entries: entries(1, 1, 3) })
  const full = t.mock.method(IDBObjectStore.prototype, 'put', () => {
    throw new DOMException('', 'QuotaExceededError')
  })
  const failed = { code: 'STORAGE_FAILED', message: /the disk is full/ }
  await assert.rejects(writeGroup(storage, { entries: entries(1, 4, 5) }), failed)
  full.mock.restore()
  await assert.rejects(writeGroup(storage, { entries: entries(1, 4, 5) }), failed)
  await storage.close()
  const again = await openIndexedDbStorage('test', { factory, locks })
  assert.deepEqual((await again.load()).groups.get('g')?.entries, entries(1, 1, 3))
  await again.close()
})

test('indexeddb: a row that was changed behind its back is damage', async () => {
  const factory = new IDBFactory()
  const locks = new FakeLocks()
  const storage = await openIndexedDbStorage('test', { factory, locks })
  await storage.load()
  await writeGroup(storage, { entries: entries(1, 1, 3) })
  await storage.close()
  const database = await new Promise<IDBDatabase>(resolve => {
    const request = factory.open('test')
    request.onsuccess = () => resolve(request.result)
  })
  await new Promise(resolve => {
    const transaction = database.transaction('rows', 'readwrite')
    transaction.objectStore('rows').delete(['log', 'g', 2])
    transaction.oncomplete = resolve
  })
  database.close()
  const again = await openIndexedDbStorage('test', { factory, locks })
  await assert.rejects(again.load(), { code: 'STORAGE_CORRUPT' })
  await again.close()
})

test('indexeddb: data of a newer format is refused as what it is, and of this one it is format 1', async () => {
  const factory = new IDBFactory()
  const locks = new FakeLocks()
  const storage = await openIndexedDbStorage('test', { factory, locks })
  await storage.load()
  await writeGroup(storage, { entries: entries(1, 1, 3) })
  await storage.close()
  const opened = async (version?: number) => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = factory.open('test', version)
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
    database.close()
    return database.version
  }
  assert.equal(await opened(), 1)
  await opened(2)
  for (let i = 0; i < 2; i++) {
    const again = openIndexedDbStorage('test', { factory, locks })
    await assert.rejects(again, { code: 'UNSUPPORTED', message: /newer version/ })
  }
})

test('indexeddb: an owner makes way for a newer format', async () => {
  const factory = new IDBFactory()
  const storage = await openIndexedDbStorage('test', { factory, locks: new FakeLocks() })
  await storage.load()
  await new Promise((resolve, reject) => {
    const request = factory.open('test', 2)
    request.onsuccess = resolve
    request.onblocked = reject
  })
  await assert.rejects(writeGroup(storage, { entries: entries(1, 1, 1) }), { code: 'STORAGE_FAILED' })
  await storage.close()
})

test('indexeddb: a page without Web Locks is told why it cannot have storage', async () => {
  await assert.rejects(openIndexedDbStorage('test', { factory: new IDBFactory() }), {
    code: 'INSECURE_CONTEXT',
  })
})
