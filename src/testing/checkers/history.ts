import { HistoryError, type Operation } from './operation.ts'
import { isRecord } from './value.ts'

/**
 * Reads a history: JSON lines (see `Operation`), or a log of Jepsen's register test of etcd.
 *
 * @throws {HistoryError} that names the line, when one cannot be understood or there is no operation at all.
 */
export function parseHistory(text: string): Operation[] {
  const lines = text.split(/\r?\n/)
  const isJson =
    lines
      .find(line => line.trim() !== '')
      ?.trim()
      .startsWith('{') ?? false
  const operations = isJson ? parseJsonLines(lines) : parseJepsenLog(lines)
  if (operations.length === 0) throw new HistoryError('there is no operation in it')
  return operations
}

/** A history as JSON lines: what `parseHistory` reads. */
export function formatHistory(operations: readonly Operation[]): string {
  return operations.map(operation => `${JSON.stringify(operation)}\n`).join('')
}

function parseJsonLines(lines: readonly string[]): Operation[] {
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    const operation = parseJson(line)
    if (!isOperation(operation))
      throw new HistoryError(`line ${i + 1} is not an operation: ${shortened(line)}`)
    return [operation]
  })
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function isOperation(value: unknown): value is Operation {
  if (!isRecord(value)) return false
  const { client, op, key, args, call, return: end, outcome } = value
  return (
    (typeof client === 'string' || typeof client === 'number') &&
    typeof op === 'string' &&
    (key === undefined || key === null || typeof key === 'string' || typeof key === 'number') &&
    Array.isArray(args) &&
    typeof call === 'number' &&
    isEnd(end, call, outcome)
  )
}

function isEnd(end: unknown, call: number, outcome: unknown): boolean {
  if (outcome === 'ok') return typeof end === 'number' && end >= call
  return (outcome === 'fail' || outcome === 'unknown') && (typeof end === 'number' || (end ?? null) === null)
}

/** A register called or answered, as Jepsen logs it: `INFO  jepsen.util - 4 :ok :cas [3 0]`. */
const jepsenLine = /^INFO\s+jepsen\.util\s+-\s+(\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.*?)\s*$/

/**
 * A line is a moment in time. A write or cas that timed out (`:info`), or was never answered, may have happened at any
 * later time. A cas that failed (`:fail`) found another value than it expected, which is an answer; a read that failed
 * says nothing.
 */
function parseJepsenLog(lines: readonly string[]): Operation[] {
  const operations: Operation[] = []
  /** Calls without an answer, by process: their positions. */
  const open = new Map<string, number>()
  for (const [at, line] of lines.entries()) {
    const [, process = '', type, op = '', value = ''] = jepsenLine.exec(line) ?? []
    if (type === undefined) {
      if (/jepsen\.util\s+-\s+\d/.test(line)) throw misread(at, line)
      continue
    }
    if (type === 'invoke') {
      const args = op === 'read' ? [] : parseValues(value)
      if (args.length !== ['read', 'write', 'cas'].indexOf(op)) throw misread(at, line)
      open.set(process, operations.length)
      const call = at + 1
      operations.push({ client: Number(process), op, args, call, return: null, outcome: 'unknown' })
      continue
    }
    const position = open.get(process) ?? -1
    const called = operations[position]
    if (called?.op !== op) throw new HistoryError(`line ${at + 1} answers no call: ${shortened(line)}`)
    open.delete(process)
    const answer = answerOf(type, op, value)
    if (answer === undefined) throw misread(at, line)
    operations[position] = { ...called, ...answer, return: at + 1 }
  }
  return operations
}

function answerOf(
  type: string,
  op: string,
  value: string,
): Pick<Operation, 'outcome' | 'result'> | undefined {
  if (type === 'info') return { outcome: 'unknown' }
  if (op === 'cas') return { outcome: 'ok', result: type === 'ok' }
  if (type === 'fail') return { outcome: 'fail' }
  if (op === 'write') return { outcome: 'ok' }
  const values = parseValues(value)
  return values.length === 1 ? { outcome: 'ok', result: values[0] } : undefined
}

/** `nil`, `4` or `[3 0]`. */
function parseValues(text: string): (number | null)[] {
  if (!/^(nil|\d+|\[\d+ \d+\])$/.test(text)) return []
  if (text === 'nil') return [null]
  return Array.from(text.matchAll(/\d+/g), ([digits]) => Number(digits))
}

function misread(at: number, line: string): HistoryError {
  return new HistoryError(`line ${at + 1} cannot be understood: ${shortened(line)}`)
}

function shortened(line: string): string {
  return line.length > 80 ? `${line.slice(0, 77)}...` : line
}
