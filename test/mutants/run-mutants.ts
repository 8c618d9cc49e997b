import type { Mutant, Section } from './mutant.ts'
import { type Detection, Proof, type Scope } from './proof.ts'
import { Workshop } from './workshop.ts'

export interface RunOptions {
  readonly sections: readonly Section[]
  /** Ids of mutants (M08 stands for M08b, too), or names of sections; none: all. */
  readonly wanted: readonly string[]
  readonly scope: Scope
  /** Mutants that are tried at a time. */
  readonly workers: number
  /** A verdict, as soon as it is known. */
  readonly print: (line: string) => void
}

export interface Tally {
  readonly killed: number
  readonly survived: number
  /** Safe changes that were taken for mistakes. */
  readonly flagged: number
}

/** What one mutant may cost, but for the runs without it. */
const budgetMs = 60_000

/** Tries every mutant that is asked for against the proof. */
export async function runMutants(options: RunOptions): Promise<Tally> {
  const { sections, wanted, print } = options
  const waiting = sections.flatMap(section =>
    section.mutants
      .filter(mutant => isWanted(wanted, section, mutant.id))
      .map(mutant => ({ section, mutant })),
  )
  const tally = { killed: 0, survived: 0, flagged: 0 }
  const original = await Workshop.open()
  const proof = new Proof(original, print)
  const work = async (): Promise<void> => {
    const workshop = await Workshop.open(original)
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { section, mutant } = next
        const detection = await workshop.with(mutant, () =>
          proof.detect({ workshop, section, mutant, scope: options.scope, budgetMs }),
        )
        print(judge(section, mutant, detection, tally))
      }
    } finally {
      await workshop.close()
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(options.workers, waiting.length) }, work))
  } finally {
    await original.close()
  }
  return tally
}

/** Those of `wanted` that name nothing. */
export function unknownOf(wanted: readonly string[], sections: readonly Section[]): readonly string[] {
  return wanted.filter(word => !sections.some(one => one.mutants.some(({ id }) => isWanted([word], one, id))))
}

function isWanted(wanted: readonly string[], section: Section, id: string): boolean {
  return (
    wanted.length === 0 ||
    wanted.some(word => word === section.name || word === id || word === id.replace(/[a-z]$/, ''))
  )
}

function judge(
  section: Section,
  { id, title }: Mutant,
  detection: Detection | 'unfinished' | undefined,
  tally: { killed: number; survived: number; flagged: number },
): string {
  // Not seen by what there was time for. A machine with less to do may see more.
  const isSeen = typeof detection === 'object'
  const remark = detection === 'unfinished' ? ' (the time was over before all had their turn)' : ''
  if (section.areSafe === true) {
    if (!isSeen) return `${id} not flagged${remark}`
    tally.flagged++
    return `${id} FLAGGED by ${detection.detector} (${detection.evidence}): ${title}`
  }
  if (!isSeen) {
    tally.survived++
    return `${id} SURVIVED${remark}: ${title}`
  }
  tally.killed++
  return `${id} killed by ${detection.detector} (${detection.evidence})`
}
