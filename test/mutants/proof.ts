import { existsSync } from 'node:fs'
import { nodeArguments } from '../run/node-tests.ts'
import type { TestRecord } from '../run/reporter.ts'
import { type ProcessResult, runProcess } from '../run/run-process.ts'
import type { Mutant, Section } from './mutant.ts'
import type { Workshop } from './workshop.ts'

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

/** Something to be run in a workshop: it passes, or it says that there is a mutant, or its time is over before that. */
interface Check {
  /** Behind `node`. */
  readonly words: readonly string[]
  /** Output behind which nothing more has to be known. */
  readonly until: RegExp
  read(result: ProcessResult): Finding | undefined
}

interface Finding extends Detection {
  /** What has to pass where there is no mutant, for the finding to count. */
  readonly control: readonly string[]
}

/** Where there is no mutant, a file passes or fails, however slow the machine is. */
const controlMs = 120_000

/** The whole proof, and what it says of the sources as they are: a check that fails there says nothing of a mutant. */
export class Proof {
  private readonly original: Workshop
  private readonly print: (line: string) => void
  private readonly controls = new Map<string, Promise<boolean>>()

  /** `original` has no mutant, ever. */
  constructor(original: Workshop, print: (line: string) => void) {
    this.original = original
    this.print = print
  }

  /**
   * Runs what could tell the mutant in the workshop from the real thing, the fastest first, up to the first that does.
   * The simulator has half of the time for itself. 'unfinished': not all had their turn. What is cut off says nothing.
   */
  async detect(options: {
    readonly workshop: Workshop
    readonly section: Section
    readonly mutant: Mutant
    readonly scope: Scope
    readonly budgetMs: number
  }): Promise<Detection | 'unfinished' | undefined> {
    const { workshop, section, mutant, scope, budgetMs } = options
    const startedAt = performance.now()
    const leftOf = (ms: number) => startedAt + ms - performance.now()
    let isUnfinished = false
    const testsMs = scope === 'all' ? budgetMs / 2 : budgetMs
    for (const check of scope === 'simulator' ? [] : checksOf(section, mutant, scope)) {
      const ms = leftOf(testsMs)
      const found = ms > 0 ? await this.run(check, workshop, ms) : 'late'
      if (typeof found === 'object') return found
      isUnfinished ||= found === 'late'
    }
    const found = scope === 'tests' ? undefined : await this.run(simulator, workshop, leftOf(budgetMs))
    if (typeof found === 'object') return found
    return isUnfinished ? 'unfinished' : undefined
  }

  private async run(check: Check, workshop: Workshop, ms: number): Promise<Detection | 'late' | undefined> {
    const result = await runNode(workshop, ms, check.words, check.until)
    await workshop.tidyUp()
    const finding = check.read(result)
    if (finding !== undefined) return (await this.passes(finding.control)) ? finding : undefined
    // A simulator has no end to come to.
    return result.isTimedOut && check !== simulator ? 'late' : undefined
  }

  private passes(control: readonly string[]): Promise<boolean> {
    const name = control.join(' ')
    const known = this.controls.get(name) ?? this.tryWithout(control)
    this.controls.set(name, known)
    return known
  }

  private async tryWithout(control: readonly string[]): Promise<boolean> {
    const { ok, ending } = await runNode(this.original, controlMs, control)
    if (!ok) this.print(`without any mutant, too: ${control.at(-1)}: ${ending}. It kills none.`)
    return ok
  }
}

function checksOf(section: Section, mutant: Mutant, scope: Scope): Check[] {
  const isOfCore = mutant.edits.some(({ file }) => file.startsWith('src/core/'))
  const checks: Check[] = []
  if (mutant.judgedBySimulatorAlone !== undefined) return checks
  const first = mutant.first === undefined ? [] : [`test/${mutant.first}.test.ts`]
  for (const file of new Set([...first, ...section.tests])) checks.push(testFile(file, 'P'))
  // A transcript holds every message in its place: a safe change shows there, too.
  if (isOfCore && section.areSafe === undefined) checks.push(ownTranscripts, sharedTranscripts())
  if (isOfCore && scope === 'all') checks.push(testFile('test/raft/explore.test.ts', 'I'))
  return checks
}

function testFile(file: string, detector: string): Check {
  const words = [...nodeArguments('stdout'), file]
  return {
    words,
    until: /^\{"path":.*"ok":false.*\n/m,
    read({ ok, isTimedOut, output, ending }) {
      const record = /^\{"path":.*"ok":false.*$/m.exec(output)?.[0]
      if (ok || (record === undefined && isTimedOut)) return undefined
      const what = record === undefined ? ending : (JSON.parse(record) as TestRecord).path.join(' › ')
      return { detector, evidence: `${file}: ${what}`, control: words }
    },
  }
}

const ownTranscripts = testFile('test/transcripts/transcripts.test.ts', 'G')

function sharedTranscripts(): Check {
  const folder = process.env.ETCD_RAFT_TESTDATA
  if (folder === undefined || !existsSync(folder)) return ownTranscripts
  const words = ['--import', 'tsx', 'test/transcripts/main.ts']
  return {
    words,
    until: /^not ok .*\n/m,
    read({ output }) {
      const name = /^not ok (.*)$/m.exec(output)?.[1]
      if (name === undefined) return undefined
      return { detector: name.startsWith('interaction/') ? 'G' : 'Q', evidence: name, control: words }
    },
  }
}

/** By the rule that the simulator saw broken; any other is an invariant. */
const detectorOf: Readonly<Record<string, string>> = {
  'lost-write': 'O',
  'denied-write': 'O',
  'exactly-once': 'O',
  phantom: 'O',
  condition: 'O',
  history: 'O',
  lease: 'O',
  exclusion: 'O',
  fencing: 'O',
  place: 'O',
  semaphore: 'O',
  election: 'O',
  presence: 'O',
  queue: 'O',
  table: 'O',
  linearizability: 'L',
  serializability: 'L',
  durability: 'C',
  stuck: 'H',
}

/** From the first seed on, the same ones for every mutant. */
const simulator: Check = {
  words: simulatorWords(1_000_000, 1),
  until: /^seed \d+ FAILED .* at /m,
  read({ output, ending, isTimedOut }) {
    const [, seed, rule] = /^seed (\d+) FAILED (.*?) at /m.exec(output) ?? []
    if (seed !== undefined && rule !== undefined) {
      const detector = detectorOf[rule] ?? 'I'
      return { detector, evidence: `seed ${seed}: ${rule}`, control: simulatorWords(1, Number(seed)) }
    }
    if (isTimedOut) return undefined
    const next = Number([...output.matchAll(/^seed (\d+) ok/gm)].at(-1)?.[1] ?? 0) + 1
    return { detector: 'I', evidence: `seed ${next}: ${ending}`, control: simulatorWords(1, next) }
  },
}

function simulatorWords(seeds: number, from: number): readonly string[] {
  return ['--import', 'tsx', 'test/simulator/main.ts', '--seeds', `${seeds}`, '--from', `${from}`]
}

function runNode(workshop: Workshop, timeoutMs: number, words: readonly string[], until?: RegExp) {
  return runProcess({
    command: process.execPath,
    arguments: words,
    cwd: workshop.root,
    env: { TMPDIR: workshop.temporary },
    timeoutMs,
    ...(until !== undefined && { until }),
  })
}
