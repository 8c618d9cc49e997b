import { inspect } from 'node:util'

/** One finished test, as a line of JSON. */
export interface TestRecord {
  /** Names of the suites and of the test, outermost first. */
  readonly path: readonly string[]
  readonly ok: boolean
  readonly message: string
}

/** The part of node:test's events that is read here. */
interface TestEvent {
  readonly type: string
  readonly data: {
    readonly name: string
    readonly nesting: number
    readonly skip?: string | boolean
    readonly todo?: string | boolean
    readonly details?: { readonly type?: string; readonly error?: Error }
  }
}

/**
 * Writes a `TestRecord` per test. Suites and tests that hold further tests are not counted, unless they fail for a
 * reason of their own (a hook, say). A skipped test counts as failed: there are none here, and none slips in.
 *
 * A default export, because that is what node:test asks of a reporter.
 */
export default async function* reporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const names: string[] = []
  const holdsTests = new Set<number>()
  for await (const { type, data } of events) {
    if (type === 'test:start') names[data.nesting] = data.name
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const isContainer = holdsTests.delete(data.nesting + 1) || data.details?.type === 'suite'
    holdsTests.add(data.nesting)
    const record = judge(type === 'test:pass', isContainer, data)
    if (record === undefined) continue
    const path = [...names.slice(0, data.nesting), data.name]
    yield `${JSON.stringify({ path, ...record })}\n`
  }
}

function judge(
  passed: boolean,
  isContainer: boolean,
  data: TestEvent['data'],
): Pick<TestRecord, 'ok' | 'message'> | undefined {
  if (data.skip !== undefined && data.skip !== false) return { ok: false, message: 'skipped' }
  if (data.todo !== undefined && data.todo !== false) return { ok: false, message: 'marked as to do' }
  if (passed) return isContainer ? undefined : { ok: true, message: '' }
  const error = data.details?.error
  const failureType: unknown = error !== undefined && 'failureType' in error ? error.failureType : undefined
  if (isContainer && failureType === 'subtestsFailed') return undefined
  return { ok: false, message: describe(error?.cause ?? error) }
}

/** The error, its causes, and where it happened in our own files. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error)
  const stack = (error.stack ?? String(error))
    .split('\n')
    .filter(line => !/^\s+at .*(node:internal|node:async_hooks|\(<anonymous>\))/.test(line))
    .join('\n')
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${describe(error.cause)}`
}
