import { once, setMaxListeners } from 'node:events'
import { exitFailed, type Terminal } from './command.ts'

/** npm passes on the SIGINT that the terminal sent to the seed as well: what follows so soon is no second wish. */
const sameSignalMs = 1_000

/** The terminal of this process. `close` lets the process end and restores what signals do. */
export interface ProcessTerminal extends Terminal {
  close(): void
}

export function openTerminal(home: URL): ProcessTerminal {
  const ended = new AbortController()
  // Every print that waits for a slow reader listens.
  setMaxListeners(0, ended.signal)
  const { stdin, stdout, stderr, env } = process
  // A reader such as `head` goes away when it has enough. That is its right, not our failure.
  const onError = (error: NodeJS.ErrnoException) => {
    if (isBrokenPipe(error)) {
      ended.abort(error)
      return
    }
    // A full disk behind `> file`, say. Whatever else the command had to say cannot be said.
    stderr.write(`quorate: the output cannot be written (${error.code ?? error.message})\n`)
    process.exit(exitFailed)
  }
  const ignoreSignals = () => {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
  let firstSignalMs: number | undefined
  // The first signal asks to end, a second one ends the process at once.
  const onSignal = (signal: NodeJS.Signals) => {
    const nowMs = performance.now()
    firstSignalMs ??= nowMs
    ended.abort(new Error('interrupted'))
    if (nowMs - firstSignalMs < sameSignalMs) return
    ignoreSignals()
    process.kill(process.pid, signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  stdout.on('error', onError)
  stderr.on('error', onError)
  return {
    home,
    env,
    stdin,
    ended: ended.signal,
    async print(line) {
      if (stdout.write(`${line}\n`)) return
      await once(stdout, 'drain', { signal: ended.signal })
    },
    warn(line) {
      stderr.write(`${line}\n`)
    },
    close: ignoreSignals,
  }
}

export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}
