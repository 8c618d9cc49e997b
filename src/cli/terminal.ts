import { once, setMaxListeners } from 'node:events'
import type { Terminal } from './command.ts'

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
  const onError = (error: unknown) => {
    if (!isBrokenPipe(error)) throw error
    ended.abort(error)
  }
  const ignoreSignals = () => {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
  // The first signal asks to end; after it the default is back, and a second one ends the process at once.
  const onSignal = () => {
    ignoreSignals()
    ended.abort(new Error('interrupted'))
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
