import { spawn } from 'node:child_process'

export interface ProcessOptions {
  readonly command: string
  readonly arguments: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Killed after this long, with everything it started. */
  readonly timeoutMs: number
  /** Killed likewise as soon as its output holds this: all that was asked of it is known. */
  readonly until?: RegExp
}

export interface ProcessResult {
  /** True when it ended by itself, with exit code 0. */
  readonly ok: boolean
  readonly isTimedOut: boolean
  /** How it ended, as a sentence for people: "exit code 1", "killed by SIGSEGV", "did not end within 120 s". */
  readonly ending: string
  /** Standard output and standard error as they came. */
  readonly output: string
}

/** Output kept of one process: the last of it, which is where the reason of a failure stands. */
const outputCharactersMax = 256 * 1024

const groups = new Set<number>()

/** Runs a process to its end, whatever that is; never rejects. */
export function runProcess(options: ProcessOptions): Promise<ProcessResult> {
  return new Promise(resolve => {
    // A group of its own, so that a test that hangs takes its own children with it, and nobody else's.
    const child = spawn(options.command, options.arguments, {
      cwd: options.cwd,
      // What Node tells the files of a run about it: tests within a test would report to the outer run in its own way.
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
    })
    const group = child.pid
    if (group !== undefined) groups.add(group)
    let output = ''
    let timedOut = false
    const keep = (chunk: string): void => {
      output = (output + chunk).slice(-outputCharactersMax)
      if (options.until?.test(output)) killGroup(group)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    const timer = setTimeout(() => {
      timedOut = true
      killGroup(group)
    }, options.timeoutMs)
    const end = (ok: boolean, ending: string): void => {
      clearTimeout(timer)
      if (group !== undefined) groups.delete(group)
      resolve({ ok, isTimedOut: timedOut, ending, output })
    }
    child.once('error', error => end(false, `cannot start: ${error.message}`))
    child.once('close', (code, signal) => {
      if (timedOut) end(false, `did not end within ${options.timeoutMs / 1000} s`)
      else if (signal !== null) end(false, `killed by ${signal}`)
      else end(code === 0, `exit code ${code}`)
    })
  })
}

/** Ends everything that is still running: called when the run itself is interrupted. */
export function killAllProcesses(): void {
  for (const group of groups) killGroup(group)
}

function killGroup(group: number | undefined): void {
  if (group === undefined) return
  try {
    process.kill(process.platform === 'win32' ? group : -group, 'SIGKILL')
  } catch (error) {
    // It may have ended in the meantime, which is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
