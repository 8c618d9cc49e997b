import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runNodeTests } from './node-tests.ts'
import { readPlaywrightReport } from './playwright-report.ts'
import type { Report } from './report.ts'
import { summaryLine } from './report.ts'
import { runProcess } from './run-process.ts'

const imports = `import test, { describe } from 'node:test'; import assert from 'node:assert/strict'\n`
const root = fileURLToPath(new URL('../..', import.meta.url))
let folder = ''

before(async () => {
  // Inside the checkout, so that the file finds tsx; the name is one that no run looks for.
  folder = await mkdtemp(join(root, 'node_modules', '.quorate-run-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function runSource(source: string, { timeoutMs = 20_000, name = 'sample.mjs' } = {}): Promise<Report> {
  const file = join(folder, name)
  await writeFile(file, imports + source)
  return runNodeTests({ files: [file], root: folder, concurrency: 1, timeoutMs })
}

test('passed and failed tests are counted one by one, suites and parents are not', async () => {
  const report = await runSource(`
    describe('suite', () => {
      test('passes', () => {})
      test('fails', () => assert.equal(1, 2))
    })
    test('parent', async t => { await t.test('child', () => {}) })`)
  assert.equal(summaryLine(report), '2 passed, 1 failed')
  assert.equal(report.failures[0]?.name, 'sample.mjs › suite › fails')
  assert.match(report.failures[0]?.message ?? '', /1 !== 2/)
})

test('a hook that throws is a failure even when every test passed', async () => {
  const report = await runSource(`
    import { after } from 'node:test'
    test('passes', () => {})
    after(() => { throw new Error('left behind') })`)
  assert.equal(report.failures.length, 1)
  assert.match(report.failures[0]?.message ?? '', /left behind/)
})

test('a process that dies is a failure that says how it died', async () => {
  const exited = await runSource(`test('passes', () => {}); setTimeout(() => process.exit(7), 100)
    test('never ends', () => new Promise(resolve => setTimeout(resolve, 60_000)))`)
  assert.equal(exited.failures.length, 1)
  const killed = await runSource(`process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})`)
  assert.match(killed.failures[0]?.message ?? '', /killed by SIGKILL/)
  const broken = await runSource(`throw new Error('at import')`)
  assert.match(broken.failures[0]?.message ?? '', /at import/)
})

test('an assertion without a message fails at once, in a long file that was compiled, too', async () => {
  const lines = Array.from(
    { length: 300 },
    (_, i) => `export const line${i} = 'a line as it may stand in a test'`,
  )
  const source = `${lines.join('\n')}\ntest('fails', () => { assert.ok(lines > 2); })\nconst lines: number = 1`
  const report = await runSource(source, { timeoutMs: 10_000, name: 'sample.mts' })
  assert.deepEqual(
    report.failures.map(({ name }) => name),
    ['sample.mts › fails'],
  )
  assert.match(report.failures[0]?.message ?? '', /the condition does not hold/)
})

test('a file without a test and a skipped test are failures', async () => {
  assert.equal((await runSource('')).failures[0]?.message, 'holds no test')
  // Source text of a test that is run apart from ours: the runner is to count it as a failure.
  assert.equal((await runSource(`test('later', { skip: true }, () => {})`)).failures[0]?.message, 'skipped')
})

test('a process that hangs is killed together with what it started', { timeout: 10_000 }, async () => {
  // The grandchild holds the output open, so that the run could not end before it does.
  const source = `
    require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
    setInterval(() => {}, 1000)`
  const result = await runProcess({ command: process.execPath, arguments: ['-e', source], timeoutMs: 1500 })
  assert.equal(result.ending, 'did not end within 1.5 s')
})

test('a browser run counts anything unexpected as a failure and keeps the reason', () => {
  const report = readPlaywrightReport(
    JSON.stringify({
      suites: [
        {
          title: 'a.spec.ts',
          specs: [
            { title: 'passes', tests: [{ status: 'expected', results: [{}] }] },
            { title: 'fails', tests: [{ status: 'unexpected', results: [{ error: { message: 'no' } }] }] },
            { title: 'later', tests: [{ status: 'skipped', results: [] }] },
          ],
        },
      ],
      errors: [{ message: 'no such file' }],
    }),
  )
  assert.equal(summaryLine(report), '1 passed, 3 failed')
  assert.deepEqual(
    report.failures.map(failure => failure.message),
    ['no such file', 'no', 'skipped'],
  )
})

test('the scripts tell how they are used, and what they do not understand', async () => {
  const scripts = { sim: 'simulator', mutants: 'mutants', bench: 'bench', 'check-history': 'checkers' }
  const run = (folderOf: string, word: string) =>
    runProcess({
      command: process.execPath,
      arguments: ['--import', 'tsx', join(root, 'test', folderOf, 'main.ts'), word],
      cwd: root,
      timeoutMs: 20_000,
    })
  for (const [name, folderOf] of Object.entries(scripts)) {
    const [help, wrong] = await Promise.all([run(folderOf, '--help'), run(folderOf, '--frob')])
    assert.equal(help.ok, true)
    assert.match(help.output, new RegExp(`^Usage: npm run ${name} [^]*^Exit codes: 0 `, 'm'))
    assert.equal(wrong.ok, false)
    assert.match(wrong.output, new RegExp(`^${name}: [^\n]*--frob[^\n]*; see npm run ${name} -- --help\n$`))
  }
})
