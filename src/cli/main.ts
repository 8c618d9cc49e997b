// The `quorate` command.
import { runCommand } from './run.ts'
import { openTerminal } from './terminal.ts'

const terminal = openTerminal(new URL('.', import.meta.url))
try {
  process.exitCode = await runCommand(process.argv.slice(2), terminal)
} finally {
  terminal.close()
}
