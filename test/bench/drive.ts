/** What one system did at one number of writes in flight. */
export interface Measurement {
  readonly opsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** All that were acknowledged, those before counting began included. */
  readonly operations: number
  /** Where it can be had. */
  readonly cpuUs?: CpuUse
}

/** Processor time per operation, in microseconds: of the leader, and of all followers together. */
export interface CpuUse {
  readonly leader: number
  readonly followers: number
}

export interface Load {
  readonly inFlight: number
  readonly durationMs: number
}

/** Every write of every system carries this much. */
export const valueBytes = 256

/** Keys in use: enough to be no hot spot, few enough that no system's memory grows with the run. */
export const keyCount = 10_000

/** Part of the time that is run before counting begins, so that compilers and windows have settled. */
const warmUpShare = 0.2

/** Bound on the latencies kept; a faster system is sampled no worse, it only stops being recorded. */
const samplesMax = 1_000_000

/** A closed loop: each of `inFlight` writers starts its next write when the last one is acknowledged. */
export async function drive(load: Load, write: (number: number) => Promise<unknown>): Promise<Measurement> {
  const latencies = new Float64Array(samplesMax)
  let count = 0
  let next = 0
  const startedAt = performance.now()
  const countFrom = startedAt + load.durationMs * warmUpShare
  const endAt = startedAt + load.durationMs
  const writer = async (): Promise<void> => {
    for (let now = performance.now(); now < endAt; ) {
      await write(next++)
      const then = performance.now()
      if (now >= countFrom && count < samplesMax) latencies[count++] = then - now
      now = then
    }
  }
  await Promise.all(Array.from({ length: load.inFlight }, writer))
  const seconds = (performance.now() - countFrom) / 1000
  const sorted = latencies.subarray(0, count).sort()
  return {
    opsPerSecond: Math.round(count / seconds),
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    operations: next,
  }
}

/** The middle of several runs, figure by figure: a shared machine makes single runs lie. */
export function median(runs: readonly Measurement[]): Measurement {
  const middle = (pick: (run: Measurement) => number): number =>
    percentile(Float64Array.from(runs, pick).sort(), 0.5)
  return {
    opsPerSecond: middle(run => run.opsPerSecond),
    p50Ms: middle(run => run.p50Ms),
    p99Ms: middle(run => run.p99Ms),
    operations: middle(run => run.operations),
    ...(runs.some(run => run.cpuUs === undefined)
      ? {}
      : {
          cpuUs: {
            leader: middle(run => run.cpuUs?.leader ?? Number.NaN),
            followers: middle(run => run.cpuUs?.followers ?? Number.NaN),
          },
        }),
  }
}

function percentile(sorted: Float64Array, share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  return Math.round((value ?? Number.NaN) * 1000) / 1000
}
