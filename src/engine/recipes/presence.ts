import type { CallOptions, ReadOptions, Written } from '../types.ts'
import { type Attendee, attendeeOf } from './attendance.ts'
import { follow } from './follow.ts'
import { Holding } from './holding.ts'
import { type HoldOptions, Line } from './line.ts'
import { type Means, scan, startOf } from './means.ts'

/** To be present, until one leaves or the lease is lost: join again then. */
export class Presence<Value = unknown> extends Holding {
  /** Says something else. Rejects with FENCED where it is not present any more; nothing was written. */
  async update(value: Value, options: CallOptions = {}): Promise<Written> {
    return { revision: await this.set('$presence', value, options) }
  }

  /** As `release`. */
  leave(): Promise<void> {
    return this.release()
  }
}

/** Who is here, and what they say. Whoever is gone without a word is gone when the lease is. */
export class PresenceRoom<Value = unknown> {
  private readonly means: Means
  private readonly line: Line

  /** @internal */
  constructor(means: Means, name: string) {
    this.means = means
    this.line = new Line(means, '$presence', name, null)
  }

  /**
   * Joins, and says null without a value; a host may join more than once. Rejects with SYSTEM_BUSY where 4096 are
   * present.
   */
  async join(value: Value = null as Value, options: HoldOptions = {}): Promise<Presence<Value>> {
    return new Presence<Value>(await this.line.enter(options, value, true))
  }

  /** All who are present, in the order in which they came. */
  async list(options: ReadOptions = {}): Promise<Attendee<Value>[]> {
    const bounds = { prefix: this.line.prefix }
    return (await scan(this.means.calls, bounds, options)).items.map(item => attendeeOf<Value>(item))
  }

  /**
   * All who are present, and again whenever somebody came, went or says something else. What happens while its reader
   * is busy shows as one. The signal, or leaving the loop, ends it.
   */
  async *watch(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<readonly Attendee<Value>[], void> {
    const call = startOf(this.means, options)
    for await (const present of follow(this.means.calls, { prefix: this.line.prefix }, call))
      yield Array.from(present.values(), item => attendeeOf<Value>(item))
  }
}
