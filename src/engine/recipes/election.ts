import type { CallOptions, ReadOptions, Written } from '../types.ts'
import { type Attendee, attendeeOf } from './attendance.ts'
import { follow } from './follow.ts'
import { Holding } from './holding.ts'
import { type HoldOptions, Line } from './line.ts'
import { type Means, scan, startOf } from './means.ts'

/** To be the leader of an election, until it resigns or its lease is lost. */
export class Leadership<Value = unknown> extends Holding {
  /** Says something else. Rejects with FENCED where it leads no more; nothing was written. */
  async proclaim(value: Value, options: CallOptions = {}): Promise<Written> {
    return { revision: await this.set('$election', value, options) }
  }

  /** Leads no more, as `release`: the next candidate does. */
  resign(): Promise<void> {
    return this.release()
  }
}

/** One leader at a time among those who want to be: of an application, nothing to do with the leader of the group. */
export class Election<Value = unknown> {
  private readonly means: Means
  private readonly line: Line

  /** @internal */
  constructor(means: Means, name: string) {
    this.means = means
    this.line = new Line(means, '$election', name, 1)
  }

  /**
   * Resolves when it leads. Candidates lead in the order in which they came. Rejects as `store.lock` does: with
   * LEASE_LOST where the candidate lost its place in the line. What it says lies in there, beside the name of its host:
   * a value of almost 1 MiB (TOO_LARGE). Without a value it says null.
   */
  async campaign(value: Value = null as Value, options: HoldOptions = {}): Promise<Leadership<Value>> {
    return new Leadership<Value>(await this.line.enter(options, value, true))
  }

  /** Who leads, and what it says. */
  async leader(options: ReadOptions = {}): Promise<Attendee<Value> | undefined> {
    const bounds = { prefix: this.line.prefix }
    const [first] = (await scan(this.means.calls, bounds, options, { limit: 1 })).items
    return first && attendeeOf<Value>(first)
  }

  /**
   * Who leads, and again whenever that or what it says changes; undefined while nobody does. In order, without those
   * that came and went while its reader was busy. The signal, or leaving the loop, ends it.
   */
  async *observe(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Attendee<Value> | undefined, void> {
    const { calls } = this.means
    let told: string | undefined
    const bounds = { prefix: this.line.prefix }
    for await (const present of follow(calls, bounds, startOf(this.means, options))) {
      const [first] = present.values()
      const state = first === undefined ? '' : `${first.key}/${first.modRevision}`
      if (state === told) continue
      told = state
      yield first && attendeeOf<Value>(first)
    }
  }
}
