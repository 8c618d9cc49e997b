import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { crc32c } from '../../src/base/checksum.ts'
import { openFileStorage } from '../../src/storage/file.ts'
import { preambleBytes } from '../../src/storage/file-segment.ts'
import type { Storage, StoredHost } from '../../src/storage/storage.ts'
import { chunks, entries, entry, snapshot, writeGroup } from './batches.ts'

async function directoryOf(t: TestContext): Promise<string> {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'quorate-'))
  t.after(() => fs.promises.rm(directory, { recursive: true, force: true }))
  return directory
}

async function use<Result>(
  directory: string,
  work: (storage: Storage, host: StoredHost) => Promise<Result>,
  segmentBytes?: number,
): Promise<Result> {
  const storage = await openFileStorage(directory, segmentBytes === undefined ? {} : { segmentBytes })
  try {
    return await work(storage, await storage.load())
  } finally {
    await storage.close()
  }
}

function logFiles(directory: string): string[] {
  const names = fs.readdirSync(directory).filter(name => name.endsWith('.wal'))
  return names.sort().map(name => path.join(directory, name))
}

function snapshotFiles(directory: string): string[] {
  return fs.readdirSync(directory).filter(name => name.endsWith('.snap'))
}

function lastLogFile(directory: string): string {
  return logFiles(directory).at(-1) ?? ''
}

function flip(file: string, byte: number): void {
  const content = fs.readFileSync(file)
  content[byte] = (content[byte] ?? 0) ^ 1
  fs.writeFileSync(file, content)
}

test('a log that is cut at any byte of its last record loses that record alone, and goes on', async t => {
  const directory = await directoryOf(t)
  await use(directory, storage => writeGroup(storage, { entries: entries(1, 1, 3) }))
  const file = lastLogFile(directory)
  const before = fs.statSync(file).size
  await use(directory, storage => writeGroup(storage, { entries: [entry(1, 4), entry(1, 5)] }))
  const whole = fs.readFileSync(file)
  for (let size = before; size < whole.length; size++) {
    fs.writeFileSync(file, whole.subarray(0, size))
    await use(directory, async (storage, host) => {
      assert.deepEqual(host.groups.get('g')?.entries, entries(1, 1, 3))
      await writeGroup(storage, { entries: [entry(2, 4)] })
    })
    await use(directory, async (_, host) => {
      assert.deepEqual(host.groups.get('g')?.entries, [...entries(1, 1, 3), entry(2, 4)])
    })
  }
})

test('a flipped bit is STORAGE_CORRUPT with file and offset, in the last record, too', async t => {
  const directory = await directoryOf(t)
  await use(directory, storage => writeGroup(storage, { entries: entries(1, 1, 20) }))
  const file = lastLogFile(directory)
  const middle = fs.statSync(file).size
  await use(directory, storage => writeGroup(storage, { entries: entries(1, 21, 22) }))
  const end = fs.statSync(file).size
  for (const byte of [3, 40, middle - 50, middle + 5, middle + 40, end - 1]) {
    const intact = fs.readFileSync(file)
    flip(file, byte)
    const storage = await openFileStorage(directory)
    await assert.rejects(
      storage.load(),
      (error: { code: string; message: string; detail: { file: string } }) => {
        assert.equal(error.code, 'STORAGE_CORRUPT')
        assert.match(error.message, /log-000000000001\.wal is damaged at byte \d+/)
        assert.equal(error.detail.file, file)
        return true
      },
    )
    await storage.close()
    assert.equal(fs.statSync(file).size, intact.length, 'nothing was cut')
    fs.writeFileSync(file, intact)
  }
})

test('a missing file of the log is STORAGE_CORRUPT', async t => {
  const directory = await directoryOf(t)
  await use(directory, writeMany, 2000)
  const [first = '', second = ''] = logFiles(directory)
  for (const file of [first, second]) {
    const intact = fs.readFileSync(file)
    fs.rmSync(file)
    const storage = await openFileStorage(directory)
    await assert.rejects(storage.load(), { code: 'STORAGE_CORRUPT' })
    await storage.close()
    fs.writeFileSync(file, intact)
  }
  await use(directory, async (_, host) => assert.equal(host.groups.get('g')?.entries.length, 200))
})

test('a missing or cut file of the log is STORAGE_CORRUPT, though those behind it would hide it', async t => {
  const directory = await directoryOf(t)
  const vote = (term: number) => ({ hardState: { term, vote: 1, commit: 0 } })
  let overwriting = ''
  await use(
    directory,
    async storage => {
      await writeGroup(storage, { entries: entries(1, 1, 9, 100) })
      for (let term = 1; logFiles(directory).length < 2; term++) await writeGroup(storage, vote(term))
      overwriting = lastLogFile(directory)
      // Without this file the log would hold entries of the first term again.
      await writeGroup(storage, { entries: entries(2, 5, 9) })
      for (let term = 200; logFiles(directory).length < 4; term++) await writeGroup(storage, vote(term))
    },
    2000,
  )
  const intact = fs.readFileSync(overwriting)
  for (const damage of [() => fs.rmSync(overwriting), () => fs.truncateSync(overwriting, 300)]) {
    damage()
    const storage = await openFileStorage(directory)
    await assert.rejects(storage.load(), { code: 'STORAGE_CORRUPT' })
    await storage.close()
    fs.writeFileSync(overwriting, intact)
  }
  await use(directory, async (_, host) => {
    assert.deepEqual(host.groups.get('g')?.entries, [...entries(1, 1, 4, 100), ...entries(2, 5, 9)])
  })
})

