import { ApiClient, apiHelp, apiOptions, field } from './api-client.ts'
import { type Command, operands, parse } from './command.ts'
import { table } from './table.ts'

export const status: Command = {
  help: `Usage: quorate status [options]

Prints the part of the seed's host, who leads, how far the log is, the members and the peers. It asks nobody but the
seed, so it answers without a leader too.

${apiHelp}`,

  async run(args, terminal) {
    const { values, positionals } = parse(args, apiOptions)
    operands(positionals)
    const { body } = await new ApiClient(values, terminal).ask('GET', '/v1/status')
    await terminal.print(values.json === true ? JSON.stringify(body) : describe(body))
    return 0
  },
}

function describe(body: unknown): string {
  const state = field(body, 'state')
  const cluster = `cluster  ${field(body, 'cluster')}`
  const error = field(body, 'error')
  const why = error === undefined ? '' : `: ${field(error, 'message')} (${field(error, 'code')})`
  if (state !== 'running') return `${cluster}\nstate    ${state}${why}`
  const host = field(body, 'host')
  const lines = [
    cluster,
    `host     ${host} (${field(body, 'role')})`,
    `leader   ${field(body, 'leader') ?? 'none known'}`,
    `log      term ${field(body, 'term')}, commit ${field(body, 'commit')}, applied ${field(body, 'applied')}`,
    `keys     ${field(body, 'keys')}`,
    ...obstacles(body),
    ...section('members', list(body, 'members').map(memberRow)),
    ...section('peers', list(body, 'peers').map(peerRow)),
  ]
  return lines.join('\n')
}

/** Why the host answers nothing, or others do not. */
function obstacles(body: unknown): readonly string[] {
  const [command, diverged] = [field(body, 'unknownCommand'), field(body, 'diverged')]
  const isHere = field(diverged, 'isQuarantined') === true ? ' (this one answers nothing)' : ''
  const since = `${field(diverged, 'isExact') === true ? 'at' : 'at or before'} ${field(diverged, 'revision')}`
  return [
    ...(command === undefined ? [] : [`stopped  at the command ${command}, which this host was not given`]),
    ...(diverged === undefined ? [] : [`differs  ${since}: ${list(diverged, 'hosts').join(', ')}${isHere}`]),
  ]
}

function section(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  return rows.length === 0 ? [] : [title, ...table(rows).map(line => `  ${line}`)]
}

/** A member for people: its wish is shown only where it differs from what it is, its weight where it was set. */
export function memberRow(member: unknown): readonly string[] {
  const [id, role, wanted] = [field(member, 'hostId'), field(member, 'role'), field(member, 'wanted')]
  const weight = field(member, 'weight')
  const notes = [
    role === wanted ? '' : `to become ${wanted}`,
    field(member, 'witness') === true ? 'witness' : '',
    weight === 1 || weight === undefined ? '' : `weight ${weight}`,
  ]
  return [String(id), String(role), notes.filter(note => note !== '').join(', ')]
}

function peerRow(peer: unknown): readonly string[] {
  const [path, candidate] = [field(peer, 'path'), field(peer, 'candidate')]
  const roundTrip = field(peer, 'roundTripMs')
  const way = candidate === undefined ? String(path) : `${path} (${candidate})`
  return [
    String(field(peer, 'hostId')),
    way,
    typeof roundTrip === 'number' ? `${roundTrip.toFixed(1)} ms` : '',
  ]
}

export function list(body: unknown, name: string): readonly unknown[] {
  const value = field(body, name)
  return Array.isArray(value) ? value : []
}
