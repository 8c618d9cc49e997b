import type { Failure, Report } from './report.ts'

/** The part of Playwright's JSON report that is read here. */
interface PlaywrightReport {
  readonly suites?: readonly Suite[]
  readonly errors?: readonly ReportedError[]
}

interface Suite {
  readonly title: string
  readonly suites?: readonly Suite[]
  readonly specs?: readonly Spec[]
}

interface Spec {
  readonly title: string
  readonly tests: readonly { readonly status: string; readonly results: readonly Result[] }[]
}

interface Result {
  readonly error?: ReportedError
  readonly stdout?: readonly { readonly text?: string }[]
  readonly stderr?: readonly { readonly text?: string }[]
}

interface ReportedError {
  readonly message?: string
  readonly stack?: string
  readonly snippet?: string
}

/** Counts a Playwright run. Anything but a test that went as expected is a failure: skipped and flaky ones too. */
export function readPlaywrightReport(json: string): Report {
  const report = JSON.parse(json) as PlaywrightReport
  const failures: Failure[] = (report.errors ?? []).map(error => ({
    name: 'e2e',
    message: describe(error),
  }))
  let passed = 0
  const visit = (suite: Suite, path: readonly string[]): void => {
    const here = [...path, suite.title]
    for (const spec of suite.specs ?? []) {
      for (const test of spec.tests) {
        if (test.status === 'expected') passed++
        else failures.push({ name: ['e2e', ...here, spec.title].join(' › '), message: explain(test) })
      }
    }
    for (const inner of suite.suites ?? []) visit(inner, here)
  }
  for (const suite of report.suites ?? []) visit(suite, [])
  return { passed, failures }
}

function explain(test: Spec['tests'][number]): string {
  const lines = test.results.flatMap(result => [
    ...(result.error === undefined ? [] : [describe(result.error)]),
    ...[...(result.stdout ?? []), ...(result.stderr ?? [])].flatMap(part => part.text ?? []),
  ])
  return lines.length === 0 ? test.status : lines.join('\n')
}

function describe(error: ReportedError): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Playwright colours its messages even in JSON.
  const colours = /\u001b\[\d*m/g
  return [error.stack ?? error.message ?? 'no reason given', error.snippet]
    .filter(part => part !== undefined)
    .join('\n')
    .replaceAll(colours, '')
}
