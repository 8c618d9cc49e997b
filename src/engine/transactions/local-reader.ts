import type { Clock } from '../../clock/clock.ts'
import type { View } from '../../core/machine/view.ts'
import type { Revision } from '../../core/types.ts'
import type { Reader } from '../backend.ts'
import { answerTo, type ReadAnswer, type ReadQuery } from '../query/read-query.ts'
import type { AppliedState } from '../replica/applied-state.ts'

/** A state of this host's own replica. Once that is in quarantine, what it was before may be wrong, too: DIVERGED. */
export class LocalReader implements Reader {
  readonly revision: Revision
  private readonly view: View
  private readonly source: AppliedState
  private readonly clock: Clock

  constructor(source: AppliedState, clock: Clock) {
    this.view = source.machine.view()
    this.revision = this.view.revision
    this.source = source
    this.clock = clock
  }

  get state(): View {
    this.source.checkTrue()
    return this.view
  }

  async read(query: ReadQuery): Promise<ReadAnswer> {
    // Between the pages of a long scan everything else has its turn.
    const isLaterPage = query.type === 'scan' && query.after !== undefined
    if (isLaterPage) await new Promise<void>(resolve => this.clock.soon(resolve))
    return answerTo(query, this.state)
  }

  close(): void {}
}
