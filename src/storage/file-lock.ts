import fs from 'node:fs'
import path from 'node:path'
import { QuorateError } from '../core/error.ts'

// One process at a time, without a lock that the kernel would release for us: Node has none.
//
// Whoever owns the directory has written the highest numbered file `lock-N`. An owner that is alive is
// respected; one that is gone is succeeded by creating `lock-(N+1)`, complete with its content, by link(2),
// which succeeds for exactly one of many. A released lock is emptied, not removed, so that numbers never
// start again while somebody still believes in an old one. Replacing or removing one well-known lock file is
// the obvious way, and has a window in which the second of two successors removes the first one's new lock.

const name = /^lock-(\d+)$/

interface Owner {
  readonly pid: number
  /** Tells a process from a later one with its number. Null where the system does not say. */
  readonly started: string | null
}

/** Rejects with STORAGE_LOCKED while another process, or this one, has the directory. Returns the release. */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const own: Owner = { pid: process.pid, started: await processStart(process.pid) }
  const draft = path.join(directory, `lock-draft-${process.pid}-${crypto.randomUUID()}`)
  await fs.promises.writeFile(draft, JSON.stringify(own), { flag: 'wx', mode: 0o600 })
  try {
    const number = await succeed(directory, draft)
    const file = lockFile(directory, number)
    return () => fs.promises.truncate(file)
  } finally {
    await fs.promises.rm(draft, { force: true })
  }
}

async function succeed(directory: string, draft: string): Promise<number> {
  for (;;) {
    const highest = Math.max(0, ...(await lockNumbers(directory)))
    await refuseLiving(directory, highest)
    const number = highest + 1
    try {
      await fs.promises.link(draft, lockFile(directory, number))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw error
    }
    const numbers = await lockNumbers(directory)
    const outdated = numbers.filter(other => other < number)
    if (outdated.length === numbers.length - 1) {
      for (const other of outdated) await fs.promises.rm(lockFile(directory, other), { force: true })
      return number
    }
    // We were so slow that a successor of `highest` has been succeeded, and the number was free again.
    await fs.promises.rm(lockFile(directory, number), { force: true })
  }
}

async function refuseLiving(directory: string, number: number): Promise<void> {
  const owner = await readOwner(lockFile(directory, number))
  if (owner === undefined || !(await isAlive(owner))) return
  throw new QuorateError('STORAGE_LOCKED', `${directory} is in use by process ${owner.pid}`, {
    retryable: true,
    detail: { pid: owner.pid },
  })
}

/** Undefined when the lock was released, or is gone because it was succeeded. */
async function readOwner(file: string): Promise<Owner | undefined> {
  let text: string
  try {
    text = await fs.promises.readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (text === '') return undefined
  try {
    const { pid, started } = JSON.parse(text) as Partial<Owner>
    if (Number.isSafeInteger(pid) && (pid as number) > 0)
      return { pid: pid as number, started: started ?? null }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  // A lock is complete before it has its name, so this one was left by a crash of the machine: its owner is
  // gone.
  return undefined
}

async function isAlive({ pid, started }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    // EPERM: it is alive and not ours.
  }
  return started === null || started === (await processStart(pid))
}

/**
 * Names the start of a process, unique for its number: the boot of the machine and the clock tick (proc(5)).
 */
async function processStart(pid: number): Promise<string | null> {
  try {
    const boot = await fs.promises.readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    const status = await fs.promises.readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses, and may hold anything. The third is the state,
    // the 22nd the start. A zombie owns nothing any more.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? null : `${boot.trim()}/${fields[19]}`
  } catch {
    // The process is gone, or the system is not Linux: then the number alone has to do.
    return null
  }
}

async function lockNumbers(directory: string): Promise<number[]> {
  const files = await fs.promises.readdir(directory)
  return files.flatMap(file => name.exec(file)?.[1] ?? []).map(Number)
}

function lockFile(directory: string, number: number): string {
  return path.join(directory, `lock-${number}`)
}
