import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { explainStuck } from '../../src/testing/checkers/explain.ts'
import { parseHistory } from '../../src/testing/checkers/history.ts'
import { kvModel } from '../../src/testing/checkers/kv.ts'
import { checkLinearizable, type Verdict } from '../../src/testing/checkers/linearizability.ts'
import { HistoryError, type Operation } from '../../src/testing/checkers/operation.ts'
import { registerModel } from '../../src/testing/checkers/register.ts'
import { runScript, UsageError } from '../run/script.ts'

type Check = (operations: readonly Operation[]) => Verdict<Operation>

/** A person who asks by hand waits half a minute, where a test has thousands of histories to go through. */
const stepsMax = 20_000_000

const models: Readonly<Record<string, Check>> = {
  register: operations => checkLinearizable(registerModel, operations, { stepsMax }),
  kv: operations => checkLinearizable(kvModel, operations, { stepsMax }),
}

const usage = `Usage: npm run check-history -- --model register|kv FILE...

Tells of each file whether its history is linearizable: lines of JSON as npm run sim writes them, or a log of Jepsen's
for etcd, of a register.

Exit codes: 0 all are, 1 one is not, 2 there is no verdict.`

async function main(args: readonly string[]): Promise<number> {
  const options = { model: { type: 'string' } } as const
  const parsed = parseArgs({ args: [...args], options, allowPositionals: true })
  const { model = '' } = parsed.values
  const files = parsed.positionals
  const check = Object.hasOwn(models, model) ? models[model] : undefined
  if (check === undefined) throw new UsageError('--model is register or kv')
  if (files.length === 0) throw new UsageError('a FILE is missing')
  let exitCode = 0
  for (const file of files) exitCode = Math.max(exitCode, await checkFile(file, check))
  return exitCode
}

async function checkFile(file: string, check: Check): Promise<number> {
  let verdict: Verdict<Operation>
  try {
    verdict = check(parseHistory(await readFile(file, 'utf8')))
  } catch (error) {
    if (error instanceof HistoryError || isFileError(error)) {
      return complain(`${file}: ${error.message}`)
    }
    throw error
  }
  switch (verdict.type) {
    case 'linearizable':
      process.stdout.write(`${file} linearizable\n`)
      return 0
    case 'not-linearizable':
      process.stdout.write(`${file} not linearizable\n`)
      process.stderr.write(`${explainStuck(verdict.stuck)}\n`)
      return 1
    case 'undecided':
      return complain(`${file}: undecided after ${verdict.steps} steps`)
  }
}

function complain(line: string): number {
  process.stderr.write(`${line}\n`)
  return 2
}

function isFileError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error
}

await runScript('check-history', usage, main)
