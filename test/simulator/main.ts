// Whole hosts on virtual time, one seed each: `npm run sim`.

import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { isOfKey } from '../../src/testing/simulator/calls.ts'
import type { SimulationResult } from '../../src/testing/simulator/simulation.ts'
import { simulate } from '../../src/testing/simulator/simulation.ts'
import { alignTable } from '../../src/testing/simulator/state-table.ts'
import { runScript, UsageError } from '../run/script.ts'

interface Flags {
  readonly seeds: number
  readonly from: number
  readonly minutes: number
  readonly isReplay: boolean
  readonly trace: boolean
  readonly history: string | undefined
  readonly events: number | undefined
  readonly replicas: number | undefined
}

const usage = `Usage: npm run sim -- --seeds N [--from S] [--minutes M]   many seeds, or as many as fit into M minutes
       npm run sim -- --replay S [--trace]                one seed, with a table of its events

  --events N      how many events a seed has at least (default: by the seed)
  --replicas N    how many members there are, 1 to 7 (default: by the seed)
  --history FILE  writes what the clients saw as lines of JSON, for npm run check-history

Exit codes: 0 all passed, 1 one failed, 2 the words cannot be understood.`

function readFlags(words: readonly string[]): Flags {
  const options = {
    seeds: { type: 'string' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    replay: { type: 'string' },
    trace: { type: 'boolean' },
    history: { type: 'string' },
    events: { type: 'string' },
    replicas: { type: 'string' },
  } as const
  const { values } = parseArgs({ args: [...words], options, allowPositionals: false })
  const whole = (name: keyof typeof values, least: number, most = Number.MAX_SAFE_INTEGER) => {
    const text = values[name]
    if (typeof text !== 'string') return undefined
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && number <= most) return number
    throw new UsageError(
      `--${name} takes a whole number from ${least}${most < 2 ** 53 - 1 ? ` to ${most}` : ''}`,
    )
  }
  const replay = whole('replay', 0)
  const seeds = whole('seeds', 1)
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes)
  if (minutes !== undefined && !(minutes > 0)) throw new UsageError('--minutes takes a number above 0')
  if (replay !== undefined && (seeds ?? values.from ?? minutes) !== undefined) {
    throw new UsageError('--replay takes one seed: no --seeds, --from or --minutes beside it')
  }
  if (values.trace && replay === undefined) throw new UsageError('--trace goes with --replay')
  if (replay === undefined && (seeds ?? minutes) === undefined) {
    throw new UsageError('say how many: --seeds N [--from S] [--minutes M], or --replay S [--trace]')
  }
  return {
    seeds: replay === undefined ? (seeds ?? Number.POSITIVE_INFINITY) : 1,
    from: replay ?? whole('from', 0) ?? Date.now() % 1_000_000_000,
    minutes: minutes ?? Number.POSITIVE_INFINITY,
    isReplay: replay !== undefined,
    trace: values.trace ?? false,
    history: values.history,
    events: whole('events', 1),
    replicas: whole('replicas', 1, 7),
  }
}

async function main(flags: Flags): Promise<number> {
  const endsAt = performance.now() + flags.minutes * 60_000
  let passed = 0
  const failed: number[] = []
  const history: string[] = []
  for (let i = 0; i < flags.seeds && performance.now() < endsAt; i++) {
    const seed = flags.from + i
    const startedAt = performance.now()
    const { events, replicas } = flags
    const result = await simulate({
      seed,
      trace: flags.trace,
      ...(events !== undefined && { events }),
      ...(replicas !== undefined && { members: replicas }),
    })
    if (flags.trace) printTrace(result)
    print(lineOf(result, performance.now() - startedAt))
    if (result.violation === undefined) passed += 1
    else {
      failed.push(seed)
      print(indent(`${result.violation.message}\n${result.violation.state}`))
    }
    if (flags.history !== undefined) history.push(...historyOf(result))
  }
  if (flags.history !== undefined) await writeFile(flags.history, history.join(''))
  if (failed.length > 0) print(`failed seeds: ${failed.join(' ')}`)
  print(`${passed} passed, ${failed.length} failed`)
  return failed.length > 0 ? 1 : 0
}

function lineOf(result: SimulationResult, elapsedMs: number): string {
  const { seed, scenario, events, ms, hash, violation, history } = result
  const { members, voters, clients, groups, faults } = scenario
  const verdict = violation === undefined ? 'ok' : `FAILED ${violation.rule} at ${violation.ms.toFixed(1)} ms`
  const size = `${members} members (${voters} voters), ${clients} clients, ${groups.length} groups`
  const work = `${events} events, ${(ms / 1000).toFixed(0)} s, ${history.length} calls`
  const swarm = faults.length === 0 ? 'no faults' : faults.join(' ')
  return `seed ${seed} ${verdict}: ${size}; ${work}; ${hash}; ${elapsedMs.toFixed(0)} ms; ${swarm}`
}

function historyOf({ history, seed }: SimulationResult): string[] {
  // A scan is of many keys: whoever checks one key after the other cannot judge it. Other reads promise less.
  const calls = history.filter(isOfKey)
  return calls.map(({ client, group, op, key, args, call, return: end, outcome = 'unknown', result }) => {
    const line = {
      client: `${seed}/${client}`,
      op,
      key: `${seed}/${group}/${key}`,
      args,
      call,
      return: end,
      outcome,
    }
    return `${JSON.stringify({ ...line, result: result ?? null })}\n`
  })
}

function printTrace({ rows }: SimulationResult): void {
  print(alignTable(rows.map(({ ms, where, what, detail }) => [ms.toFixed(2), where, what, detail])))
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

await runScript('sim', usage, words => main(readFlags(words)))
