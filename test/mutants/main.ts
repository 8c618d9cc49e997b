// Seeded bugs against the whole proof: `npm run mutants`.

import { parseArgs } from 'node:util'
import { killAllProcesses } from '../run/run-process.ts'
import { runScript, UsageError } from '../run/script.ts'
import { catalogue } from './catalogue.ts'
import { type RunOptions, runMutants, unknownOf } from './run-mutants.ts'
import { removeWorkshops } from './workshop.ts'

const usage = `Usage: npm run mutants [-- --only ID,...] [--sim-only | --tests-only] [--workers N]

Plants each seeded bug in a copy of the sources, and runs the proof against it. Where ETCD_RAFT_TESTDATA names the
transcripts of etcd-io/raft, they are part of the proof.

  --only ID,...   these mutants, or sections of them
  --sim-only      with the simulator alone
  --tests-only    with the tests alone
  --workers N     how many at once, 1 to 99 (default 2)

Exit codes: 0 all were killed and no safe change was flagged, 1 not so, 2 the words cannot be understood.`

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

await runScript('mutants', usage, words => main(readFlags(words)))
