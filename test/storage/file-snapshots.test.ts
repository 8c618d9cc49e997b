import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { openFileStorage } from '../../src/storage/file.ts'
import { snapshot, writeGroup } from './batches.ts'

test('a snapshot is stored whole where the system writes it piece by piece, as a disk that fills up does', async t => {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'quorate-'))
  t.after(() => fs.promises.rm(directory, { recursive: true }))
  const storage = await openFileStorage(directory)
  await storage.load()
  const handle = await fs.promises.open(path.join(directory, 'any'), 'w')
  const prototype = Object.getPrototypeOf(handle)
  await handle.close()
  const { write } = prototype
  t.mock.method(prototype, 'write', function (this: unknown, bytes: Uint8Array) {
    return write.call(this, bytes.subarray(0, Math.ceil(bytes.length / 2)))
  })
  const large = new Uint8Array(100_000).fill(7)
  await storage.saveSnapshot(
    'g',
    snapshot(5, 1),
    (async function* () {
      yield large
    })(),
  )
  await writeGroup(storage, { snapshot: snapshot(5, 1) })
  const stored: Uint8Array[] = []
  for await (const chunk of storage.readSnapshot('g', snapshot(5, 1))) stored.push(chunk)
  await storage.close()
  assert.equal(stored.length, 1)
  assert.deepEqual(Buffer.from(stored[0] ?? []), Buffer.from(large))
})
