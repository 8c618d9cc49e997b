import { ApiClient, apiHelp, apiOptions, failureOf, field } from './api-client.ts'
import { type Command, CommandFailed, operands, parse, type Terminal } from './command.ts'

export const watch: Command = {
  help: `Usage: quorate watch [PREFIX] [--from REVISION] [options]

Prints one line for each change of a key that begins with PREFIX, until it is interrupted:
REVISION put KEY VALUE, or REVISION delete KEY, with KEY and VALUE as JSON.

  --from REVISION  begin with the changes of this revision (default: with what comes next)
${apiHelp}`,

  async run(args, terminal) {
    const { values, positionals } = parse(args, { ...apiOptions, from: { type: 'string' } })
    const [prefix] = operands(positionals, 'PREFIX?')
    const { from } = values
    if (from !== undefined && !/^[1-9]\d{0,14}$/.test(from))
      throw new CommandFailed('--from is a revision, from 1')
    const query = new URLSearchParams({ ...(prefix && { prefix }), ...(from && { from }) })
    const response = await new ApiClient(values, terminal).open(`/v1/watch?${query}`)
    const last = await printEvents(response, terminal, values.json === true)
    if (terminal.ended.aborted) return 0
    const hint = last === undefined ? '' : `; go on with --from ${last + 1}`
    throw new CommandFailed(`the seed ended the watch${hint}`)
  },
}

/** Prints until the stream ends; returns the last revision that was printed whole. */
async function printEvents(
  response: Response,
  terminal: Terminal,
  asJson: boolean,
): Promise<number | undefined> {
  let last: number | undefined
  try {
    for await (const { type, id, data } of serverSentEvents(response)) {
      if (type === 'failure') {
        throw failureOf(data)
      }
      await terminal.print(asJson ? JSON.stringify({ type, ...(data as object) }) : eventLine(type, data))
      last = id
    }
  } catch (error) {
    // The connection broke, which fetch reports as a TypeError: told by the caller, as the end it is.
    if (!(error instanceof TypeError) && !terminal.ended.aborted) throw error
  }
  return last
}

function eventLine(type: string, data: unknown): string {
  const [key, value] = [JSON.stringify(field(data, 'key')), JSON.stringify(field(data, 'value'))]
  return [field(data, 'revision'), type, key, ...(type === 'put' ? [value] : [])].join(' ')
}

interface ServerSentEvent {
  readonly type: string
  readonly id: number | undefined
  readonly data: unknown
}

/** As much of the format as a seed sends: one line of each field for an event, comments in between. */
async function* serverSentEvents(response: Response): AsyncGenerator<ServerSentEvent, void> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const data = lines.find(line => line.startsWith('data: '))
      const type = lines.find(line => line.startsWith('event: '))
      const id = lines.find(line => line.startsWith('id: '))
      if (data === undefined) continue
      yield {
        type: type?.slice(7) ?? 'message',
        id: id === undefined ? undefined : Number(id.slice(4)),
        data: JSON.parse(data.slice(6)),
      }
    }
  }
}
