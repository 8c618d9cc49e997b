import type { Clock } from '../clock/clock.ts'
import type { View } from '../core/machine/view.ts'
import type { Revision } from '../core/types.ts'
import type { Reader } from './backend.ts'
import { answerTo, type ReadAnswer, type ReadQuery } from './read-query.ts'

/** A state of this host's own replica. */
export class LocalReader implements Reader {
  readonly state: View
  private readonly clock: Clock

  constructor(state: View, clock: Clock) {
    this.state = state
    this.clock = clock
  }

  get revision(): Revision {
    return this.state.revision
  }

  async read(query: ReadQuery): Promise<ReadAnswer> {
    // Between the pages of a long scan everything else has its turn.
    const isLaterPage = query.type === 'scan' && query.after !== undefined
    if (isLaterPage) await new Promise<void>(resolve => this.clock.soon(resolve))
    return answerTo(query, this.state)
  }

  close(): void {}
}
