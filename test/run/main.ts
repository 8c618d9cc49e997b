// The whole proof in one command: `main.ts [stage…] [part of a file's path…]`. Ends with `N passed, N failed`.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestKind } from './find-tests.ts'
import { findTests } from './find-tests.ts'
import { runNodeTests } from './node-tests.ts'
import { readPlaywrightReport } from './playwright-report.ts'
import type { Report } from './report.ts'
import { addReports, formatFailure, summaryLine } from './report.ts'
import { killAllProcesses, runProcess } from './run-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** In order: the cheap before the dear, and the browser last, when nothing else uses the processor. */
const stages = {
  types: runTypes,
  lint: () =>
    runCheck('biome check', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings']),
  unit: (filters: readonly string[]) => runNode('unit', filters),
  conformance: (filters: readonly string[]) => runNode('conformance', filters),
  level: (filters: readonly string[]) => runNode('level', filters),
  crash: (filters: readonly string[]) => runNode('crash', filters),
  build: () => runCheck('build', ['build.mjs']),
  e2e: runBrowser,
} as const

type StageName = keyof typeof stages

const checkTimeoutMs = 120_000
const fileTimeoutMs = 120_000
const browserTimeoutMs = 300_000

async function main(words: readonly string[]): Promise<Report> {
  const named = words.filter(isStageName)
  const filters = words.filter(word => !isStageName(word))
  const reports: Report[] = []
  for (const name of named.length > 0 ? named : stageNames()) {
    const startedAt = Date.now()
    print(`▶ ${name}`)
    const report = await stages[name](filters)
    reports.push(report)
    print(`  ${summaryLine(report)} in ${seconds(Date.now() - startedAt)}\n`)
  }
  return addReports(reports)
}

function stageNames(): StageName[] {
  return Object.keys(stages).filter(isStageName)
}

function isStageName(word: string): word is StageName {
  return Object.hasOwn(stages, word)
}

async function runTypes(): Promise<Report> {
  // The second and third compile base and core alone, where no platform exists: the first net of the import rule.
  const projects = ['.', 'src/base', 'src/core']
  const reports: Report[] = []
  for (const project of projects) {
    reports.push(await runCheck(`tsc -p ${project}`, ['node_modules/typescript/bin/tsc', '-p', project]))
  }
  return addReports(reports)
}

/** Runs one command of a development tool, which counts as one test. */
async function runCheck(name: string, commandLine: readonly string[]): Promise<Report> {
  const result = await runProcess({
    command: process.execPath,
    arguments: commandLine,
    cwd: root,
    timeoutMs: checkTimeoutMs,
  })
  if (result.ok) return { passed: 1, failures: [] }
  const failure = { name, message: `${result.ending}\n${result.output}` }
  print(formatFailure(failure))
  return { passed: 0, failures: [failure] }
}

async function runNode(kind: TestKind, filters: readonly string[]): Promise<Report> {
  const files = await findTests(root, kind, filters)
  if (files.length === 0 && filters.length === 0) {
    return { passed: 0, failures: [{ name: kind, message: 'no test file was found' }] }
  }
  return runNodeTests({
    files,
    root,
    // Crash tests measure what survives a kill at a moment of their choosing: they get the machine to themselves.
    concurrency: kind === 'crash' ? 1 : 2,
    timeoutMs: fileTimeoutMs,
    onReport: (file, report, elapsedMs) => {
      const sign = report.failures.length === 0 ? '✔' : '✖'
      print(`  ${sign} ${relative(root, file)} ${report.passed} (${seconds(elapsedMs)})`)
      for (const failure of report.failures) print(formatFailure(failure))
    },
  })
}

async function runBrowser(filters: readonly string[]): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-e2e-'))
  const reportFile = join(folder, 'report.json')
  try {
    const result = await runProcess({
      command: process.execPath,
      arguments: [
        'node_modules/@playwright/test/cli.js',
        'test',
        '--config=e2e/playwright.config.ts',
        '--reporter=json',
        ...filters,
      ],
      cwd: root,
      env: { PLAYWRIGHT_JSON_OUTPUT_FILE: reportFile },
      timeoutMs: browserTimeoutMs,
    })
    const report = await readReport(reportFile, result.ok, `${result.ending}\n${result.output}`)
    for (const failure of report.failures) print(formatFailure(failure))
    return report
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A browser run that died before it could report is one failure; so is one that found nothing to run. */
async function readReport(file: string, ok: boolean, ending: string): Promise<Report> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  const report = text === undefined ? { passed: 0, failures: [] } : readPlaywrightReport(text)
  const silent = report.failures.length === 0 && (!ok || report.passed === 0)
  return silent ? { ...report, failures: [{ name: 'e2e', message: ending }] } : report
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killAllProcesses()
    process.exit(1)
  })
}

const report = await main(process.argv.slice(2))
if (report.failures.length > 0) {
  // The reasons stand above, where they happened.
  print('Failed:')
  for (const failure of report.failures) print(`  ✖ ${failure.name}`)
  print('')
}
print(summaryLine(report))
process.exitCode = report.failures.length > 0 ? 1 : 0
