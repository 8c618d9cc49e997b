// Seeded bugs against the whole proof: `npm run mutants [-- --only ID,…] [--sim-only | --tests-only] [--workers N]`.
// Where ETCD_RAFT_TESTDATA names the transcripts of etcd-io/raft, they are part of the proof.

import { parseArgs } from 'node:util'
import { killAllProcesses } from '../run/run-process.ts'
import { catalogue } from './catalogue.ts'
import { type RunOptions, runMutants, unknownOf } from './run-mutants.ts'
import { removeWorkshops } from './workshop.ts'

/** A flag that cannot be understood. */
class UsageError extends Error {}

const chosen = 'only'

function readFlags(words: readonly string[]): Pick<RunOptions, 'wanted' | 'scope' | 'workers'> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      [chosen]: { type: 'string', multiple: true, default: [] },
      'sim-only': { type: 'boolean', default: false },
      'tests-only': { type: 'boolean', default: false },
      workers: { type: 'string', default: '2' },
    },
  })
  const wanted = values[chosen].flatMap(names => names.split(','))
  const [unknown] = unknownOf(wanted, catalogue)
  if (unknown !== undefined) throw new UsageError(`no mutant and no section is named '${unknown}'`)
  if (values['sim-only'] && values['tests-only']) {
    throw new UsageError('--sim-only and --tests-only leave nothing to run')
  }
  if (!/^[1-9]\d?$/.test(values.workers)) throw new UsageError('--workers takes a whole number from 1 to 99')
  const scope = values['sim-only'] ? 'simulator' : values['tests-only'] ? 'tests' : 'all'
  return { wanted, scope, workers: Number(values.workers) }
}

async function main(flags: ReturnType<typeof readFlags>): Promise<number> {
  const startedAt = performance.now()
  const { killed, survived, flagged } = await runMutants({ ...flags, sections: catalogue, print })
  if (flagged > 0) print(`${flagged} safe changes flagged`)
  print(`${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`)
  print(`${killed} killed, ${survived} survived`)
  return survived + flagged > 0 ? 1 : 0
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killAllProcesses()
    removeWorkshops()
    process.exit(1)
  })
}

try {
  process.exitCode = await main(readFlags(process.argv.slice(2)))
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof TypeError && 'code' in error)) throw error
  process.stderr.write(`mutants: ${(error as Error).message.split('\n')[0]}\n`)
  process.exitCode = 2
}
