import { version } from '../base/version.ts'
import { type Command, CommandFailed, exitFailed } from './command.ts'
import { deleteCommand } from './delete.ts'
import { get } from './get.ts'
import { members } from './members.ts'
import { put } from './put.ts'
import { seed } from './seed.ts'
import { status } from './status.ts'
import { isBrokenPipe, openTerminal } from './terminal.ts'
import { watch } from './watch.ts'

const commands: ReadonlyMap<string, Command> = new Map([
  ['seed', seed],
  ['get', get],
  ['put', put],
  ['delete', deleteCommand],
  ['watch', watch],
  ['status', status],
  ['members', members],
])

const help = `Usage: quorate COMMAND [options]

A strongly consistent, replicated store that runs inside browser tabs and Node processes at once.

${[...commands].map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`).join('\n')}

\`quorate COMMAND --help\` explains a command. Exit codes: 0 done, 1 refused (no such key, say), 2 failed.`

process.exitCode = await main(process.argv.slice(2))

async function main([name, ...args]: readonly string[]): Promise<number> {
  const terminal = openTerminal()
  try {
    if (name === undefined) throw new CommandFailed('a command is missing; see quorate --help')
    if (name === '--version') return await terminal.print(version).then(() => 0)
    if (name === '--help' || name === 'help') return await terminal.print(help).then(() => 0)
    const command = commands.get(name)
    if (command === undefined)
      throw new CommandFailed(`unknown command ${JSON.stringify(name)}; see quorate --help`)
    const asksForHelp = args.includes('--help') && !args.slice(0, args.indexOf('--help')).includes('--')
    if (asksForHelp) return await terminal.print(command.help).then(() => 0)
    return await command.run(args, terminal)
  } catch (error) {
    if (terminal.ended.aborted && isAbort(error, terminal.ended)) {
      return isBrokenPipe(terminal.ended.reason) ? 0 : exitFailed
    }
    if (!(error instanceof CommandFailed)) throw error
    terminal.warn(`quorate: ${error.message.replace(/\s*\n\s*/g, ' ')}`)
    return error.exitCode
  } finally {
    terminal.close()
  }
}

function isAbort(error: unknown, { reason }: AbortSignal): boolean {
  return error === reason || (error instanceof Error && error.name === 'AbortError')
}
