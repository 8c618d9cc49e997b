import fs from 'node:fs'
import path from 'node:path'
import { QuorateError } from '../core/error.ts'

// What the file adapter asks of the operating system beyond `node:fs`.

/**
 * Creates the directory and those above it where they are missing. Not by `mkdir` with `recursive`: Node 20
 * never comes back from that where the system refuses with ENOENT, as below /proc.
 */
export async function makeDirectory(directory: string): Promise<void> {
  const make = (parent: string) => fs.promises.mkdir(parent, { mode: 0o700 })
  try {
    await make(directory).catch(async error => {
      if (error.code !== 'ENOENT') throw error
      await makeDirectory(path.dirname(directory))
      await make(directory)
    })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST' || !(await fs.promises.stat(directory)).isDirectory()) throw error
  }
}

/** Makes the creation, renaming and removal of files in the directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  // Windows cannot open a directory, and NTFS journals its entries itself.
  if (process.platform === 'win32') return
  const handle = await fs.promises.open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates or replaces a file as a whole: after a crash it has the old content or the new one. */
export async function replaceFile(file: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${file}${temporarySuffix}`
  await fs.promises.rm(temporary, { force: true })
  const handle = await fs.promises.open(temporary, 'wx', mode)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await fs.promises.rename(temporary, file)
  await syncDirectory(path.dirname(file))
}

/**
 * Ends the name of every file that is not finished. What a crash leaves of them is removed at the next start.
 */
export const temporarySuffix = '.tmp'

const inSync = process.platform === 'linux'

/**
 * Opens a file for writes that are durable when they are done. On Linux the kernel does write and flush in
 * one call (O_DSYNC), which saves a turn of the event loop between the two: measured 0.13 ms instead of 0.14
 * ms on an idle loop, and far more on a busy one. Elsewhere the flag is missing or stops at the drive's
 * cache.
 */
export function openDurable(file: string, flags: 'create' | 'write'): Promise<number> {
  const { O_RDWR, O_CREAT, O_EXCL, O_DSYNC } = fs.constants
  const bits = O_RDWR | (flags === 'create' ? O_CREAT | O_EXCL : 0) | (inSync ? O_DSYNC : 0)
  return new Promise((resolve, reject) => {
    fs.open(file, bits, 0o600, (error, descriptor) => (error ? reject(error) : resolve(descriptor)))
  })
}

/** Writes all of the bytes at the position of a file from `openDurable`. */
export function writeDurable(descriptor: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const flushed = (error: Error | null) => (error ? reject(error) : resolve())
    const write = (done: number) => {
      fs.write(descriptor, bytes, done, bytes.length - done, position + done, (error, written) => {
        if (error) reject(error)
        // A disk that fills up takes a part and says why at the next attempt.
        else if (done + written < bytes.length) write(done + written)
        else if (inSync) resolve()
        else fs.fdatasync(descriptor, flushed)
      })
    }
    write(0)
  })
}

/** Makes the size of the file durable, too. */
export function flush(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fsync(descriptor, error => (error ? reject(error) : resolve()))
  })
}

export function truncateDescriptor(descriptor: number, size: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.ftruncate(descriptor, size, error => (error ? reject(error) : resolve()))
  })
}

export function closeDescriptor(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.close(descriptor, error => (error ? reject(error) : resolve()))
  })
}

/** An error of the operating system as what it means for the host. Any other error stays what it is. */
export function storageError(action: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof QuorateError || typeof code !== 'string') return error
  return new QuorateError('STORAGE_FAILED', `${action}: ${reasons[code] ?? message}`, { cause: error })
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EIO: 'the disk reports an error',
  EEXIST: 'it is not a directory',
  ENOENT: 'it cannot be created there',
  ENOTDIR: 'it is not a directory',
  EMFILE: 'too many files are open',
}
