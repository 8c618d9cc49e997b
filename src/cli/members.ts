import { ApiClient, apiHelp, apiOptions } from './api-client.ts'
import { type Command, CommandFailed, operands, parse } from './command.ts'
import { list, memberRow } from './status.ts'
import { table } from './table.ts'

export const members: Command = {
  help: `Usage: quorate members [options]
       quorate members promote HOST... [options]
       quorate members demote HOST [options]
       quorate members remove HOST [options]
       quorate members weigh HOST=WEIGHT... [options]
       quorate members transfer HOST [options]

Prints the members as the group knows them, after the change where there is one. A promoted host becomes a voter; it
waits as a learner while one more voter would make their number even. Voters with more than half of all weight decide;
each weighs 1, unless it is weighed: a WEIGHT is from 1 to 100. transfer makes a voter that keeps values the leader.

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

const actions = ['promote', 'demote', 'remove', 'weigh', 'transfer']

function change(action: string, hosts: readonly string[]) {
  if (!actions.includes(action)) {
    throw new CommandFailed(`members knows ${actions.join(', ')}, not ${JSON.stringify(action)}`)
  }
  if (hosts.length === 0) throw new CommandFailed('HOST is missing')
  if (action === 'weigh') return { action, weights: Object.fromEntries(hosts.map(readWeight)) }
  if (action !== 'promote') operands(hosts, 'HOST')
  return { action, host: hosts.length === 1 ? hosts[0] : hosts }
}

function readWeight(text: string): readonly [string, number] {
  const [, host, weight] = /^([^=]+)=([1-9]\d{0,2})$/.exec(text) ?? []
  if (host !== undefined) return [host, Number(weight)]
  throw new CommandFailed(`${JSON.stringify(text)} is not HOST=WEIGHT`)
}
