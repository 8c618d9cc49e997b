import { type ParseArgsConfig, parseArgs } from 'node:util'

/** What a command may touch of its process. */
export interface Terminal {
  /** Folder of the command's own code. */
  readonly home: URL
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: AsyncIterable<Uint8Array>
  /**
   * Writes a line to standard output; resolves when it was taken, so that a slow reader slows the command
   * down.
   */
  print(line: string): Promise<void>
  /** Writes a line to standard error. */
  warn(line: string): void
  /** Aborted when nobody reads standard output any more, and by the first SIGINT or SIGTERM. */
  readonly ended: AbortSignal
}

export interface Command {
  /** Everything that `quorate COMMAND --help` prints. */
  readonly help: string
  /** Returns the exit code. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/**
 * Exit codes: 1 is an answer one may not like (no such key, a refusal), 2 is that nothing could be asked at
 * all.
 */
export const exitRefused = 1
export const exitFailed = 2

/** Ends a command with one line on standard error. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly exitCode: number

  constructor(message: string, exitCode = exitFailed) {
    super(message)
    this.exitCode = exitCode
  }
}

type Options = NonNullable<ParseArgsConfig['options']>

/** The arguments of a command, taken apart strictly: what is not known is refused. */
export function parse<T extends Options>(args: readonly string[], options: T) {
  const config = { args: [...args], options, allowPositionals: true, strict: true } as const
  try {
    return parseArgs<typeof config>(config)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!code?.startsWith('ERR_PARSE_ARGS_')) throw error
    // Node explains at length how to pass a positional that begins with a dash; the first sentence says what
    // is wrong.
    const [first = ''] = (error as Error).message.split(/\. |\n/)
    throw new CommandFailed(first)
  }
}

/** Checks the number of operands: `names` ends with `?` where one may be left out. */
export function operands(positionals: readonly string[], ...names: readonly string[]): readonly string[] {
  const needed = names.filter(name => !name.endsWith('?'))
  const missing = needed[positionals.length]
  if (missing !== undefined) throw new CommandFailed(`${missing} is missing`)
  const surplus = positionals[names.length]
  if (surplus !== undefined) throw new CommandFailed(`unexpected argument ${JSON.stringify(surplus)}`)
  return positionals
}
