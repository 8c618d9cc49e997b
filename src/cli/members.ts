import { ApiClient, apiHelp, apiOptions } from './api-client.ts'
import { type Command, CommandFailed, operands, parse } from './command.ts'
import { list, memberRow } from './status.ts'
import { table } from './table.ts'

export const members: Command = {
  help: `Usage: quorate members [options]
       quorate members promote HOST... [options]
       quorate members demote HOST [options]
       quorate members remove HOST [options]

Prints the members as the group knows them, after the change where there is one. A promoted host becomes a voter; it
waits as a learner while one more voter would make their number even.

${apiHelp}`,

  async run(args, terminal) {
    const { values, positionals } = parse(args, apiOptions)
    const [action, ...hosts] = positionals
    const client = new ApiClient(values, terminal)
    const { body } =
      action === undefined
        ? await client.ask('GET', '/v1/members')
        : await client.ask('POST', '/v1/members', { json: JSON.stringify(change(action, hosts)) })
    const found = list(body, 'members')
    const text = values.json === true ? JSON.stringify(found) : table(found.map(memberRow)).join('\n')
    await terminal.print(text)
    return 0
  },
}

function change(action: string, hosts: readonly string[]) {
  if (action !== 'promote' && action !== 'demote' && action !== 'remove') {
    throw new CommandFailed(`members knows promote, demote and remove, not ${JSON.stringify(action)}`)
  }
  if (action !== 'promote') operands(hosts, 'HOST')
  if (hosts.length === 0) throw new CommandFailed('HOST is missing')
  return { action, host: hosts.length === 1 ? hosts[0] : hosts }
}
