// `npm run bench [-- limit quorate etcd]`: what the store does, between what is possible and what etcd does.
// Prints a line of JSON per system and number of writes in flight, then one per bar. See limit-node.ts for the limit.

import type { Measurement } from './drive.ts'
import { median } from './drive.ts'
import { startEtcd } from './etcd.ts'
import { startLimit } from './limit.ts'
import { startQuorate } from './quorate.ts'
import type { System } from './system.ts'

const systems = { limit: startLimit, quorate: startQuorate, etcd: startEtcd } as const

type SystemName = keyof typeof systems
/** The rounds of one system, by the number of writes in flight. */
type Results = Map<number, readonly Measurement[]>

const loads = [1, 16, 64, 256] as const
const rounds = 5
const roundMs = 1_000

/** Once for each system before anything is measured: what is measured is a process that has run for a while. */
const warmUp = { inFlight: 64, durationMs: 2_500 } as const

/** Measures in rounds, one system after the other in each, so that a noisy neighbour disturbs all of them alike. */
async function measure(names: readonly SystemName[]): Promise<Map<SystemName, Results>> {
  const running = new Map<SystemName, System>()
  const results = new Map<SystemName, Results>()
  try {
    for (const name of names) {
      const system = await systems[name]()
      if (system === undefined) print({ bench: name, missing: true })
      else running.set(name, system)
    }
    for (const system of running.values()) await system.measure(warmUp)
    for (const inFlight of loads) {
      const runs = new Map<SystemName, Measurement[]>()
      for (let round = 0; round < rounds; round++) {
        for (const [name, system] of running) {
          const run = await system.measure({ inFlight, durationMs: roundMs })
          runs.set(name, [...(runs.get(name) ?? []), run])
        }
      }
      for (const [name, measured] of runs) {
        results.set(name, new Map([...(results.get(name) ?? []), [inFlight, measured]]))
        print({ bench: name, inFlight, ...median(measured) })
      }
    }
  } finally {
    for (const system of running.values()) await system.close()
  }
  return results
}

interface Bar {
  readonly bar: string
  readonly ratio: number
  readonly pass: boolean
}

/**
 * The bars that were set for the store, as far as both systems of one were measured. The ratio is taken round by round,
 * and the middle one counts: the two runs of a round are neighbours in time, and share what the machine did to them.
 */
function judge(results: ReadonlyMap<SystemName, Results>): Bar[] {
  const ratioOf = (other: SystemName, inFlight: number, pick: (run: Measurement) => number): number => {
    const ours = results.get('quorate')?.get(inFlight) ?? []
    const theirs = results.get(other)?.get(inFlight) ?? []
    const ratios = ours.flatMap((run, round) => {
      const neighbour = theirs[round]
      return neighbour === undefined ? [] : [pick(run) / pick(neighbour)]
    })
    const middle = ratios.sort((left, right) => left - right)[Math.floor(ratios.length / 2)]
    return middle === undefined ? Number.NaN : Math.round(middle * 1000) / 1000
  }
  const throughput = ratioOf('limit', 256, run => run.opsPerSecond)
  const latency = ratioOf('limit', 1, run => run.p50Ms)
  const latencyOfEtcd = ratioOf('etcd', 1, run => run.p50Ms)
  const bars = [
    { bar: 'throughput at 256 in flight >= 0.3 of the limit', ratio: throughput, pass: throughput >= 0.3 },
    { bar: 'p50 at 1 in flight <= 2 x the limit', ratio: latency, pass: latency <= 2 },
    { bar: 'p50 at 1 in flight <= 1 x etcd', ratio: latencyOfEtcd, pass: latencyOfEtcd <= 1 },
  ]
  return bars.filter(({ ratio }) => !Number.isNaN(ratio))
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function isSystemName(word: string): word is SystemName {
  return Object.hasOwn(systems, word)
}

const words = process.argv.slice(2)
const unknown = words.find(word => !isSystemName(word))
if (unknown !== undefined) throw new TypeError(`no such system: ${unknown}`)
const bars = judge(
  await measure(words.length === 0 ? Object.keys(systems).filter(isSystemName) : words.filter(isSystemName)),
)
for (const bar of bars) print(bar)
process.exitCode = bars.every(({ pass }) => pass) ? 0 : 1
