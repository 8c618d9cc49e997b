import { ApiClient, apiHelp, apiOptions, field, keyPath } from './api-client.ts'
import { type Command, CommandFailed, exitNo, operands, parse, type Terminal } from './command.ts'

export const put: Command = {
  help: `Usage: quorate put KEY VALUE [--string] [--insert] [options]

Stores VALUE under KEY and prints the revision of the write.

VALUE is JSON: 42, true, null, '"text"', '{"name":"Ada"}'. What is not JSON and does not begin with {, [ or "
is taken as a string, so that \`quorate put name Ada\` does what it says. A lone - reads VALUE from standard input.

  --string         take VALUE as a string, whatever it looks like
  --insert         only when KEY does not exist; exit code 1 and the present value when it does
${apiHelp}`,

  async run(args, terminal) {
    const own = { string: { type: 'boolean' }, insert: { type: 'boolean' } } as const
    const { values, positionals } = parse(args, { ...apiOptions, ...own })
    const [key = '', text = ''] = operands(positionals, 'KEY', 'VALUE')
    const path = keyPath(key)
    const given = text === '-' ? await readAll(terminal) : text
    const json = values.string === true ? JSON.stringify(given) : asJson(given)
    const headers: Record<string, string> = values.insert === true ? { 'if-none-match': '*' } : {}
    const client = new ApiClient(values, terminal)
    const answer = await client.ask('PUT', path, { json, headers, expected: [412] })
    const revision = field(answer.body, 'revision')
    if (answer.status === 412) {
      const present = JSON.stringify(field(answer.body, 'value'))
      throw new CommandFailed(`the key exists, with ${present} of revision ${revision}`, exitNo)
    }
    await terminal.print(values.json === true ? JSON.stringify({ revision }) : `revision ${revision}`)
    return 0
  },
}

/** JSON is handed on as it is written: read and printed again, 1e400 would become null. The store refuses it. */
function asJson(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch {
    // Somebody who writes a bracket or a quote means JSON and made a mistake.
    if (!/^\s*[{["]/.test(text)) return JSON.stringify(text)
    throw new CommandFailed('VALUE is no JSON; with --string it is stored as it is')
  }
}

async function readAll({ stdin }: Terminal): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stdin) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8').replace(/\n$/, '')
}
