import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { TestRecord } from '../run/reporter.ts'
import { runProcess } from '../run/run-process.ts'
import type { Mutant, Section } from './mutant.ts'

/** Which kind of check told a mutant from the real thing, and how. */
export interface Detection {
  /**
   * As in the list of mutants: P unit test, G golden transcript, Q quorum and configuration data, I invariant,
   * L linearizability, O oracle of the clients, C crash, H heal phase.
   */
  readonly detector: string
  readonly evidence: string
}

/** 'tests': whatever is fast. 'simulator': that alone. 'all': the one, then the other. */
export type Scope = 'tests' | 'simulator' | 'all'

interface Check {
  /** Undefined when nothing was found in the time that it had. */
  run(root: string, timeoutMs: number): Promise<Detection | undefined>
}

/** A file of tests takes a tenth of that. */
const hangMs = 30_000

const reporter = fileURLToPath(new URL('../run/reporter.ts', import.meta.url))

/**
 * Runs what could tell the mutant at `root` from the real thing, the fastest first, up to the first that does.
 * 'unfinished': the time was over before the simulator had its turn, or the last test.
 */
export async function detect(options: {
  readonly root: string
  readonly section: Section
  readonly mutant: Mutant
  readonly scope: Scope
  readonly budgetMs: number
}): Promise<Detection | 'unfinished' | undefined> {
  const { root, budgetMs } = options
  const endsAt = performance.now() + budgetMs
  for (const check of checksOf(options.section, options.mutant, options.scope)) {
    const leftMs = endsAt - performance.now()
    const detection = await check.run(root, leftMs)
    if (detection !== undefined) return detection
    if (check !== simulator && performance.now() >= endsAt) return 'unfinished'
  }
  return undefined
}

function checksOf(section: Section, mutant: Mutant, scope: Scope): Check[] {
  const isOfCore = mutant.edits.some(({ file }) => file.startsWith('src/core/'))
  const checks: Check[] = []
  if (scope !== 'simulator' && mutant.judgedBySimulatorAlone === undefined) {
    for (const file of section.tests) checks.push(testFile(file, 'P'))
    // A transcript holds every message in its place: a safe change shows there, too.
    if (isOfCore && section.areSafe === undefined) checks.push(ownTranscripts, sharedTranscripts)
    if (isOfCore && scope === 'all') checks.push(exploration)
  }
  if (scope !== 'tests') checks.push(simulator)
  return checks
}

function testFile(file: string, detector: string, isSearch = false): Check {
  return {
    async run(root, timeoutMs) {
      const capMs = Math.min(timeoutMs, hangMs)
      const result = await runNode(root, capMs, /^\{"path":.*"ok":false.*\n/m, [
        `--test-reporter=${reporter}`,
        '--test-reporter-destination=stdout',
        file,
      ])
      if (result.ok) return undefined
      const record = /^\{"path":.*"ok":false.*$/m.exec(result.output)?.[0]
      if (record !== undefined) {
        const { path } = JSON.parse(record) as TestRecord
        return { detector, evidence: `${file}: ${path.join(' › ')}` }
      }
      // Cut off by the end of its time: a search that found nothing yet, or a test that hangs.
      const isCutOff = result.ending.startsWith('did not end')
      if (isCutOff && (isSearch || capMs < hangMs)) return undefined
      return { detector, evidence: `${file}: ${result.ending}` }
    },
  }
}

const exploration = testFile('test/raft/explore.test.ts', 'I', true)

const ownTranscripts = testFile('test/transcripts/transcripts.test.ts', 'G')

const sharedTranscripts: Check = {
  async run(root, timeoutMs) {
    const folder = process.env.ETCD_RAFT_TESTDATA
    if (folder === undefined || !existsSync(folder)) return undefined
    const result = await runNode(root, timeoutMs, /^not ok .*\n/m, ['test/transcripts/main.ts'])
    const name = /^not ok (.*)$/m.exec(result.output)?.[1]
    if (name === undefined) return undefined
    return { detector: name.startsWith('interaction/') ? 'G' : 'Q', evidence: name }
  },
}

/** By the rule that the simulator saw broken; any other is an invariant. */
const detectorOf: Readonly<Record<string, string>> = {
  'lost-write': 'O',
  'denied-write': 'O',
  'exactly-once': 'O',
  phantom: 'O',
  condition: 'O',
  history: 'O',
  linearizability: 'L',
  durability: 'C',
  stuck: 'H',
}

/** From the first seed on, the same ones for every mutant. */
const simulator: Check = {
  async run(root, timeoutMs) {
    const seeds = ['--seeds', '1000000', '--from', '1']
    const result = await runNode(root, timeoutMs, /^seed \d+ FAILED .* at /m, [
      'test/simulator/main.ts',
      ...seeds,
    ])
    const [, seed, rule] = /^seed (\d+) FAILED (.*?) at /m.exec(result.output) ?? []
    if (seed !== undefined && rule !== undefined) {
      return { detector: detectorOf[rule] ?? 'I', evidence: `seed ${seed}: ${rule}` }
    }
    if (result.ending.startsWith('did not end')) return undefined
    const next = result.output.match(/^seed \d+ ok/gm)?.length ?? 0
    return { detector: 'I', evidence: `seed ${next + 1}: ${result.ending}` }
  },
}

function runNode(root: string, timeoutMs: number, until: RegExp, words: readonly string[]) {
  return runProcess({
    command: process.execPath,
    arguments: ['--import', 'tsx', ...words],
    cwd: root,
    timeoutMs,
    until,
  })
}
