import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Writer } from '../../src/engine/replica/writer.ts'
import { openMemoryStorage } from '../../src/storage/memory.ts'
import type { Storage, WriteBatch } from '../../src/storage/storage.ts'

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

test('a write leaves when the one before it is durable, with all that came meanwhile, in order', async () => {
  const finish: (() => void)[] = []
  const terms: (number | undefined)[] = []
  const write = ({ groups }: WriteBatch) => {
    terms.push(groups.get('main')?.hardState?.term)
    return new Promise<void>(resolve => finish.push(resolve))
  }
  const writer = new Writer({ write } as unknown as Storage, 40, assert.ifError)
  const done: number[] = []
  for (const term of [1, 2, 3]) {
    writer.add('main', { hardState: { term, vote: 0, commit: 0 } }, () => done.push(term))
    writer.flush()
  }
  assert.deepEqual([terms, done], [[1], []])
  for (const expected of [
    [[1, 3], [1]],
    [
      [1, 3],
      [1, 2, 3],
    ],
  ]) {
    finish.shift()?.()
    await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual([terms, done], expected)
  }
})
