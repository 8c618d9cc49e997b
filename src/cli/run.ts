import { version } from '../base/version.ts'
import { type Command, CommandFailed, exitCodes, exitFailed, type Terminal } from './command.ts'
import { isBrokenPipe } from './terminal.ts'

interface Entry {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Loaded when it is asked for: a `get` should not wait for the parts of a seed. */
  readonly load: () => Promise<Command>
}

const commands: readonly Entry[] = [
  {
    name: 'seed',
    summary: 'run a seed: signaling, a voter on disk, the HTTP API, the demo where it is asked for',
    load: async () => (await import('./seed.ts')).seed,
  },
  {
    name: 'get',
    summary: 'print the value of a key as JSON',
    load: async () => (await import('./get.ts')).get,
  },
  {
    name: 'put',
    summary: 'store a value under a key',
    load: async () => (await import('./put.ts')).put,
  },
  {
    name: 'delete',
    summary: 'delete a key',
    load: async () => (await import('./delete.ts')).deleteCommand,
  },
  {
    name: 'watch',
    summary: 'print every change of the keys with a prefix',
    load: async () => (await import('./watch.ts')).watch,
  },
  {
    name: 'status',
    summary: 'print what a seed knows of the cluster',
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'members',
    summary: 'list the members of the store, or change them',
    load: async () => (await import('./members.ts')).members,
  },
]

const help = `Usage: quorate COMMAND [options]

A strongly consistent, replicated store that runs inside browser tabs and Node processes at once.

${commands.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`).join('\n')}

\`quorate COMMAND --help\` explains a command.

${exitCodes}`

/**
 * Runs the command that the arguments name; returns the exit code. Only mistakes of this program are thrown.
 */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(args, terminal)
  } catch (error) {
    if (terminal.ended.aborted && isAbort(error, terminal.ended)) {
      return isBrokenPipe(terminal.ended.reason) ? 0 : exitFailed
    }
    if (!(error instanceof CommandFailed)) throw error
    terminal.warn(`quorate: ${error.message.replace(/\s*\n\s*/g, ' ')}`)
    return error.exitCode
  }
}

async function dispatch([name, ...args]: readonly string[], terminal: Terminal): Promise<number> {
  if (name === undefined) throw new CommandFailed('a command is missing; see quorate --help')
  if (name === '--version') return print(terminal, version)
  if (name === '--help' || name === 'help') return print(terminal, help)
  const entry = commands.find(command => command.name === name)
  if (entry === undefined)
    throw new CommandFailed(`unknown command ${JSON.stringify(name)}; see quorate --help`)
  const command = await entry.load()
  // What follows a lone -- are operands, whatever they look like.
  const words = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  return words.includes('--help') ? print(terminal, command.help) : command.run(args, terminal)
}

async function print(terminal: Terminal, text: string): Promise<number> {
  await terminal.print(text)
  return 0
}

function isAbort(error: unknown, { reason }: AbortSignal): boolean {
  return error === reason || (error instanceof Error && error.name === 'AbortError')
}
