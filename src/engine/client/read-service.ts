import type { Random } from '../../base/random.ts'
import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import { answerBytesMax, readKeysMax, viewIdleMs, viewLifeMs, viewsPerClientMax } from '../../core/limits.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import { asArray, asNatural, asText } from '../../wire/guards.ts'
import type { Backend, Reader } from '../backend.ts'
import type { Call } from '../calls/call.ts'
import { viewExpired } from '../calls/view-expired.ts'
import type { Requests } from '../peers/requests.ts'
import { asFreshness, asQuery, encodeAnswer } from '../query/read-codec.ts'
import type { ReadAnswer, ReadQuery } from '../query/read-query.ts'

/** The numbers of an item, and what frames them. */
const itemOverheadBytes = 48
const answerOverheadBytes = 20

interface Pinned {
  readonly client: HostId
  readonly group: GroupId
  readonly reader: Reader
  readonly openedAt: number
  usedAt: number
}

/**
 * Answers the reads of clients, and holds the views that they read from. A view lasts as long as its client stays
 * connected and asks: one that is forgotten must not keep for ever what was overwritten since.
 */
export class ReadService {
  private readonly clock: Clock
  private readonly backendOf: (group: GroupId) => Backend
  private readonly views = new Map<number, Pinned>()
  /** Begins at random: the id of a view of an earlier life of this host must not name one of this life. */
  private lastId: number | undefined
  private readonly random: Random

  constructor(parts: {
    readonly clock: Clock
    readonly random: Random
    readonly requests: Requests
    /** Throws NOT_MEMBER where this host has no replica of the group. */
    readonly backendOf: (group: GroupId) => Backend
  }) {
    this.clock = parts.clock
    this.backendOf = parts.backendOf
    this.random = parts.random
    const { requests } = parts
    requests.serve('read', (_from, body, call) => this.read(asArray(body, 4), call))
    requests.serve('view', (from, body, call) => this.open(from, asArray(body, 3), call))
    requests.serve('view-read', (from, body, call) => this.readView(from, asArray(body, 2), call))
    requests.serve('view-close', async (from, body) => {
      if (this.views.get(asNatural(body))?.client === from) this.views.delete(asNatural(body))
      return null
    })
  }

  disconnected(peer: HostId): void {
    for (const [id, { client }] of this.views) if (client === peer) this.views.delete(id)
  }

  tick(now: number): void {
    for (const [id, { usedAt, openedAt }] of this.views)
      if (now - usedAt > viewIdleMs || now - openedAt > viewLifeMs) this.views.delete(id)
  }

  private async read(body: readonly unknown[], call: Call): Promise<unknown> {
    const [group, queryField, consistency, atLeast] = body
    const freshness = asFreshness(consistency, atLeast)
    const query = checked(asQuery(queryField))
    const result = await this.backendOf(asText(group)).read(query, freshness, call)
    return [bounded(result, query), result.revision]
  }

  private async open(client: HostId, body: readonly unknown[], call: Call): Promise<unknown> {
    const [groupField, consistency, atLeast] = body
    const group = asText(groupField)
    const reader = await this.backendOf(group).view(asFreshness(consistency, atLeast), call)
    // Counted behind the wait, in which others of the client may have been opened.
    const held = [...this.views.values()].filter(view => view.client === client).length
    if (held >= viewsPerClientMax) {
      throw new QuorateError('SYSTEM_BUSY', `a client has at most ${viewsPerClientMax} views`, {
        retryable: true,
      })
    }
    const now = this.clock.now()
    this.lastId = (this.lastId ?? Math.floor(this.random() * 2 ** 45)) + 1
    this.views.set(this.lastId, { client, group, reader, openedAt: now, usedAt: now })
    return [this.lastId, reader.revision]
  }

  private async readView(client: HostId, body: readonly unknown[], call: Call): Promise<unknown> {
    const id = asNatural(body[0])
    const view = this.views.get(id)
    if (view === undefined || view.client !== client) throw viewExpired()
    view.usedAt = this.clock.now()
    try {
      // A replica that serves nothing any more serves no old state either.
      this.backendOf(view.group).check()
    } catch (error) {
      this.views.delete(id)
      throw viewExpired(error)
    }
    const query = checked(asQuery(body[1]))
    return bounded(await view.reader.read(query, call), query)
  }
}

function checked(query: ReadQuery): ReadQuery {
  if (query.type === 'get' && query.keys.length > readKeysMax) throw new TypeError('too many keys')
  // What would be refused is not collected first.
  return query.type === 'scan' ? { ...query, bytesMax: answerBytesMax } : query
}

/** A read is answered in one frame. More has to be asked for in parts. */
function bounded(answer: ReadAnswer, { type }: ReadQuery): Uint8Array {
  let bytes = 0
  for (const item of answer.items)
    bytes += item === null ? 1 : 3 * item.key.length + item.value.length + itemOverheadBytes
  if (bytes > answerBytesMax) {
    throw new QuorateError(
      'TOO_LARGE',
      `a client reads at most ${answerBytesMax} bytes at once: give a limit`,
    )
  }
  return encodeAnswer(answer, type, bytes + answerOverheadBytes)
}
