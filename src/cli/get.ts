import { ApiClient, apiHelp, apiOptions, keyPath } from './api-client.ts'
import { type Command, CommandFailed, exitNo, operands, parse } from './command.ts'

export const get: Command = {
  help: `Usage: quorate get KEY [--stale] [options]

Prints the value of KEY as JSON. Exit code 1 when the store has no such key.

  --stale          whatever the seed holds now, without asking the leader
${apiHelp}`,

  async run(args, terminal) {
    const { values, positionals } = parse(args, { ...apiOptions, stale: { type: 'boolean' } })
    const [key = ''] = operands(positionals, 'KEY')
    const query = values.stale === true ? '?consistency=stale' : ''
    const client = new ApiClient(values, terminal)
    const { status, body } = await client.ask('GET', keyPath(key) + query, { expected: [404] })
    if (status === 404) throw new CommandFailed(`there is no key ${JSON.stringify(key)}`, exitNo)
    await terminal.print(JSON.stringify(body))
    return 0
  },
}
