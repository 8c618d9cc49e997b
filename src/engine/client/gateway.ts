import { isQuorateError, QuorateError } from '../../core/error.ts'
import { appendBytesMax, watchesPerClientMax } from '../../core/limits.ts'
import type { Change } from '../../core/machine/item.ts'
import type { GroupId, HostId, Revision } from '../../core/types.ts'
import { asArray, asBytes, asNatural, asText } from '../../wire/guards.ts'
import { decodeProposal, resultFields } from '../../wire/proposal-codec.ts'
import type { Backend } from '../backend.ts'
import type { Call } from '../calls/call.ts'
import { membersBody } from '../membership/member-request.ts'
import type { Requests } from '../peers/requests.ts'
import type { Sender } from '../peers/sender.ts'
import { logSliceBody } from '../query/log-slice.ts'
import { asBounds } from '../query/read-codec.ts'

/** The client keeps to its limit: there may be as many more whose end we have not heard of. */
const servedPerClientMax = 2 * watchesPerClientMax

interface Served {
  readonly client: HostId
  readonly id: number
  /** Frames sent so far: the client sees from it whether one was lost. */
  count: number
  stop: () => void
  /** Whether news of the group reach this host. */
  isConnected: () => boolean
}

/**
 * Serves clients: hosts without a replica that work through ours. Watches are pushed as numbered frames; one every
 * second says how far they have come, so that a client notices the loss of the last one, too.
 */
export class Gateway {
  private readonly sender: Sender
  private readonly backendOf: (group: GroupId) => Backend
  private readonly revisionOf: (group: GroupId) => number
  private readonly watches = new Map<string, Served & { readonly group: GroupId }>()

  constructor(parts: {
    readonly sender: Sender
    readonly requests: Requests
    /** Throws NOT_MEMBER where this host has no replica of the group. */
    readonly backendOf: (group: GroupId) => Backend
    readonly revisionOf: (group: GroupId) => number
  }) {
    this.sender = parts.sender
    this.backendOf = parts.backendOf
    this.revisionOf = parts.revisionOf
    const { requests } = parts
    requests.serve('submit', (_from, body, call) => this.submit(asArray(body, 2), call))
    requests.serve('entries', (_from, body, call) => this.entries(asArray(body, 2), call))
    requests.serve('request', (from, body, call) => this.request(from, asArray(body, 3), call))
    requests.serve('members', (_from, body, call) => this.members(asArray(body, 1), call))
    requests.serve('watch', (from, body) => this.watch(from, asArray(body, 4)))
    requests.serve('unwatch', (from, body) => this.unwatch(from, asArray(body, 1)))
  }

  /** Tells every client how far its watches have come: not where others may know more, so that it goes to them. */
  bookmark(): void {
    for (const served of this.watches.values()) {
      if (!served.isConnected()) continue
      this.sender.send(served.client, 'log', 'event', [
        served.id,
        served.count,
        this.revisionOf(served.group),
        null,
        null,
        0,
      ])
    }
  }

  disconnected(peer: HostId): void {
    for (const served of [...this.watches.values()]) if (served.client === peer) served.stop()
  }

  private async submit(body: readonly unknown[], call: Call): Promise<unknown> {
    const group = asText(body[0])
    const { result, attempts } = await this.backendOf(group).submit(decodeProposal(asBytes(body[1])), call)
    return [resultFields(result), attempts, this.revisionOf(group)]
  }

  /** That there is nothing new is an answer: the client asks again. */
  private async entries(body: readonly unknown[], call: Call): Promise<unknown> {
    const backend = this.backendOf(asText(body[0]))
    const from = body[1] === null ? undefined : asNatural(body[1])
    return backend.entries(from, call).then(logSliceBody, error => {
      if (from === undefined || !isQuorateError(error, 'TIMEOUT')) throw error
      return logSliceBody({ from, entries: [], hostOf: () => undefined })
    })
  }

  private async request(from: HostId, body: readonly unknown[], call: Call): Promise<unknown> {
    const [group, name, value] = body
    return this.backendOf(asText(group)).request({ name: asText(name), body: asBytes(value), from }, call)
  }

  private async members(body: readonly unknown[], call: Call): Promise<unknown> {
    return membersBody(await this.backendOf(asText(body[0])).members(call))
  }

  private async watch(client: HostId, body: readonly unknown[]): Promise<unknown> {
    const [groupField, idField, bounds, from] = body
    const group = asText(groupField)
    const id = asNatural(idField)
    const key = `${client} ${id}`
    const ofClient = [...this.watches.values()].filter(
      served => served.client === client && served.group === group,
    )
    if (ofClient.length >= servedPerClientMax) {
      throw new QuorateError('SYSTEM_BUSY', `a client has at most ${servedPerClientMax} watches`, {
        retryable: true,
      })
    }
    this.watches.get(key)?.stop()
    const served = { client, id, group, count: 0, stop: () => {}, isConnected: () => true }
    const start = from === null ? this.revisionOf(group) + 1 : asNatural(from)
    const post = (revision: number, changes: unknown, error: unknown, past = 0) =>
      this.sender.send(client, 'log', 'event', [id, ++served.count, revision, changes, error, past])
    const feed = this.backendOf(group).watch(asBounds(bounds), start, {
      changes: (changes, isPast) => {
        const past = isPast ? lastOf(changes) : 0
        for (const piece of pieces(changes)) post(lastOf(piece), piece.map(changeFields), null, past)
      },
      end: error => {
        this.watches.delete(key)
        if (error !== undefined) post(0, null, [error.code, error.message])
      },
    })
    served.stop = () => feed.stop()
    served.isConnected = () => feed.isConnected
    this.watches.set(key, served)
    return start
  }

  private async unwatch(client: HostId, body: readonly unknown[]): Promise<unknown> {
    this.watches.get(`${client} ${asNatural(body[0])}`)?.stop()
    return null
  }
}

function changeFields({ key, revision, item }: Change): readonly unknown[] {
  if (item === null) return [key, revision, null]
  return [key, revision, item.value, item.createRevision, item.version, item.lease]
}

function lastOf(changes: readonly Change[]): Revision {
  return changes.at(-1)?.revision ?? 0
}

/** A past in frames of a moderate size. A revision is told whole, in one of them: the largest has one to itself. */
function* pieces(changes: readonly Change[]): Generator<readonly Change[]> {
  let start = 0
  /** Where the latest revision begins. */
  let whole = 0
  let bytes = 0
  /** Those of the ones before. */
  let bytesBefore = 0
  for (const [position, change] of changes.entries()) {
    if (changes[position - 1]?.revision !== change.revision) {
      whole = position
      bytesBefore = bytes
    }
    bytes += change.key.length + (change.item?.value.length ?? 0)
    if (whole > start && bytes > appendBytesMax) {
      yield changes.slice(start, whole)
      start = whole
      bytes -= bytesBefore
    }
  }
  yield changes.slice(start)
}
