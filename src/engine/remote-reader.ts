import type { Revision } from '../core/types.ts'
import { asArray, asNatural } from '../wire/guards.ts'
import type { Reader } from './backend.ts'
import type { Call } from './call.ts'
import { asAnswer, queryFields } from './read-codec.ts'
import type { ReadAnswer, ReadQuery } from './read-query.ts'

/** A state that a gateway holds for this host. No other one has it. */
export class RemoteReader implements Reader {
  readonly revision: Revision
  readonly state = undefined
  private readonly id: number
  private readonly ask: (method: string, body: unknown, call: Call) => Promise<unknown>
  private readonly closed: (id: number) => void

  /** `opened` is what the gateway said of it, `ask` asks that gateway, as often as it takes. */
  constructor(
    opened: unknown,
    parts: {
      readonly ask: (method: string, body: unknown, call: Call) => Promise<unknown>
      readonly closed: (id: number) => void
    },
  ) {
    const [id, revision] = asArray(opened, 2)
    this.id = asNatural(id)
    this.revision = asNatural(revision)
    this.ask = parts.ask
    this.closed = parts.closed
  }

  async read(query: ReadQuery, call: Call): Promise<ReadAnswer> {
    return asAnswer(await this.ask('view-read', [this.id, queryFields(query)], call))
  }

  close(): void {
    this.closed(this.id)
  }
}
