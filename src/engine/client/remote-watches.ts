import type { Clock } from '../../clock/clock.ts'
import { type ErrorCode, isQuorateError, QuorateError } from '../../core/error.ts'
import { watchesPerClientMax } from '../../core/limits.ts'
import type { Change } from '../../core/machine/item.ts'
import type { GroupId, HostId, Revision } from '../../core/types.ts'
import { asArray, asBytes, asNatural, asText } from '../../wire/guards.ts'
import type { Call } from '../calls/call.ts'
import { Condition } from '../calls/condition.ts'
import { endingCodes, type Question, type Requests } from '../peers/requests.ts'
import type { Bounds } from '../query/key-filter.ts'
import type { ChangeSink, Feed } from '../replica/watchers.ts'

interface RemoteWatch {
  /** Anew with each beginning, so that late frames of the beginning before are told apart. */
  id: number
  readonly bounds: Bounds
  readonly sink: ChangeSink
  /** The first revision that was not told yet; undefined until a gateway has said where the watch begins. */
  from: Revision | undefined
  /** Where no beginning is given: what came up to there is not told. */
  readonly seen: Revision
  /** What came up to there was before the watch, as the first gateway said that told of a past; 0 while none did. */
  past: Revision
  gateway: HostId | undefined
  /** How many gateways could not tell of it: whose turn it is. */
  failures: number
  /** How many of them, one after the other, because their history is gone. */
  forgotten: number
  /** Since when gateways have had no room for it; undefined where one has it. */
  busySince: number | undefined
  /** Frames of the gateway that came in order. */
  count: number
  isAsking: boolean
  /** Ticks since the gateway spoke of it. */
  silentTicks: number
  /** A gateway speaks of it. Where none does, those that are asked one after the other hear of nothing themselves. */
  isHeard: boolean
}

/** A gateway speaks of each watch once a tick. After so many without a word it has ended it, and that was lost. */
const silentTicksMax = 5

/** After so many, what the gateway knows may not be the latest. */
const uncertainTicks = 2

/** Gateways have no room for so long: who watches is to hear of it, and not of nothing. */
const busyMs = 3000

/** Patience with a gateway that is asked to begin or end a watch. */
const requestMs = 5000

/**
 * Watches of a client, kept alive over frames that may get lost and gateways that come and go: each begins again
 * behind the last revision that it was told of, so its reader sees every change once and in order.
 */
export class RemoteWatches {
  /** The latest revision that a gateway spoke of. */
  revision: Revision = 0
  private readonly group: GroupId
  private readonly requests: Requests
  private readonly clock: Clock
  private readonly gateways: () => readonly HostId[]
  private readonly nextId: () => number
  private readonly watches = new Map<number, RemoteWatch>()
  /** Those of which no gateway has said yet where they begin. */
  private readonly placeless = new Set<RemoteWatch>()
  private readonly placed = new Condition()

  constructor(parts: {
    readonly group: GroupId
    readonly requests: Requests
    readonly clock: Clock
    /** Those that could tell. */
    readonly gateways: () => readonly HostId[]
    readonly nextId: () => number
  }) {
    this.group = parts.group
    this.requests = parts.requests
    this.clock = parts.clock
    this.gateways = parts.gateways
    this.nextId = parts.nextId
  }

  /** Throws SYSTEM_BUSY at `watchesPerClientMax`. */
  add(bounds: Bounds, from: Revision | undefined, sink: ChangeSink, seen: Revision = 0): Feed {
    if (this.watches.size >= watchesPerClientMax) {
      throw new QuorateError(
        'SYSTEM_BUSY',
        `a client has at most ${watchesPerClientMax} watches of a store`,
        {
          retryable: true,
        },
      )
    }
    const id = this.nextId()
    const watch: RemoteWatch = {
      id,
      bounds,
      sink,
      from,
      seen,
      past: 0,
      gateway: undefined,
      failures: 0,
      forgotten: 0,
      busySince: undefined,
      count: 0,
      isAsking: false,
      silentTicks: 0,
      isHeard: false,
    }
    this.watches.set(id, watch)
    if (from === undefined) this.placeless.add(watch)
    this.begin(watch)
    return {
      stop: () => {
        if (!this.forget(watch)) return
        sink.end(undefined)
        this.leave(watch)
      },
      get revision() {
        return (watch.from ?? 1) - 1
      },
      get isConnected() {
        return watch.isHeard
      },
    }
  }

