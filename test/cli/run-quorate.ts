import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../../src/cli/run.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** The `quorate` command from its sources, in a process of its own. */
export class Quorate {
  readonly child: ChildProcess
  out = ''
  err = ''
  private readonly closed: Promise<unknown>

  /** What it prints goes to `output` where one is given, a file descriptor. */
  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    output: number | 'pipe' = 'pipe',
  ) {
    const { QUORATE_SECRET: _secret, QUORATE_URL: _url, ...inherited } = process.env
    this.child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
      env: { ...inherited, ...env },
      stdio: ['pipe', output, 'pipe'],
    })
    this.closed = once(this.child, 'close')
    this.child.stdout?.setEncoding('utf8').on('data', text => {
      this.out += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', text => {
      this.err += text
    })
  }

  /** Waits until standard output matches; fails with what was printed when the process ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.out)
      if (match !== null) return match
      const event = await Promise.race([
        once(this.child.stdout as NonNullable<ChildProcess['stdout']>, 'data').then(() => 'data'),
        this.closed.then(() => 'closed'),
      ])
      if (event === 'closed' && !pattern.test(this.out)) {
        throw new Error(`ended without ${pattern}: ${this.out}${this.err}`)
      }
    }
  }

  async ended(): Promise<Ended> {
    await this.closed
    return { code: this.child.exitCode, out: this.out, err: this.err }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Kills the process if a test left it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.closed
  }
}

/** Runs a command in this process, without its terminal: what it printed, and its exit code. */
export async function quorate(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
  home = new URL('../../src/cli/', import.meta.url),
): Promise<Ended> {
  let [out, err] = ['', '']
  const code = await runCommand(args, {
    env,
    home,
    stdin: Readable.from([Buffer.from(input)]),
    ended: new AbortController().signal,
    print: async line => {
      out += `${line}\n`
    },
    warn: line => {
      err += `${line}\n`
    },
  })
  return { code, out, err }
}
