import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A `quorate seed` process with a data folder of its own. */
export interface Seed {
  /** Where it serves, without a slash at the end. Stays the same over restarts. */
  readonly url: string
  /** What it has printed so far. */
  output(): string
  /** Ends it as a power cut would, and waits until it is gone. */
  kill(): Promise<void>
  /** Asks it to end (SIGTERM). Resolves with its exit code, null when a signal ended it. */
  stop(): Promise<number | null>
  /** Starts it again: same data, same port. */
  start(): Promise<void>
  /** Ends it and forgets its data. Idempotent. */
  close(): Promise<void>
}

export interface SeedOptions {
  /** Further words of its command line, `--signal-only` say. */
  readonly words?: readonly string[]
  /** How Node runs `quorate seed`. Default: the built one, with the demo. */
  readonly command?: readonly string[]
  /** Further variables of its environment. */
  readonly env?: Readonly<Record<string, string>>
}

const builtCommand = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const builtSeed = [builtCommand, 'seed', '--demo']
const startTimeoutMs = 15_000

/** Starts a seed on a free port of loopback and waits until it serves. */
export async function startSeed(options: SeedOptions = {}): Promise<Seed> {
  if (options.command === undefined) {
    await access(builtCommand).catch(() => {
      throw new Error('dist/ has no command: run `npm run build` first')
    })
  }
  const folder = await mkdtemp(join(tmpdir(), 'quorate-seed-'))
  const seed = new SeedProcess(folder, options)
  try {
    await seed.start()
    return seed
  } catch (error) {
    await seed.close()
    throw error
  }
}

class SeedProcess implements Seed {
  url = ''
  readonly #folder: string
  readonly #command: readonly string[]
  readonly #words: readonly string[]
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #output = ''

  constructor(folder: string, { command = builtSeed, words = [], env = {} }: SeedOptions) {
    this.#folder = folder
    this.#command = command
    this.#words = words
    this.#env = env
  }

  output(): string {
    return this.#output
  }

  async start(): Promise<void> {
    // Port 0 the first time; afterwards the one it got, where its pages look for it.
    const port = this.url === '' ? '0' : new URL(this.url).port
    const child = spawn(
      process.execPath,
      [...this.#command, '--port', port, '--data', this.#folder, ...this.#words],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...this.#env } },
    )
    this.#child = child
    this.url = await this.#firstUrl(child)
  }

  /** Waits for the line that names the URL. A seed that ends before has printed why. */
  #firstUrl(child: ChildProcess): Promise<string> {
    return new Promise((resolve, reject) => {
      let printed = ''
      const fail = (reason: string): void => reject(new Error(`the seed ${reason}:\n${printed}`))
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        fail(`did not serve within ${startTimeoutMs / 1000} s`)
      }, startTimeoutMs)
      const read = (chunk: string): void => {
        printed += chunk
        this.#output += chunk
        const url = /https?:\/\/[\w.:[\]-]+/.exec(printed)?.[0]
        if (url === undefined) return
        clearTimeout(timer)
        resolve(url)
      }
      child.stdout?.setEncoding('utf8').on('data', read)
      child.stderr?.setEncoding('utf8').on('data', read)
      child.once('exit', code => {
        clearTimeout(timer)
        fail(`ended with exit code ${code}`)
      })
    })
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  stop(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  async close(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined) return null
    this.#child = undefined
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
    return child.exitCode
  }
}
