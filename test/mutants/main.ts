// Seeded bugs against the whole proof: `npm run mutants [-- --only ID,…] [--sim-only | --tests-only] [--workers N]`.
// Where ETCD_RAFT_TESTDATA names the transcripts of etcd-io/raft, they are part of the proof.

import { parseArgs } from 'node:util'
import { killAllProcesses } from '../run/run-process.ts'
import { catalogue } from './catalogue.ts'
import { runMutants } from './run-mutants.ts'

const chosen = 'only'

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      [chosen]: { type: 'string', multiple: true, default: [] },
      'sim-only': { type: 'boolean', default: false },
      'tests-only': { type: 'boolean', default: false },
      workers: { type: 'string', default: '2' },
    },
  })
  const wanted = values[chosen].flatMap(words => words.split(','))
  const scope = values['sim-only'] ? 'simulator' : values['tests-only'] ? 'tests' : 'all'
  const workers = Number(values.workers)
  const print = (line: string) => process.stdout.write(`${line}\n`)
  const { killed, survived, flagged } = await runMutants({
    sections: catalogue,
    wanted,
    scope,
    workers,
    print,
  })
  if (flagged > 0) print(`${flagged} safe changes flagged`)
  print(`${killed} killed, ${survived} survived`)
  return survived + flagged > 0 ? 1 : 0
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killAllProcesses()
    process.exit(1)
  })
}

process.exitCode = await main()
