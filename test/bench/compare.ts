import { type Bar, middle, print, rounded } from './bar.ts'
import type { Measurement } from './drive.ts'
import { median } from './drive.ts'
import { startEtcd } from './etcd.ts'
import { startLimit } from './limit.ts'
import { startQuorate } from './quorate.ts'
import type { System } from './system.ts'

/** What is compared with each other, under the same loads. */
const systems = { limit: startLimit, quorate: startQuorate, etcd: startEtcd } as const

export type SystemName = keyof typeof systems
/** The rounds of one system, by the number of writes in flight. */
type Results = Map<number, readonly Measurement[]>

const loads = [1, 16, 64, 256] as const
const rounds = 5
/**
 * Each system stands still while the others have their turn, and comes back with cold caches and less young memory. A
 * round is so long that this is over within the part that is not counted: what is compared is steady work.
 */
const roundMs = 3_000

/** Once for each system before anything is measured: what is measured is a process that has run for a while. */
const warmUp = { inFlight: 64, durationMs: 2_500 } as const

/** Compares systems: a line of JSON per system and number of writes in flight. See limit-node.ts for the limit. */
export async function compare(names: readonly SystemName[]): Promise<Bar[]> {
  return judge(await measure(names))
}

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
    return rounded(middle(ratios))
  }
  const throughput = ratioOf('limit', 256, run => run.opsPerSecond)
  const latency = ratioOf('limit', 1, run => run.p50Ms)
  const latencyOfEtcd = ratioOf('etcd', 1, run => run.p50Ms)
  const bars = [
    { bar: 'throughput at 256 in flight >= 0.5 of the limit', value: throughput, pass: throughput >= 0.5 },
    { bar: 'p50 at 1 in flight <= 1.6 x the limit', value: latency, pass: latency <= 1.6 },
    { bar: 'p50 at 1 in flight <= 1 x etcd', value: latencyOfEtcd, pass: latencyOfEtcd <= 1 },
  ]
  return bars.filter(({ value }) => !Number.isNaN(value))
}

export function isSystemName(word: string): word is SystemName {
  return Object.hasOwn(systems, word)
}

export const systemNames = Object.keys(systems).filter(isSystemName)
