import { ApiClient, apiHelp, apiOptions, field, keyPath } from './api-client.ts'
import { type Command, CommandFailed, exitNo, operands, parse } from './command.ts'

export const deleteCommand: Command = {
  help: `Usage: quorate delete KEY [options]

Deletes KEY. Exit code 1 when there was nothing to delete.

${apiHelp}`,

  async run(args, terminal) {
    const { values, positionals } = parse(args, apiOptions)
    const [key = ''] = operands(positionals, 'KEY')
    const { body } = await new ApiClient(values, terminal).ask('DELETE', keyPath(key))
    if (field(body, 'ok') !== true) throw new CommandFailed(`there is no key ${JSON.stringify(key)}`, exitNo)
    await terminal.print(values.json === true ? JSON.stringify(body) : `revision ${field(body, 'revision')}`)
    return 0
  },
}
