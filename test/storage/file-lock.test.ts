import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { openFileStorage } from '../../src/storage/file.ts'
import { lockDirectory } from '../../src/storage/file-lock.ts'

async function directoryOf(t: TestContext): Promise<string> {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'quorate-'))
  t.after(() => fs.promises.rm(directory, { recursive: true, force: true }))
  return directory
}

function writeLock(directory: string, number: number, owner: object): void {
  fs.writeFileSync(path.join(directory, `lock-${number}`), JSON.stringify(owner))
}

async function idleProcess(t: TestContext): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log()'])
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

test('a directory whose owner lives is refused with the number of the owner', async t => {
  const directory = await directoryOf(t)
  const release = await lockDirectory(directory)
  await assert.rejects(lockDirectory(directory), { code: 'STORAGE_LOCKED', detail: { pid: process.pid } })
  await release()
  await (await lockDirectory(directory))()
})

test('an owner that was killed is succeeded', async t => {
  const directory = await directoryOf(t)
  const child = await idleProcess(t)
  writeLock(directory, 7, { pid: child.pid, started: null })
  await assert.rejects(lockDirectory(directory), { code: 'STORAGE_LOCKED' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await lockDirectory(directory))()
  assert.deepEqual(fs.readdirSync(directory), ['lock-8'])
})

test('a process that got the number of a dead owner is not taken for it', async t => {
  const directory = await directoryOf(t)
  const child = await idleProcess(t)
  writeLock(directory, 1, { pid: child.pid, started: 'another boot/1' })
  await (await lockDirectory(directory))()
})

test('a lock that a crash of the machine left half written is succeeded', async t => {
  const directory = await directoryOf(t)
  fs.writeFileSync(path.join(directory, 'lock-3'), '{"pid":')
  await (await lockDirectory(directory))()
})

test('of many successors of a dead owner exactly one wins', async t => {
  const directory = await directoryOf(t)
  for (let round = 0; round < 20; round++) {
    writeLock(directory, round * 2 + 1, { pid: process.pid, started: 'another boot/1' })
    const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => lockDirectory(directory)))
    const won = attempts.filter(attempt => attempt.status === 'fulfilled')
    assert.equal(won.length, 1)
    for (const { value: release } of won) await release()
  }
})

test('a place that is no folder, or cannot be written to, is refused in one clear line', async t => {
  const directory = await directoryOf(t)
  const file = path.join(directory, 'file')
  fs.writeFileSync(file, '')
  const clear = { code: 'STORAGE_FAILED', message: `cannot keep data in ${file}: it is not a directory` }
  await assert.rejects(openFileStorage(file), clear)
  await assert.rejects(openFileStorage(path.join(file, 'below')), { code: 'STORAGE_FAILED' })
  await assert.rejects(openFileStorage('/proc/quorate'), {
    code: 'STORAGE_FAILED',
    message: /^cannot keep data in [^\n]+$/,
  })
})
