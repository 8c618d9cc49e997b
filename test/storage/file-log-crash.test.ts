import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { openFileStorage } from '../../src/storage/file.ts'
import { entries, entry, writeGroup } from './batches.ts'

test('a crash at any moment leaves all that was acknowledged, whatever file was made or removed then', async t => {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'quorate-'))
  t.after(() => fs.promises.rm(directory, { recursive: true, force: true }))
  const copies: { readonly folder: string; readonly acknowledged: number }[] = []
  let acknowledged = 0
  const copy = () => {
    const folder = path.join(directory, 'copies', `${copies.length}`)
    for (const name of fs.readdirSync(directory)) {
      if (/\.(wal|snap|tmp)$/.test(name))
        fs.cpSync(path.join(directory, name), path.join(folder, name), { recursive: true })
    }
    copies.push({ folder, acknowledged })
  }
  fs.mkdirSync(path.join(directory, 'copies'))
  for (const [of, name] of [
    [fs, 'write'],
    [fs.promises, 'rename'],
    [fs.promises, 'unlink'],
  ] as const) {
    const perform = Reflect.get(of, name) as (...given: unknown[]) => unknown
    t.mock.method(of as typeof fs, name as 'write', (...given: unknown[]) => {
      copy()
      return perform(...given)
    })
  }
  const storage = await openFileStorage(directory, { segmentBytes: 1000 })
  await storage.load()
  await writeGroup(storage, { entries: entries(1, 1, 9) }, 'idle')
  for (acknowledged = 0; acknowledged < 80; acknowledged++)
    await writeGroup(storage, { entries: [entry(acknowledged + 1, 1, 300)] })
  await storage.close()
  t.mock.restoreAll()
  assert(copies.length > 80, 'the disk was looked at')
  for (const { folder, acknowledged: term } of copies.slice(4)) {
    const again = await openFileStorage(folder)
    const { groups } = await again.load()
    await again.close()
    assert.deepEqual(groups.get('idle')?.entries, entries(1, 1, 9))
    const found = groups.get('g')?.entries[0]?.term ?? 0
    assert(found >= term, `the write of ${term} was acknowledged, and ${found} found`)
  }
})
