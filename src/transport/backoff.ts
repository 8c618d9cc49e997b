import type { Random } from '../base/random.ts'

/**
 * Growing pauses between attempts, each one shortened by chance by up to a half, so that hosts that lost the same
 * seed at the same moment do not all come back at the same moment.
 */
export class Backoff {
  private readonly random: Random
  private readonly firstMs: number
  private readonly maxMs: number
  private failures = 0

  constructor(random: Random, firstMs = 200, maxMs = 30_000) {
    this.random = random
    this.firstMs = firstMs
    this.maxMs = maxMs
  }

  nextMs(): number {
    const pauseMs = Math.min(this.maxMs, this.firstMs * 2 ** this.failures)
    if (pauseMs < this.maxMs) this.failures += 1
    return pauseMs * (0.5 + 0.5 * this.random())
  }

  reset(): void {
    this.failures = 0
  }
}
