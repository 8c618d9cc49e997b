// A process that is killed, again and again, by file-crash.test.ts. It goes on behind what the directory
// holds, and writes until it dies. Each line it prints is a promise: what it names, and all before, is
// durable.

import fs from 'node:fs'
import { openFileStorage } from '../../src/storage/file.ts'
import { batch, keepSnapshot, snapshotEvery, verify } from './writes.ts'

const [, , directory = '', segmentBytes = ''] = process.argv
const storage = await openFileStorage(directory, { segmentBytes: Number(segmentBytes) })
let last = await verify(storage, await storage.load())
promise(`loaded ${last}`)
let saving = false

// Eight are always on their way, so that writes are merged, and a kill meets some that are not acknowledged.
await Promise.all(Array.from({ length: 8 }, keepWriting))

async function keepWriting(): Promise<void> {
  for (;;) {
    last += 1
    const number = last
    await storage.write(batch(number))
    promise(`write ${number}`)
    if (number % snapshotEvery !== 0 || saving) continue
    saving = true
    await keepSnapshot(storage, number)
    promise(`snapshot ${number}`)
    saving = false
  }
}

/** Synchronous: what was acknowledged is not lost on the way to the parent. */
function promise(line: string): void {
  fs.writeSync(1, `${line}\n`)
}