test('a log that ends in the first record of its last file, or is gone, is STORAGE_CORRUPT', async t => {
  const directory = await directoryOf(t)
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ])
  await use(directory, async storage => {
    await storage.saveKeys(keys)
    await writeGroup(storage, { entries: entries(1, 1, 3) })
  })
  const refused = async () => {
    const storage = await openFileStorage(directory)
    await assert.rejects(storage.load(), { code: 'STORAGE_CORRUPT' })
    await storage.close()
  }
  for (const size of [50, 32, 10, 0]) {
    fs.truncateSync(lastLogFile(directory), size)
    await refused()
  }
  fs.rmSync(lastLogFile(directory))
  await refused()
})

async function writeMany(storage: Storage): Promise<void> {
  for (let index = 1; index <= 200; index++) await writeGroup(storage, { entries: [entry(1, index, 100)] })
}

test('the folder stays bounded while entries come and are compacted', async t => {
  const directory = await directoryOf(t)
  await use(
    directory,
    async storage => {
      await writeGroup(
        storage,
        { bootstrap: new Uint8Array(10), hardState: { term: 1, vote: 1, commit: 0 } },
        'idle',
      )
      for (let index = 1; index <= 3000; index++) {
        await writeGroup(storage, { entries: [entry(1, index, 100)] })
        if (index % 100 !== 0) continue
        await storage.saveSnapshot('g', snapshot(index, 1), chunks(new Uint8Array(10)))
        await writeGroup(storage, { snapshot: snapshot(index, 1), compactTo: index - 10 })
        // What is obsolete may still be there, but not for long.
        assert(logFiles(directory).length <= 6, `${logFiles(directory)}`)
        assert(snapshotFiles(directory).length <= 2, `${snapshotFiles(directory)}`)
      }
    },
    4096,
  )
  assert(logFiles(directory).length <= 2, `${logFiles(directory)}`)
  assert.equal(snapshotFiles(directory).length, 1)
  await use(directory, async (_, host) => {
    assert.deepEqual(host.groups.get('g')?.entries, entries(1, 2991, 3000, 100))
    assert.deepEqual(host.groups.get('idle')?.bootstrap, new Uint8Array(10))
    assert.equal(host.groups.get('idle')?.hardState.vote, 1)
  })
})

test('a few entries that nobody compacts do not hold back the whole log', async t => {
  const directory = await directoryOf(t)
  await use(
    directory,
    async storage => {
      await writeGroup(storage, { entries: entries(1, 1, 9) }, 'idle')
      await writeGroup(storage, { entries: entries(2, 5, 7) }, 'idle')
      for (let round = 1; round <= 40; round++) {
        await Promise.all(
          Array.from({ length: 50 }, (_, i) => writeGroup(storage, { entries: [entry(round, i + 1, 100)] })),
        )
        for (let i = 0; i < 10; i++) await writeGroup(storage, { entries: entries(round, 51, 60, 100) })
      }
    },
    4096,
  )
  assert.ok(logFiles(directory).length <= 9, `${logFiles(directory).length} files`)
  await use(directory, async (_, host) => {
    assert.deepEqual(host.groups.get('idle')?.entries, [...entries(1, 1, 4), ...entries(2, 5, 7)])
    assert.equal(host.groups.get('g')?.entries.length, 60)
  })
})

test('a write that the disk refuses is final, and nothing that was acknowledged is lost', async t => {
  const directory = await directoryOf(t)
  const storage = await openFileStorage(directory)
  await storage.load()
  await writeGroup(storage, { entries: entries(1, 1, 3) })
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
  const write = t.mock.method(fs, 'write', (...given: unknown[]) => {
    process.nextTick(given.at(-1) as (error: Error) => void, full)
  })
  const failed = { code: 'STORAGE_FAILED', message: /the disk is full/ }
  const both = [
    writeGroup(storage, { entries: [entry(1, 4)] }),
    writeGroup(storage, { entries: [entry(1, 5)] }),
  ]
  for (const one of both) await assert.rejects(one, failed)
  write.mock.restore()
  await assert.rejects(writeGroup(storage, { entries: [entry(1, 4)] }), failed)
  await assert.rejects(storage.saveSnapshot('g', snapshot(2, 1), chunks()), failed)
  await storage.close()
  await use(directory, async (_, host) => assert.deepEqual(host.groups.get('g')?.entries, entries(1, 1, 3)))
})

