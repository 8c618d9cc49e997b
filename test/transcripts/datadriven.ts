/** One command of a transcript, as cockroachdb/datadriven writes them. */
export interface Step {
  readonly line: number
  /** The command line as it was written. */
  readonly text: string
  readonly command: string
  readonly arguments: readonly Argument[]
  readonly input: string
  readonly expected: string
}

/** `key`, `key=value` or `key=(value, value)`. */
export interface Argument {
  readonly key: string
  readonly values: readonly string[]
}

const separator = '----'

/**
 * Parses a transcript: a command line, optional lines of input, `----`, and the expected output up to a blank
 * line. Output that holds blank lines stands between two doubled separators. Lines that start with # are
 * comments.
 */
export function parseTranscript(text: string): Step[] {
  const lines = text.split('\n')
  const steps: Step[] = []
  let at = 0
  const take = () => lines[at++] ?? ''
  const upTo = (isEnd: (line: string) => boolean) => {
    const taken: string[] = []
    while (at < lines.length && !isEnd(lines[at] ?? '')) taken.push(take())
    return taken.join('\n')
  }
  while (at < lines.length) {
    const line = at + 1
    let directive = take().trim()
    if (directive === '' || directive.startsWith('#')) continue
    while (directive.endsWith('\\')) directive = `${directive.slice(0, -1).trim()} ${take().trim()}`
    const input = upTo(each => each === separator)
    if (at >= lines.length) throw new Error(`line ${line}: no ${separator} after ${directive}`)
    take()
    let expected: string
    if (lines[at] === separator) {
      take()
      expected = upTo(each => each === separator)
      take()
      take()
    } else {
      expected = upTo(each => each.trim() === '')
    }
    steps.push({ line, text: directive, ...parseDirective(directive), input, expected })
  }
  return steps
}

function parseDirective(directive: string): Pick<Step, 'command' | 'arguments'> {
  const tokens = directive.match(/[^\s=]+(=\([^)]*\)|=\S*)?/g) ?? []
  const [command = '', ...rest] = tokens
  return { command, arguments: rest.map(parseArgument) }
}

function parseArgument(token: string): Argument {
  const equals = token.indexOf('=')
  if (equals < 0) return { key: token, values: [] }
  const key = token.slice(0, equals)
  const value = token.slice(equals + 1)
  if (!value.startsWith('(')) return { key, values: [value] }
  const inner = value.slice(1, -1).trim()
  return { key, values: inner === '' ? [] : inner.split(',').map(each => each.trim()) }
}

/** Reads a flag such as `prevote=true`. */
export function parseFlag(value: string): boolean {
  if (value === 'true' || value === 't' || value === '1') return true
  if (value === 'false' || value === 'f' || value === '0') return false
  throw new Error(`not a flag: ${value}`)
}

export function parseNumber(value: string): number {
  if (!/^\d+$/.test(value)) throw new Error(`not a number: ${value}`)
  return Number(value)
}
