import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { MemoryDisk, openMemoryStorage } from '../../src/storage/memory.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { chunks, entries, entry, snapshot, writeGroup } from './batches.ts'

async function opened(disk: MemoryDisk): Promise<Storage> {
  const storage = await openMemoryStorage(disk)
  await storage.load()
  return storage
}

const failed = { code: 'STORAGE_FAILED' }

test('a crash leaves the write under way whole, torn or not at all, and each of them happens', async () => {
  const sizes = new Set<number>()
  for (let seed = 0; seed < 60; seed++) {
    let hangs = false
    const never = new Promise<void>(() => undefined)
    const disk = new MemoryDisk({
      random: seededRandom(seed),
      delay: async () => (hangs ? never : undefined),
    })
    const storage = await opened(disk)
    await writeGroup(storage, { entries: entries(1, 1, 3) })
    const before = disk.log.length
    hangs = true
    let settled = false
    const under = writeGroup(storage, { entries: entries(1, 4, 9, 500) })
    under.then(
      () => (settled = true),
      () => (settled = true),
    )
    disk.crash()
    sizes.add(disk.log.length - before)
    hangs = false
    const again = await openMemoryStorage(disk)
    const last = (await again.load()).groups.get('g')?.entries.at(-1)?.index
    assert.ok(last === 3 || last === 9, `entry ${last}`)
    await writeGroup(again, { entries: [entry(1, (last ?? 0) + 1)] })
    assert.equal(settled, false, 'the process that waited is gone')
  }
  assert.ok(sizes.has(0) && sizes.size > 10)
})

test('a flipped bit anywhere in the log is damage', async () => {
  const disk = new MemoryDisk()
  const storage = await opened(disk)
  for (let index = 1; index <= 5; index++) await writeGroup(storage, { entries: [entry(1, index)] })
  await storage.close()
  const intact = disk.log.slice()
  for (let byte = 0; byte < intact.length; byte++) {
    disk.setLog(intact)
    disk.flipBit(byte)
    const again = await openMemoryStorage(disk)
    await assert.rejects(again.load(), { code: 'STORAGE_CORRUPT' })
    await again.close()
  }
})

test('a failing disk fails every write from then on, also when it works again', async () => {
  const disk = new MemoryDisk()
  const storage = await opened(disk)
  await writeGroup(storage, { entries: entries(1, 1, 3) })
  disk.fail()
  await assert.rejects(writeGroup(storage, { entries: [entry(1, 4)] }), failed)
  disk.repair()
  await assert.rejects(writeGroup(storage, { entries: [entry(1, 4)] }), failed)
  await assert.rejects(storage.saveSnapshot('g', snapshot(1, 1), chunks()), failed)
  await storage.close()
  const again = await openMemoryStorage(disk)
  assert.deepEqual((await again.load()).groups.get('g')?.entries, entries(1, 1, 3))
})

test('a full disk fails the write that does not fit', async () => {
  const storage = await opened(new MemoryDisk({ capacityBytes: 2000 }))
  await writeGroup(storage, { entries: [entry(1, 1, 500)] })
  await assert.rejects(writeGroup(storage, { entries: [entry(1, 2, 5000)] }), failed)
})

test('a slow disk merges the writes that wait for it', async () => {
  const writes: number[] = []
  let release: () => void = () => undefined
  const disk = new MemoryDisk({
    delay: (operation, bytes) => {
      if (operation !== 'write') return Promise.resolve()
      writes.push(bytes)
      return new Promise(resolve => {
        release = resolve
      })
    },
  })
  const storage = await opened(disk)
  const all = entries(1, 1, 10).map(one => writeGroup(storage, { entries: [one] }))
  release()
  await all[0]
  assert.equal(writes.length, 2)
  release()
  await Promise.all(all)
})

test('the log does not grow with what is compacted', async () => {
  const disk = new MemoryDisk()
  const storage = await opened(disk)
  for (let index = 1; index <= 3000; index++) {
    await writeGroup(storage, { entries: [entry(1, index, 500)] })
    if (index % 100 !== 0) continue
    await storage.saveSnapshot('g', snapshot(index, 1), chunks())
    await writeGroup(storage, { snapshot: snapshot(index, 1), compactTo: index - 10 })
  }
  assert.ok(disk.log.length < 300_000, `${disk.log.length}`)
  assert.equal(disk.snapshots.size, 1)
  await storage.close()
  const again = await openMemoryStorage(disk)
  assert.deepEqual((await again.load()).groups.get('g')?.entries, entries(1, 2991, 3000, 500))
})