/** Opens a storage of small files; `outlive` then writes what leaves a file of the log and a snapshot obsolete. */
async function openSmall(directory: string): Promise<Storage & { outlive(): Promise<void> }> {
  const storage = await openFileStorage(directory, { segmentBytes: 8192 })
  await storage.load()
  const outlive = async () => {
    await writeGroup(storage, { entries: entries(1, 1, 10, 1000) })
    for (const index of [10, 12]) {
      await storage.saveSnapshot('g', snapshot(index, 1), chunks(new Uint8Array(10)))
      await writeGroup(storage, {
        snapshot: snapshot(index, 1),
        compactTo: 10,
        entries: entries(1, index + 1, 12),
      })
    }
  }
  return Object.assign(storage, { outlive })
}

test('no write waits until what is obsolete is removed, and closing does', async t => {
  const directory = await directoryOf(t)
  const storage = await openSmall(directory)
  const { promise: isReleased, resolve: release } = deferred()
  const { unlink, rm } = fs.promises
  const removals = [
    t.mock.method(fs.promises, 'unlink', (file: string) => isReleased.then(() => unlink(file))),
    t.mock.method(fs.promises, 'rm', (file: string) => isReleased.then(() => rm(file))),
  ]
  await storage.outlive()
  assert.equal(logFiles(directory).length, 2)
  assert.equal(snapshotFiles(directory).length, 2)
  const closed = storage.close()
  release()
  await closed
  for (const { mock } of removals) mock.restore()
  assert.equal(logFiles(directory).length, 1)
  assert.equal(snapshotFiles(directory).length, 1)
})

test('where a file cannot be removed all that follows fails, and nothing is lost', async t => {
  const directory = await directoryOf(t)
  const storage = await openSmall(directory)
  const { promise: isTried, resolve: tried } = deferred()
  const unlink = t.mock.method(fs.promises, 'unlink', async () => {
    tried()
    throw Object.assign(new Error('input/output error'), { code: 'EIO' })
  })
  const goOn = async () => {
    await storage.outlive()
    await isTried
    await turn()
    await writeGroup(storage, { entries: entries(1, 13, 13) })
  }
  await assert.rejects(goOn, { code: 'STORAGE_FAILED' })
  await storage.close()
  unlink.mock.restore()
  await use(directory, async (_, host) => {
    assert.equal(host.groups.get('g')?.snapshot?.index, 10)
  })
  assert.equal(logFiles(directory).length, 1)
})

function deferred(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = () => {}
  const promise = new Promise<void>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}

test('writes that come while one is under way share the next one', async t => {
  const directory = await directoryOf(t)
  await use(directory, async storage => {
    const write = t.mock.method(fs, 'write')
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => writeGroup(storage, { entries: [entry(1, i + 1)] })),
    )
    assert.equal(write.mock.callCount(), 2)
  })
})

test('a damaged chunk of a snapshot is STORAGE_CORRUPT when it is read, a missing end as well', async t => {
  const directory = await directoryOf(t)
  await use(directory, async storage => {
    await storage.saveSnapshot(
      'g',
      snapshot(5, 1),
      chunks(new Uint8Array(1000).fill(1), new Uint8Array(1000).fill(2)),
    )
    await writeGroup(storage, { snapshot: snapshot(5, 1) })
  })
  const file = path.join(directory, 'snapshot-000000000001.snap')
  const intact = fs.readFileSync(file)
  const damages = [
    () => flip(file, 1500),
    () => fs.truncateSync(file, 1500),
    () => fs.truncateSync(file, intact.length - 40),
  ]
  for (const damage of damages) {
    damage()
    await use(directory, async storage => {
      await assert.rejects(collect(storage.readSnapshot('g', snapshot(5, 1))), { code: 'STORAGE_CORRUPT' })
    })
    fs.writeFileSync(file, intact)
  }
  fs.rmSync(file)
  await assert.rejects(
    use(directory, async () => undefined),
    { code: 'STORAGE_CORRUPT' },
  )
})

async function collect(iterable: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for await (const chunk of iterable) all.push(chunk)
  return all
}

test('the key file can be read by its owner alone', async t => {
  const directory = await directoryOf(t)
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ])
  await use(directory, storage => storage.saveKeys(keys))
  assert.equal(fs.statSync(path.join(directory, 'keys.json')).mode & 0o777, 0o600)
})

test('a log of another format is refused as what it is, and is no damage', async t => {
  const directory = await directoryOf(t)
  await use(directory, storage => writeGroup(storage, { entries: entries(1, 1, 3) }))
  const file = lastLogFile(directory)
  const content = fs.readFileSync(file)
  content.writeUInt32LE(99, 4)
  content.writeUInt32LE(crc32c(content.subarray(0, preambleBytes - 4)), preambleBytes - 4)
  fs.writeFileSync(file, content)
  const opening = use(directory, async () => undefined)
  await assert.rejects(opening, { code: 'UNSUPPORTED', message: /has format 99/ })
})
