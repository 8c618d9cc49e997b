import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { openFileStorage } from '../../src/storage/file.ts'
import { verify } from './writes.ts'

/** Small, so that most kills meet a log that has several files, and some meet the making of the next one. */
const segmentBytes = 16 * 1024
const rounds = 60

let folder: string
let program: string

before(async () => {
  folder = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'quorate-crash-'))
  program = path.join(folder, 'writer.mjs')
  // One file, so that a process starts in a moment and is soon worth killing.
  await build({
    entryPoints: [fileURLToPath(new URL('writer.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: program,
    logLevel: 'error',
  })
})

after(() => fs.promises.rm(folder, { recursive: true }))

interface Printed {
  /** The last write that the process found; undefined when it was killed before it had looked. */
  readonly loaded: number | undefined
  readonly write: number
  readonly snapshot: number
}

/**
 * Lets the writer run until it has printed so many lines or the time is over, kills it, and returns what it
 * printed.
 */
async function runAndKill(directory: string, lines: number, ms: number): Promise<Printed> {
  const child = spawn(process.execPath, [program, directory, `${segmentBytes}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr.on('data', chunk => {
    complaint += chunk
  })
  const exited = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), ms)
  const highest = new Map<string, number>()
  let seen = 0
  // What is in the pipe when the process dies was promised, too: so read to the end.
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const [kind = '', number] = line.split(' ')
    highest.set(kind, Math.max(highest.get(kind) ?? 0, Number(number)))
    seen += 1
    if (seen === lines) child.kill('SIGKILL')
  }
  const [, signal] = await exited
  clearTimeout(timer)
  assert.equal(signal, 'SIGKILL', complaint)
  return {
    loaded: highest.get('loaded'),
    write: highest.get('write') ?? 0,
    snapshot: highest.get('snapshot') ?? 0,
  }
}

test(`a process that is killed ${rounds} times while it writes loses nothing it acknowledged`, async () => {
  const directory = path.join(folder, 'data')
  let [written, named] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    // Some die of old age, so early that they have not even read the log. The writer checks what it finds by
    // itself.
    const ms = round % 6 === 5 ? 30 + Math.random() * 50 : 30_000
    const printed = await runAndKill(directory, 1 + Math.floor(Math.random() * 80), ms)
    const found = printed.loaded ?? written
    assert.ok(found >= written, `round ${round}: write ${written} was acknowledged, ${found} was found`)
    written = Math.max(found, printed.write)
    named = Math.max(named, printed.snapshot)
  }
  const storage = await openFileStorage(directory, { segmentBytes })
  const host = await storage.load()
  const last = await verify(storage, host)
  assert.ok(last >= written, `write ${written} was acknowledged, ${last} is the last one`)
  assert.ok(named > 0 && (host.groups.get('a')?.snapshot?.index ?? 0) >= named, 'the last snapshot is there')
  await storage.close()
  const files = fs.readdirSync(directory)
  assert.ok(files.filter(name => name.endsWith('.wal')).length > 3, 'the log went through several files')
  assert.ok(!files.some(name => name.endsWith('.tmp')), 'what was not finished was removed')
})