  /**
   * What is to wait before a write that was asked for now: where no gateway has said where a watch begins, it may begin
   * behind that write, which would never be told. Undefined where there is nothing to wait for.
   */
  beginning(): ((call: Call) => Promise<void>) | undefined {
    if (this.placeless.size === 0) return undefined
    const before = [...this.placeless]
    return async call => {
      const end = Math.min(call.deadline, this.clock.now() + requestMs)
      for (const watch of before) if (watch.gateway === undefined) this.begin(watch)
      while (before.some(watch => this.placeless.has(watch))) {
        const left = end - this.clock.now()
        if (left <= 0) {
          throw new QuorateError(
            'TIMEOUT',
            'no gateway said where a watch begins, and the write comes behind it',
            {
              retryable: true,
            },
          )
        }
        await this.placed.wait(this.clock, left, call.signal)
      }
    }
  }

  /** An event frame came in. False: it is of no watch here, but may be of another store's. */
  receive(from: HostId, body: unknown): boolean {
    const [id, ...event] = asArray(body, 6)
    const watch = this.watches.get(asNatural(id))
    if (watch === undefined || watch.gateway !== from) return false
    this.heard(watch, event)
    return true
  }

  private heard(watch: RemoteWatch, event: readonly unknown[]): void {
    const [count, revision, changes, error, past] = event
    watch.silentTicks = 0
    watch.isHeard = true
    this.revision = Math.max(this.revision, asNatural(revision))
    if (changes === null && error === null) {
      // A bookmark. A frame before it is missing: begin again.
      if (asNatural(count) > watch.count) this.restart(watch)
      else this.told(watch, asNatural(revision))
      return
    }
    if (asNatural(count) !== watch.count + 1) return this.restart(watch)
    if (error !== null) return this.end(watch, error)
    // Counted once it is read: behind one that cannot be, a frame is missing.
    const read = asArray(changes).map(asChange)
    watch.past ||= asNatural(past)
    watch.count += 1
    this.deliver(watch, read, asNatural(revision) <= watch.past)
    this.told(watch, asNatural(revision))
  }

  /** Begins watches that have no gateway, because it is gone or none was connected, or one that forgot them. */
  tick(): void {
    for (const watch of [...this.watches.values()]) {
      watch.silentTicks += 1
      watch.isHeard &&= watch.silentTicks <= uncertainTicks
      if (watch.gateway === undefined) this.begin(watch)
      else if (watch.silentTicks > silentTicksMax) this.restart(watch)
    }
  }

  disconnected(peer: HostId): void {
    for (const watch of this.watches.values()) {
      if (watch.gateway !== peer) continue
      watch.gateway = undefined
      watch.isHeard = false
    }
    this.tick()
  }

  close(error: QuorateError): void {
    for (const watch of this.watches.values()) watch.sink.end(error)
    this.watches.clear()
    this.placeless.clear()
    this.placed.notify()
  }

  private deliver(watch: RemoteWatch, changes: readonly Change[], isPast: boolean): void {
    const first = watch.from ?? watch.seen + 1
    const fresh = changes.filter(change => change.revision >= first)
    const last = fresh.at(-1)
    if (last === undefined) return
    this.place(watch, last.revision + 1)
    watch.sink.changes(fresh, isPast)
  }

  /** The gateway told all that it had applied there. One that lags behind the one before says nothing new by it. */
  private told(watch: RemoteWatch, revision: Revision): void {
    watch.forgotten = 0
    this.place(watch, Math.max(watch.from ?? watch.seen + 1, revision + 1))
  }

  private place(watch: RemoteWatch, from: Revision): void {
    watch.from = from
    if (this.placeless.delete(watch)) this.placed.notify()
  }

  /** False where it has ended already. */
  private forget(watch: RemoteWatch): boolean {
    if (this.placeless.delete(watch)) this.placed.notify()
    return this.watches.delete(watch.id)
  }

