import { Emitter, type Unsubscribe } from '../base/emitter.ts'
import { QuorateError } from '../core/error.ts'
import type { Command, Result } from '../core/machine/command.ts'
import type { Item } from '../core/machine/item.ts'
import type { GroupId, HostId, Revision } from '../core/types.ts'
import { decodeValue, encodeValue } from '../wire/value.ts'
import type { Backend, Freshness } from './backend.ts'
import { type Call, startCall } from './call.ts'
import { checkRevision } from './check-revision.ts'
import { checkWeights } from './check-weights.ts'
import { closed } from './closed.ts'
import { checkBounds, checkKey } from './key-filter.ts'
import { LogStream } from './log-stream.ts'
import type { MemberRequest } from './member-request.ts'
import type { HostParts } from './parts.ts'
import { type QuorumRule, quorumMasks } from './quorum-rule.ts'
import type { Replica } from './replica.ts'
import { ClientSession } from './session.ts'
import {
  type Absent,
  absent,
  type Broadcast,
  type BroadcastRange,
  type CallOptions,
  type ChangeOptions,
  type Checked,
  type Deleted,
  type LogEntry,
  type LogRange,
  type Member,
  type MemberList,
  type ReadOptions,
  type ScanRange,
  type StoreEntry,
  type StoreEvents,
  type StoreHost,
  type StoreStatus,
  type WatchEvent,
  type WatchRange,
  type WriteOptions,
  type Written,
} from './types.ts'
import { Watch } from './watch.ts'

/**
 * A replicated, ordered map from keys to values: one Raft group, seen from this host.
 *
 * Keys are well-formed strings of 1 to 1024 UTF-16 code units, ordered by code unit. Values are null, booleans, finite
 * numbers, strings, Uint8Array, arrays and plain objects of these, at most 1 MiB encoded; anything else is a TypeError.
 *
 * Every write takes effect exactly once or not at all, through retries and changes of leadership. Where nobody can tell
 * which, the error's `outcome` is 'unknown' (OUTCOME_UNKNOWN at the deadline, say); with 'none' nothing was written.
 * A wrong argument is a TypeError.
 */
export class Store {
  readonly name: GroupId
  readonly host: StoreHost
  /** @internal The host was opened for this store alone. */
  closesHost = false
  private readonly backend: Backend
  private readonly parts: HostParts
  private readonly closed: () => Promise<void>
  private readonly deadlineMs: number
  private readonly session: ClientSession
  private readonly emitter: Emitter<StoreEvents>
  private readonly watches = new Set<Watch<WatchEvent>>()
  private readonly streams = new Set<{ end(error: unknown): void }>()
  /** The latest revision that this store wrote or read: what 'session' reads must not go back behind. */
  private seen: Revision = 0
  private known: (Pick<Replica, 'leader' | 'members'> & { readonly role: StoreStatus['role'] }) | undefined
  private ending: QuorateError | undefined
  private closing: Promise<void> | undefined

  /** @internal */
  constructor(options: {
    readonly name: GroupId
    readonly host: StoreHost
    readonly backend: Backend
    readonly parts: HostParts
    /** The host forgets the store, which its user closed, and stops its replica. */
    readonly closed: () => Promise<void>
    readonly deadlineMs: number
  }) {
    const { id, random, clock } = options.parts
    this.name = options.name
    this.host = options.host
    this.backend = options.backend
    this.parts = options.parts
    this.closed = options.closed
    this.deadlineMs = options.deadlineMs
    this.session = new ClientSession({
      hostId: id,
      random,
      clock,
      submit: (proposal, call) => this.backend.submit(proposal, call),
    })
    this.emitter = new Emitter<StoreEvents>(error => this.throwLater(error))
  }

