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

/** The answer is no: there is no such key, or the key exists already. */
export const exitNo = 1
/** Nothing could be asked: the command is wrong, or what it needs is not there. */
export const exitFailed = 2
/** The store refused, changed nothing, and will refuse again. */
export const exitRefused = 3
/** The store cannot now, and changed nothing: the same command may succeed later. */
export const exitNotNow = 4
/** Nobody knows whether the change was made. */
export const exitUnknown = 5

/** All of them, as `quorate --help` tells. */
export const exitCodes = `Exit codes:
  0  done
  1  the answer is no: there is no such key, or (put --insert) the key exists
  2  nothing was asked: a wrong command, no seed there, a secret that is not the cluster's; or a seed that failed
  3  the store refused, and changed nothing (LAST_VOTER, MEMBERSHIP_CONFLICT, TOO_LARGE, ...)
  4  not now, and nothing was changed (NO_LEADER, SYSTEM_BUSY, TIMEOUT, ...): try again
  5  it is not known whether the change was made (OUTCOME_UNKNOWN, or the seed's answer was lost)`

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