  private end(watch: RemoteWatch, error: unknown): void {
    const [code, message] = asArray(error, 2)
    const told = new QuorateError(asText(code) as ErrorCode, asText(message))
    const isGone = [...endingCodes, 'NOT_MEMBER', 'INTERNAL'].includes(told.code)
    const reason = code === 'DIVERGED' ? untrue(told) : told
    // The gateway goes; the history may well be known to another one.
    if (isGone || this.mayKnow(watch, told)) return this.restart(watch)
    this.forget(watch)
    watch.sink.end(reason)
  }

  /** Whether another gateway may have the history that this one has not. */
  private mayKnow(watch: RemoteWatch, { code }: QuorateError): boolean {
    return code === 'COMPACTED' && ++watch.forgotten < this.gateways().length
  }

  /** Whether it is no use to ask on. */
  private isFinal(watch: RemoteWatch, error: unknown): boolean {
    if (!isQuorateError(error, 'SYSTEM_BUSY'))
      return error instanceof QuorateError && !error.retryable && error.code !== 'NOT_MEMBER'
    const now = this.clock.now()
    watch.busySince ??= now
    return now - watch.busySince >= busyMs
  }

  /** At the next gateway. */
  private restart(watch: RemoteWatch): void {
    watch.failures += 1
    this.leave(watch)
    this.begin(watch)
  }

  private leave(watch: RemoteWatch): void {
    if (watch.gateway !== undefined) unwatch(this.requests, this.clock, watch.gateway, watch.id)
    watch.gateway = undefined
  }

  private begin(watch: RemoteWatch): void {
    const gateways = this.gateways()
    const gateway = gateways[watch.failures % gateways.length]
    if (gateway === undefined || watch.isAsking) return
    watch.isAsking = true
    this.watches.delete(watch.id)
    watch.id = this.nextId()
    this.watches.set(watch.id, watch)
    // Set before the answer: the first events may overtake it.
    watch.gateway = gateway
    watch.count = 0
    watch.silentTicks = 0
    const body = [this.group, watch.id, watch.bounds, watch.from ?? null]
    this.request(gateway, { method: 'watch', body, read: asNatural })
      .then(start => {
        watch.busySince = undefined
        this.place(watch, watch.from ?? Math.max(start, watch.seen + 1))
      })
      .catch(error => {
        // It may have begun all the same, and only the answer was lost.
        this.leave(watch)
        watch.failures += 1
        if (this.isFinal(watch, error) && !this.mayKnow(watch, error) && this.forget(watch))
          watch.sink.end(error)
      })
      .finally(() => {
        watch.isAsking = false
      })
  }

  private request<Value>(to: HostId, question: Question<Value>): Promise<Value> {
    return this.requests.ask(to, question, { deadline: this.clock.now() + requestMs, signal: undefined })
  }
}

/**
 * An event frame came in that is of no watch of this host: the gateway did not hear of the end. It is told again for
 * each bookmark, of which there is one a second.
 */
export function endStray(requests: Requests, clock: Clock, from: HostId, body: unknown): void {
  const [id, , , changes, error] = asArray(body, 6)
  if (changes === null && error === null) unwatch(requests, clock, from, asNatural(id))
}

/** Nothing depends on the answer: a gateway that does not hear of it goes on, and is told so again. */
function unwatch(requests: Requests, clock: Clock, gateway: HostId, id: number): void {
  const question = { method: 'unwatch', body: [id], read: () => undefined }
  requests.ask(gateway, question, { deadline: clock.now() + requestMs, signal: undefined }).catch(() => {})
}

/** Changes that were told may be none of the group's. To go on elsewhere would leave them standing: read anew. */
function untrue(cause: QuorateError): QuorateError {
  const message = `what the gateway told may be wrong; read the present state and watch from there: ${cause.message}`
  return new QuorateError('COMPACTED', message, { cause })
}

function asChange(value: unknown): Change {
  const [keyField, revisionField, bytes, created = 0, version = 0, lease = 0] = asArray(value, 3)
  const key = asText(keyField)
  const revision = asNatural(revisionField)
  if (bytes === null) return { type: 'delete', key, revision, item: null }
  const numbers = { createRevision: asNatural(created), version: asNatural(version), lease: asNatural(lease) }
  return {
    type: 'put',
    key,
    revision,
    item: { key, value: asBytes(bytes), modRevision: revision, ...numbers },
  }
}