  /** Sets a key. Resolves when the write is durable on a quorum and applied here. */
  put(key: string, value: unknown, options: WriteOptions = {}): Promise<Written> {
    try {
      checkKey(key) // no async function, which costs two promises more: see ClientSession.execute
      const command: Command = { type: 'put', key, value: encodeValue(value) }
      return this.session.execute(command, this.writeCall(options), this.written)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Sets a key that does not exist. `ok` is false, and `value` what stands there, when it does. */
  async insert<Value = unknown>(
    key: string,
    value: Value,
    options: WriteOptions = {},
  ): Promise<Checked<Value>> {
    checkKey(key)
    return checked(await this.execute({ type: 'insert', key, value: encodeValue(value) }, options))
  }

  /** Removes a key. `ok` is false when it did not exist. */
  async delete(key: string, options: WriteOptions = {}): Promise<Deleted> {
    checkKey(key)
    const { ok, revision } = expectType(await this.execute({ type: 'delete', key }, options), 'deleted')
    return { ok, revision }
  }

  /**
   * Sets a key to `next` if its value equals `expected`; `absent` stands for a key that does not exist, on both sides.
   * Values are equal when they hold the same data, whatever the order of an object's keys. The value after the call
   * is in the answer.
   */
  async compareAndSwap<Value = unknown>(
    key: string,
    expected: Value | Absent,
    next: Value | Absent,
    options: WriteOptions = {},
  ): Promise<Checked<Value>> {
    checkKey(key)
    const encoded = (value: Value | Absent) => (value === absent ? null : encodeValue(value))
    const command = {
      type: 'compare-and-swap',
      key,
      expected: encoded(expected),
      value: encoded(next),
    } as const
    return checked(await this.execute(command, options))
  }

  /** Writes an entry that changes nothing. Resolves when everything written before it is applied here. */
  async barrier(options: WriteOptions = {}): Promise<Written> {
    return this.written(await this.execute({ type: 'barrier' }, options))
  }

  /** The value of a key, undefined where it does not exist. Linearizable unless `consistency` says otherwise. */
  async get<Value = unknown>(key: string, options: ReadOptions = {}): Promise<Value | undefined> {
    return (await this.entry<Value>(key, options))?.value
  }

  /** A key's value with its revisions, undefined where it does not exist. */
  async entry<Value = unknown>(
    key: string,
    options: ReadOptions = {},
  ): Promise<StoreEntry<Value> | undefined> {
    checkKey(key)
    const { items, revision } = await this.backend.get(key, this.freshness(options), this.call(options))
    this.see(revision)
    const [item] = items
    return item === undefined ? undefined : entryOf<Value>(item)
  }

  /** All entries of a range as they were at one moment, in the order of their keys. */
  async scan<Value = unknown>(
    range: ScanRange = {},
    options: ReadOptions = {},
  ): Promise<StoreEntry<Value>[]> {
    const { limit, reverse = false } = range
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
      throw new TypeError('limit must be an integer from 0')
    }
    const query = { bounds: checkBounds(range), limit, reverse }
    const { items, revision } = await this.backend.scan(query, this.freshness(options), this.call(options))
    this.see(revision)
    return items.map(item => entryOf<Value>(item))
  }

  /**
   * Resolves once this host has all that was written anywhere before the call: when a newcomer has caught up, say. From
   * then on `stale` reads and watches show a state that was whole. On a client: once a member has answered.
   */
  async ready(options: CallOptions = {}): Promise<void> {
    await this.members(options)
  }

  /**
   * Changes of keys, as they are applied here: in the order of their revisions, each once, none left out. The watch is
   * registered before this returns. It ends with COMPACTED when the history from `range.from` is gone, SLOW_CONSUMER
   * when its reader does not keep up, the error of the store when that ends; without an error by `close`.
   */
  watch<Value = unknown>(range: WatchRange = {}): Watch<WatchEvent<Value>> {
    const { from, signal } = range
    checkRevision(from, 'from')
    if (this.ending !== undefined) throw this.ending
    const bounds = checkBounds(range)
    const watch = new Watch<WatchEvent<Value>>({
      signal,
      open: sink => this.backend.watch(bounds, from, sink),
      eventOf: change => ({
        type: change.type,
        key: change.key,
        value: change.item === null ? undefined : (decodeValue(change.item.value) as Value),
        revision: change.revision,
      }),
      closed: () => this.watches.delete(watch as Watch<WatchEvent>),
    })
    this.watches.add(watch as Watch<WatchEvent>)
    return watch
  }

  /**
   * Has every replica told of a value, in the order of the log; it changes nothing. Resolves when it is durable on a
   * quorum. It is heard once by each of `broadcasts`, and stands in `entries`. `topic` is what a key is.
   */
  async broadcast(topic: string, body: unknown, options: WriteOptions = {}): Promise<Written> {
    checkKey(topic, 'topic')
    return this.written(await this.execute({ type: 'broadcast', topic, body: encodeValue(body) }, options))
  }

  /** What is broadcast, as it is applied here: the broadcasts among `entries`, with the same promises. */
  broadcasts<Body = unknown>(range: BroadcastRange = {}): LogStream<Broadcast<Body>> {
    const { topic } = range
    if (topic !== undefined) checkKey(topic, 'topic')
    return this.stream(range, entry => {
      if (entry.type !== 'broadcast' || (topic !== undefined && topic !== entry.topic)) return undefined
      return { topic: entry.topic, body: entry.body as Body, host: entry.host, revision: entry.revision }
    })
  }

  /**
   * The entries of the log, as they are applied here: each revision once, in order, none left out; committed, so they
   * never change. The reader sets the pace. It ends with COMPACTED when what comes next is gone from this replica: it
   * keeps what it applied since it started or took a leader's snapshot, as far as the log goes back (5000 entries at
   * least, in the long run). Revision 1 is the founding and has no entry. On a client the default of `from` is what the
   * other host has not applied when it is asked.
   */
  entries(range: LogRange = {}): LogStream {
    return this.stream(range, entry => entry)
  }

  /**
   * Has the leader's handler of that name answer (`requests` in the options of its store). Nothing is logged. The
   * handler runs once at most, on a leader that has confirmed itself, and its reply comes back. Rejects with
   * REQUEST_UNKNOWN where the leader has no such handler, REQUEST_FAILED where it threw, NO_LEADER where none was found
   * before the deadline, OUTCOME_UNKNOWN where it may have run and no answer came: the leader was deposed or lost, the
   * deadline passed.
   */
  async request<Reply = unknown>(
    name: string,
    body: unknown = null,
    options: CallOptions = {},
  ): Promise<Reply> {
    checkKey(name, 'name of a request')
    const request = { name, body: encodeValue(body), from: this.host.id }
    return decodeValue(await this.backend.request(request, this.call(options))) as Reply
  }

  /** The members of the group, linearizable. */
  async members(options: CallOptions = {}): Promise<readonly Member[]> {
    return (await this.membership(options)).members
  }

  /** The members of the group and the revision of their last change, linearizable. */
  async membership(options: CallOptions = {}): Promise<MemberList> {
    return this.backend.members(this.call(options))
  }

  /**
   * Makes members voters, in one change. While one more voter would make their number even, a promoted member stands
   * by as a learner (`wanted: 'voter'`) and votes together with the next one. Rejects with NOT_MEMBER,
   * MEMBERSHIP_REFUSED, or MEMBERSHIP_PENDING where a learner has not caught up before the deadline. Doing it twice is
   * harmless. This and the other changes of members resolve when the change is in force: a quorum of the voters as they
   * are now has noted that they alone decide, so whoever votes no more may be switched off; and this host knows.
   */
  promote(hosts: HostId | readonly HostId[], options: ChangeOptions = {}): Promise<readonly Member[]> {
    return this.change('promote', hosts, options)
  }

  /** Makes a voter a learner. Rejects with LAST_VOTER where nobody would be left that votes and keeps values. */
  demote(host: HostId, options: ChangeOptions = {}): Promise<readonly Member[]> {
    return this.change('demote', host, options)
  }

  /** Removes a member for good: its replica never counts or speaks again. Rejects with LAST_VOTER or NOT_MEMBER. */
  remove(host: HostId, options: ChangeOptions = {}): Promise<readonly Member[]> {
    return this.change('remove', host, options)
  }

  /**
   * Sets how much members count as voters, from 1 to 100 each: whatever has more than half of the weight of all voters
   * decides. So a seed of weight 3 beside two tabs decides by itself, and they do not without it. Rejects with
   * MEMBERSHIP_REFUSED where witnesses alone would decide.
   */
  async setWeights(
    weights: Readonly<Record<HostId, number>>,
    options: ChangeOptions = {},
  ): Promise<readonly Member[]> {
    checkWeights(weights)
    return this.change('weigh', Object.keys(weights), options, Object.values(weights))
  }

  /**
   * Has other sets of voters decide than their weights say, until the voters change. The rule is asked here, about
   * every set of the present voters, and the sets it names go into the log; what contains one of them decides, too.
   * Rejects with MEMBERSHIP_REFUSED where two sets that share no voter could decide, MEMBERSHIP_CONFLICT where the
   * members change meanwhile. Without a rule the weights count again.
   */
  async setQuorum(rule: QuorumRule | undefined, options: ChangeOptions = {}): Promise<readonly Member[]> {
    const { revision, members } = await this.membership(options)
    const voters = rule === undefined ? [] : members.filter(member => member.role === 'voter')
    const hosts = voters.map(member => member.hostId)
    const masks = rule === undefined ? [] : quorumMasks(hosts, rule)
    return this.change('decide', hosts, { expectedRevision: revision, ...options }, masks)
  }

  /**
   * Hands leadership over to a voter that keeps values, and resolves when it leads. Writes wait meanwhile, and go on by
   * themselves. Rejects with TRANSFER_ABORTED where the host did not take it within an election timeout (the present
   * leader goes on), MEMBERSHIP_REFUSED where it cannot lead, NOT_MEMBER. Whatever the priorities of the two, it leads
   * from then on as long as the other one stays connected.
   */
  async transferLeadership(host: HostId, options: CallOptions = {}): Promise<void> {
    await this.change('transfer', host, options)
  }

  /** What this host knows right now. Costs nothing and promises nothing. */
  status(): StoreStatus {
    return this.backend.status()
  }

  /** What JSON.stringify shows of a store. */
  toJSON(): StoreStatus {
    return this.status()
  }

  on<Name extends keyof StoreEvents>(name: Name, listener: (event: StoreEvents[Name]) => void): Unsubscribe {
    return this.emitter.on(name, listener)
  }

  /**
   * Hands leadership over, ends this store's watches and stops its replica on this host: calls under way and later ones
   * fail with CLOSED. The host stays a member, its other stores go on, and opening the store again goes on from here.
   * What the replica holds stays in memory meanwhile. Where the store came from `open`, its host is closed. Idempotent.
   */
  close(): Promise<void> {
    this.closing ??= this.closeNow()
    return this.closing
  }

  private async closeNow(): Promise<void> {
    const wasOpen = this.ending === undefined
    this.endStreams(undefined)
    this.stopped(closed('none', 'store'))
    if (this.closesHost) await this.host.close()
    else if (wasOpen) await this.closed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal */
  tick(now: number): void {
    this.session.tick(now)
  }

  /** @internal Leader, part or members of the replica may have changed. */
  changed(replica: Replica): void {
    const { leader, members } = replica
    const role = replica.role()
    const { known } = this
    this.known = { leader, members, role }
    if (known?.leader !== leader || known?.role !== role) this.emitter.emit('leader', { leader, role })
    if (known?.members !== members) this.emitter.emit('members', members)
  }

  /** @internal The replica's state is a later one. */
  applied(revision: Revision): void {
    this.emitter.emit('applied', revision)
  }

  /** @internal Nothing works any more. */
  stopped(error: QuorateError): void {
    if (this.ending !== undefined) return
    this.ending = error
    this.session.close(error)
    for (const watch of [...this.watches]) watch.close()
    this.endStreams(error)
  }

  private endStreams(error: unknown): void {
    for (const stream of [...this.streams]) stream.end(error)
  }

  private stream<Event>(range: LogRange, eventOf: (entry: LogEntry) => Event | undefined): LogStream<Event> {
    const { from, to = Number.POSITIVE_INFINITY, signal } = range
    checkRevision(from, 'from')
    checkRevision(range.to, 'to')
    if (this.ending !== undefined) throw this.ending
    const read = (next: Revision | undefined, call: Call) => this.backend.entries(next, call)
    const closed = () => this.streams.delete(stream)
    // The first member came as a snapshot, so nothing is missing before the second entry.
    const first = from === 1 ? 2 : from
    const stream = new LogStream<Event>({ from: first, to, signal, read, eventOf, closed })
    this.streams.add(stream)
    return stream
  }

  private async execute(command: Command, options: WriteOptions): Promise<Result> {
    const result = await this.session.execute(command, this.writeCall(options), result => result)
    if ('revision' in result) this.see(result.revision)
    return result
  }

  private readonly written = (result: Result): Written => ({
    revision: this.see(expectType(result, 'written').revision),
  })

  private writeCall(options: WriteOptions): Call {
    const { onCommitted } = options
    if (onCommitted === undefined) return this.call(options)
    if (typeof onCommitted !== 'function') throw new TypeError('onCommitted is a function')
    let isTold = false
    const committed = (revision: Revision) => {
      if (isTold) return
      isTold = true
      try {
        onCommitted(revision)
      } catch (error) {
        this.throwLater(error)
      }
    }
    return { ...this.call(options), committed }
  }

  private async change(
    type: MemberRequest['type'],
    hosts: HostId | readonly HostId[],
    options: ChangeOptions,
    numbers: readonly number[] = [],
  ): Promise<readonly Member[]> {
    const list: readonly unknown[] = Array.isArray(hosts) ? hosts : [hosts]
    if (!list.every(host => typeof host === 'string'))
      throw new TypeError('a host is named by its id, a string')
    const expected = options.expectedRevision
    checkRevision(expected, 'expectedRevision')
    const request = { type, hosts: list, numbers, expected }
    return (await this.backend.change(request, this.call(options))).members
  }

  private call(options: CallOptions): Call {
    if (this.ending !== undefined) throw this.ending
    return startCall(this.parts.clock, options, this.deadlineMs)
  }

  private freshness({ consistency = 'linearizable' }: ReadOptions): Freshness {
    if (!['linearizable', 'session', 'stale'].includes(consistency))
      throw new TypeError("consistency is 'linearizable', 'session' or 'stale'")
    return { consistency, atLeast: this.seen }
  }

  /** What a listener threw: the platform reports it as uncaught. */
  private throwLater(error: unknown): void {
    this.parts.clock.soon(() => {
      throw error
    })
  }

  private see(revision: Revision): Revision {
    this.seen = Math.max(this.seen, revision)
    return revision
  }
}

function entryOf<Value>(item: Item): StoreEntry<Value> {
  const { key, value, createRevision, modRevision, version } = item
  return { key, value: decodeValue(value) as Value, createRevision, modRevision, version }
}

function checked<Value>(result: Result): Checked<Value> {
  const { ok, revision, value } = expectType(result, 'checked')
  return { ok, revision, value: value === null ? undefined : (decodeValue(value) as Value) }
}

function expectType<Type extends Result['type']>(
  result: Result,
  type: Type,
): Extract<Result, { type: Type }> {
  if (result.type === type) return result as Extract<Result, { type: Type }>
  throw new QuorateError('INTERNAL', `a command was answered by a result of another kind: ${result.type}`)
}
