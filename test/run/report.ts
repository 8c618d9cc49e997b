/** What one part of a run found: enough to print it and to add it up. */
export interface Report {
  readonly passed: number
  readonly failures: readonly Failure[]
}

export interface Failure {
  /** What failed: a check, or a file and the test's full name. */
  readonly name: string
  /** Why, in as many lines as it takes. */
  readonly message: string
}

export const emptyReport: Report = { passed: 0, failures: [] }

export function addReports(reports: readonly Report[]): Report {
  return {
    passed: reports.reduce((sum, report) => sum + report.passed, 0),
    failures: reports.flatMap(report => report.failures),
  }
}

/** The line that ends a run, alone on its line: what a person and a machine read first. */
export function summaryLine(report: Report): string {
  return `${report.passed} passed, ${report.failures.length} failed`
}

export function formatFailure(failure: Failure): string {
  const body = failure.message.trimEnd().replaceAll('\n', '\n    ')
  return `  ✖ ${failure.name}\n    ${body}\n`
}
