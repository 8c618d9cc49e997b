/** How long the writes of this page took. */
export class Latency {
  /** The most recent ones, in milliseconds, oldest first. */
  readonly recent: number[] = []
  private readonly changed: () => void

  constructor(changed: () => void) {
    this.changed = changed
  }

  get last(): number | undefined {
    return this.recent.at(-1)
  }

  /** Runs a write and, when it was acknowledged, notes the time it took. */
  async measure<Result>(write: () => Promise<Result>): Promise<Result> {
    const start = performance.now()
    const result = await write()
    this.recent.push(performance.now() - start)
    if (this.recent.length > samplesMax) this.recent.shift()
    this.changed()
    return result
  }

  /** The value below which the given part of the recent writes lies. */
  quantile(part: number): number | undefined {
    const sorted = [...this.recent].sort((left, right) => left - right)
    return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
  }
}

const samplesMax = 80
