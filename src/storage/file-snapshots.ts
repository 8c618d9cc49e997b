import fs from 'node:fs'
import path from 'node:path'
import type { Snapshot } from '../core/raft/types.ts'
import type { GroupId } from '../core/types.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { MalformedError } from '../wire/codec.ts'
import { readSnapshot, writeSnapshot } from '../wire/entry-codec.ts'
import { corrupt, preambleBytes, readPreamble, writePreamble } from './file-segment.ts'
import { syncDirectory, temporarySuffix } from './file-system.ts'
import { callersOwn } from './lifecycle.ts'
import { beginRecord, finishRecord, readRecord, recordHeaderBytes, recordSizeAt } from './record.ts'

// The data of snapshots, a file each: a preamble and records as in the log, of which the first says what it
// is a snapshot of, then one per chunk, then one that is empty, so that a file whose end is missing is told.

const name = /^snapshot-(\d+)\.snap$/

export function isSnapshotFile(file: string): boolean {
  return name.test(file)
}

export class SnapshotFiles {
  private readonly directory: string
  private lastId = 0
  private removal = Promise.resolve()

  constructor(directory: string) {
    this.directory = directory
  }

  /** Removes what no write has named. Called once, first. */
  async recover(named: ReadonlySet<number>): Promise<void> {
    const ids = new Set<number>()
    for (const file of await fs.promises.readdir(this.directory)) {
      const id = Number(name.exec(file)?.[1] ?? 0)
      if (id > 0) ids.add(id)
    }
    this.lastId = Math.max(0, ...ids, ...named)
    for (const id of named) if (!ids.has(id)) throw corrupt(this.file(id), 0, 'it is missing')
    await this.remove([...ids].filter(id => !named.has(id)))
  }

  /**
   * Stores a snapshot durably under a new id. An error of `chunks` is passed on, and leaves nothing behind.
   */
  async save(group: GroupId, snapshot: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    this.lastId += 1
    const id = this.lastId
    // However slow the file system is in removing, the folder stays bounded.
    await this.removal
    const file = this.file(id)
    const temporary = `${file}${temporarySuffix}`
    try {
      await writeFile(temporary, group, snapshot, chunks)
      await fs.promises.rename(temporary, file)
      await syncDirectory(this.directory)
      return id
    } catch (error) {
      await fs.promises.rm(temporary, { force: true })
      throw error
    }
  }

  /**
   * The chunks of a snapshot, each one verified. Throws STORAGE_CORRUPT where one is damaged or the end is
   * missing.
   */
  async *read(id: number, group: GroupId, snapshot: Snapshot): AsyncGenerator<Uint8Array> {
    const file = this.file(id)
    const handle = await fs.promises.open(file, 'r')
    try {
      const records = readRecords(handle, file)
      const first = await records.next()
      if (first.done || !describes(first.value, group, snapshot))
        throw corrupt(file, 0, 'it is of something else')
      for await (const payload of records) {
        if (payload.length === 0) return
        yield payload.subarray(1)
      }
    } finally {
      await handle.close()
    }
  }

  remove(ids: Iterable<number>): Promise<void> {
    this.removal = this.removal.then(async () => {
      for (const id of ids) await fs.promises.rm(this.file(id), { force: true })
    })
    return this.removal
  }

  private file(id: number): string {
    return path.join(this.directory, `snapshot-${String(id).padStart(12, '0')}.snap`)
  }
}

async function writeFile(
  file: string,
  group: GroupId,
  snapshot: Snapshot,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const salt = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0
  const handle = await fs.promises.open(file, 'wx', 0o600)
  try {
    const writer = new ByteWriter()
    writePreamble(writer, { salt, sequence: 0 })
    // Not `write`, which may take a part only: a disk that fills up does, and says why at the next attempt.
    await handle.writeFile(writer.written())
    const place = { offset: preambleBytes, sequence: 0, salt }
    const append = async (fill: () => void) => {
      writer.clear()
      beginRecord(writer)
      fill()
      finishRecord(writer, place)
      await handle.writeFile(writer.written())
      place.offset += writer.length
      place.sequence += 1
    }
    await append(() => {
      writer.text(group)
      writeSnapshot(writer, snapshot)
    })
    for await (const chunk of callersOwn(chunks)) {
      await append(() => {
        // One byte ahead, so that an empty chunk is not the end.
        writer.byte(1)
        writer.raw(chunk)
      })
    }
    await append(() => undefined)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function* readRecords(handle: fs.promises.FileHandle, file: string): AsyncGenerator<Uint8Array> {
  const { salt } = readPreamble(await readExactly(handle, 0, preambleBytes), file)
  let offset = preambleBytes
  for (let sequence = 0; ; sequence++) {
    const size = recordSizeAt(await readExactly(handle, offset, recordHeaderBytes), 0, salt)
    if (size === undefined) throw corrupt(file, offset, 'a chunk is damaged or missing')
    const reading = readRecord(await readExactly(handle, offset, size), { offset: 0, sequence, salt })
    if (reading.type !== 'record') throw corrupt(file, offset, 'a chunk is damaged')
    yield reading.payload
    offset += size
  }
}

async function readExactly(
  handle: fs.promises.FileHandle,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const { size } = await handle.stat()
  const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)))
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset)
  return bytes.subarray(0, bytesRead)
}

function describes(payload: Uint8Array, group: GroupId, snapshot: Snapshot): boolean {
  try {
    const reader = new ByteReader(payload)
    const own = { group: reader.text(), ...readSnapshot(reader) }
    return own.group === group && own.index === snapshot.index && own.term === snapshot.term
  } catch (error) {
    if (error instanceof MalformedError) return false
    throw error
  }
}
