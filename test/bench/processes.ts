import type { ChildProcess } from 'node:child_process'
import { execFile, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Members of every cluster that is measured. */
export const memberCount = 3

/** A folder on the disk that the system keeps temporary files on, gone when `remove` is called. */
export async function makeFolder(name: string): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `quorate-bench-${name}-`))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

const bundles = new Map<string, Promise<string>>()

/** Starts a measured process from a TypeScript file beside this one. */
export async function startProcess(script: string, words: readonly string[]): Promise<ChildProcess> {
  const bundle = bundles.get(script) ?? bundleScript(script)
  bundles.set(script, bundle)
  const child = fork(await bundle, words, { execArgv: [] })
  // A run that is interrupted takes its processes along.
  const end = (): void => void child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  return child
}

/** The library is measured as its users get it: what is written against `src/node.ts` runs on the built package. */
const builtLibrary: Plugin = {
  name: 'built-library',
  setup({ onResolve }) {
    const path = join(root, 'dist/node/node.js')
    onResolve({ filter: /\/src\/node\.ts$/ }, async () => {
      await promisify(execFile)(process.execPath, [join(root, 'build.mjs'), '--if-needed'])
      return { path, external: true }
    })
  },
}

/**
 * Bundled first, because a loader at run time keeps function names by extra calls in the hottest loops; and put below
 * node_modules, where packages are found.
 */
async function bundleScript(script: string): Promise<string> {
  const outfile = join(root, 'node_modules/.cache/quorate-bench', script.replace(/\.ts$/, '.mjs'))
  await build({
    entryPoints: [fileURLToPath(new URL(script, import.meta.url))],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    plugins: [builtLibrary],
    logLevel: 'warning',
  })
  return outfile
}

/** The next message that is accepted, or a rejection when the process ends before. */
export function nextMessage<Message, Accepted extends Message>(
  child: ChildProcess,
  accept: (message: Message) => message is Accepted,
): Promise<Accepted> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: Message): void => {
      if (!accept(message)) return
      child.off('message', onMessage)
      child.off('exit', onExit)
      resolve(message)
    }
    const onExit = (code: number | null, signal: string | null): void =>
      reject(new Error(`a measured process ended early: ${signal ?? `exit code ${code}`}`))
    child.on('message', onMessage)
    child.once('exit', onExit)
  })
}

export function endProcess(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}
