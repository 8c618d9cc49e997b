import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../src/base/random.ts'
import { openFileStorage } from '../../src/storage/file.ts'
import { openIndexedDbStorage } from '../../src/storage/indexeddb.ts'
import { MemoryDisk, openMemoryStorage } from '../../src/storage/memory.ts'
import type { Storage, StoredHost } from '../../src/storage/storage.ts'
import { FakeLocks } from './fake-locks.ts'
import { after, dataOf, emptyModel, type Model, perform, type Step } from './model.ts'

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constant('append' as const) },
    { weight: 5, arbitrary: fc.constantFrom('overwrite', 'compact', 'install', 'vote', 'value', 'together') },
    { weight: 1, arbitrary: fc.constant('remove' as const) },
  ),
  group: fc.constantFrom('a', 'b', 'c'),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  count: fc.integer({ min: 1, max: 12 }),
})
/** Steps between two restarts. */
const lives = fc.array(fc.array(step, { maxLength: 25 }), { minLength: 1, maxLength: 5 })

async function check(storage: Storage, host: StoredHost, model: Model): Promise<void> {
  assert.deepEqual(host, { groups: new Map(model.groups), values: new Map(model.values) })
  for (const [group, { snapshot }] of host.groups) {
    if (snapshot === undefined) continue
    const read: Uint8Array[] = []
    for await (const chunk of storage.readSnapshot(group, snapshot)) read.push(chunk)
    assert.deepEqual(read, [dataOf(snapshot)])
  }
}

async function liveAndRestart(
  open: () => Promise<Storage>,
  all: readonly (readonly Step[])[],
): Promise<void> {
  let model = emptyModel
  for (const steps of all) {
    const storage = await open()
    await check(storage, await storage.load(), model)
    for (const one of steps) {
      await perform(storage, model, one)
      model = after(model, one)
    }
    await storage.close()
  }
  const storage = await open()
  await check(storage, await storage.load(), model)
  await storage.close()
}

test('memory: whatever is written, it holds what the model holds after each restart', async () => {
  await fc.assert(
    fc.asyncProperty(lives, all => {
      const disk = new MemoryDisk()
      return liveAndRestart(() => openMemoryStorage(disk), all)
    }),
    { numRuns: 150 },
  )
})

test('file: whatever is written, it holds what the model holds after each restart', async t => {
  const folder = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'quorate-'))
  t.after(() => fs.promises.rm(folder, { recursive: true }))
  let run = 0
  await fc.assert(
    fc.asyncProperty(lives, all => {
      run += 1
      // So small that the log has many files, and entries are carried from one to the other.
      return liveAndRestart(() => openFileStorage(path.join(folder, `${run}`), { segmentBytes: 600 }), all)
    }),
    { numRuns: 40 },
  )
})

test('indexeddb: whatever is written, it holds what the model holds after each restart', async () => {
  await fc.assert(
    fc.asyncProperty(lives, all => {
      const options = { factory: new IDBFactory(), locks: new FakeLocks() }
      return liveAndRestart(() => openIndexedDbStorage('test', options), all)
    }),
    { numRuns: 25 },
  )
})

test('memory: a crash leaves all that was acknowledged, and the step under way whole or not at all', async () => {
  const seed = fc.integer()
  await fc.assert(
    fc.asyncProperty(lives, seed, fc.nat(20), async (all, seed, survivedMax) => {
      const random = seededRandom(seed)
      let hangs = false
      const never = new Promise<void>(() => undefined)
      const disk = new MemoryDisk({ random, delay: () => (hangs ? never : Promise.resolve()) })
      let model = emptyModel
      for (const steps of all) {
        hangs = false
        const storage = await openMemoryStorage(disk)
        await check(storage, await storage.load(), model)
        const acknowledged = steps.slice(0, survivedMax)
        for (const one of acknowledged) {
          await perform(storage, model, one)
          model = after(model, one)
        }
        // One more is under way when the process dies.
        hangs = true
        const under = steps[acknowledged.length]
        if (under !== undefined) void perform(storage, model, under)
        disk.crash()
        hangs = false
        const again = await openMemoryStorage(disk)
        const host = await again.load()
        if (under !== undefined && !isSame(host, model)) model = after(model, under)
        await check(again, host, model)
        await again.close()
      }
    }),
    { numRuns: 200 },
  )
})

function isSame(host: StoredHost, model: Model): boolean {
  try {
    assert.deepEqual(host, { groups: new Map(model.groups), values: new Map(model.values) })
    return true
  } catch {
    return false
  }
}
