import type { Revision } from '../../core/types.ts'
import { asArray, asNatural } from '../../wire/guards.ts'
import type { Reader } from '../backend.ts'
import type { Call } from '../calls/call.ts'
import type { Question } from '../peers/requests.ts'
import { answerReader, queryFields } from '../query/read-codec.ts'
import type { ReadAnswer, ReadQuery } from '../query/read-query.ts'

/** What a gateway says of a view that it opened. */
interface OpenedView {
  readonly id: number
  readonly revision: Revision
}

export function asOpenedView(answer: unknown): OpenedView {
  const [id, revision] = asArray(answer, 2)
  return { id: asNatural(id), revision: asNatural(revision) }
}

/** A state that a gateway holds for this host. No other one has it. */
export class RemoteReader implements Reader {
  readonly revision: Revision
  readonly state = undefined
  private readonly id: number
  private readonly ask: <Value>(question: Question<Value>, call: Call) => Promise<Value>
  private readonly closed: (id: number) => void

  /** `ask` asks the gateway that opened it, as often as it takes. */
  constructor(
    { id, revision }: OpenedView,
    parts: {
      readonly ask: <Value>(question: Question<Value>, call: Call) => Promise<Value>
      readonly closed: (id: number) => void
    },
  ) {
    this.id = id
    this.revision = revision
    this.ask = parts.ask
    this.closed = parts.closed
  }

  read(query: ReadQuery, call: Call): Promise<ReadAnswer> {
    return this.ask(
      { method: 'view-read', body: [this.id, queryFields(query)], read: answerReader(query) },
      call,
    )
  }

  close(): void {
    this.closed(this.id)
  }
}
