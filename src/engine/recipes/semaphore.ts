import { Holding, holding } from './holding.ts'
import { type HoldOptions, Line } from './line.ts'
import type { Means } from './means.ts'
import { optionsAndRun } from './options-and-run.ts'

/** A permit of a semaphore that is held. */
export class Permit extends Holding {}

/**
 * A number of permits, given out in the order in which they were asked for. The limit is that of whoever came first: as
 * long as anybody holds one or waits, asking with another limit rejects with LIMIT_MISMATCH (`detail.limit`).
 */
export class Semaphore {
  private readonly line: Line

  /** @internal */
  constructor(means: Means, name: string, limit: number) {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new TypeError('limit is an integer from 1')
    this.line = new Line(means, '$semaphore', name, limit)
  }

  /** Waits for a permit. Rejects with SYSTEM_BUSY where 4096 wait. */
  async acquire(options: HoldOptions = {}): Promise<Permit> {
    return new Permit(await this.line.enter(options, null, true))
  }

  /** Undefined where no permit is free. */
  async tryAcquire(options: HoldOptions = {}): Promise<Permit | undefined> {
    const place = await this.line.enter(options, null, false)
    return place && new Permit(place)
  }

  /** Runs a function while it holds a permit. See `store.lock`. */
  use<Value>(run: (permit: Permit) => Value | Promise<Value>): Promise<Value>
  use<Value>(options: HoldOptions, run: (permit: Permit) => Value | Promise<Value>): Promise<Value>
  async use<Value>(
    given: HoldOptions | ((permit: Permit) => Value | Promise<Value>),
    then?: (permit: Permit) => Value | Promise<Value>,
  ): Promise<Value> {
    const [options, run] = optionsAndRun(given, then)
    if (run === undefined) throw new TypeError('a permit is used by a function')
    return holding(await this.acquire(options), run)
  }
}
