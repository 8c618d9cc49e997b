import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Failure, Report } from './report.ts'
import { addReports } from './report.ts'
import type { TestRecord } from './reporter.ts'
import { runProcess } from './run-process.ts'

export interface NodeTestOptions {
  readonly files: readonly string[]
  /** The folder that file names are printed relative to. */
  readonly root: string
  /** Files run at once, each in a process of its own. */
  readonly concurrency: number
  readonly timeoutMs: number
  /** Called as soon as a file has ended. */
  readonly onReport?: (file: string, report: Report, elapsedMs: number) => void
}

/** Runs files of node:test tests. A file that crashes, hangs or holds no test is a failure, never zero tests. */
export async function runNodeTests(options: NodeTestOptions): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-run-'))
  const waiting = options.files.map((file, number) => ({ file, records: join(folder, `${number}.jsonl`) }))
  const reports: Report[] = []
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const startedAt = Date.now()
      const report = await runFile(next.file, next.records, options)
      reports.push(report)
      options.onReport?.(next.file, report, Date.now() - startedAt)
    }
  }
  try {
    await Promise.all(Array.from({ length: options.concurrency }, work))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return addReports(reports)
}

/** What Node is started with to run a file of tests, and to write a `TestRecord` of each of them. */
export function nodeArguments(recordsFile: string): readonly string[] {
  const here = (name: string) => new URL(name, import.meta.url)
  return [
    ...['--import', 'tsx', '--import', here('./quick-assert.ts').href],
    `--test-reporter=${fileURLToPath(here('./reporter.ts'))}`,
    `--test-reporter-destination=${recordsFile}`,
  ]
}

async function runFile(file: string, recordsFile: string, options: NodeTestOptions): Promise<Report> {
  const result = await runProcess({
    command: process.execPath,
    arguments: [...nodeArguments(recordsFile), file],
    cwd: options.root,
    timeoutMs: options.timeoutMs,
  })
  const name = relative(options.root, file)
  const records = await readRecords(recordsFile)
  const failures: Failure[] = records
    .filter(record => !record.ok)
    .map(record => ({ name: [name, ...record.path].join(' › '), message: record.message }))
  if (!result.ok && failures.length === 0) {
    failures.push({ name, message: `${result.ending}\n${lastLines(result.output)}` })
  }
  if (result.ok && records.length === 0) failures.push({ name, message: 'holds no test' })
  return { passed: records.filter(record => record.ok).length, failures }
}

async function readRecords(file: string): Promise<TestRecord[]> {
  const text = await readFile(file, 'utf8').catch(() => '') // A process that died early wrote none.
  const lines = text.split('\n')
  lines.pop() // What stands behind the last line break is empty, or torn by a crash.
  return lines.map(line => JSON.parse(line) as TestRecord)
}

function lastLines(output: string): string {
  return output.split('\n').slice(-40).join('\n')
}
