import { Emitter, type Unsubscribe } from '../../base/emitter.ts'
import type { QuorateError } from '../../core/error.ts'
import type { GroupId, HostId, Revision } from '../../core/types.ts'
import { decodeValue, encodeValue } from '../../wire/value.ts'
import type { Backend } from '../backend.ts'
import type { Call } from '../calls/call.ts'
import { checkOptions } from '../calls/check-options.ts'
import { checkRevision } from '../calls/check-revision.ts'
import { closed } from '../calls/closed.ts'
import { checkWeights } from '../membership/check-weights.ts'
import type { MemberRequest } from '../membership/member-request.ts'
import { type QuorumRule, quorumMasks } from '../membership/quorum-rule.ts'
import type { HostParts } from '../parts.ts'
import { checkKey } from '../query/key-filter.ts'
import { checkTableName, TableKeys } from '../query/table-keys.ts'
import type { Counter, CounterOptions } from '../recipes/counter.ts'
import type { Election } from '../recipes/election.ts'
import type { HoldOptions } from '../recipes/line.ts'
import { loadRecipes } from '../recipes/load.ts'
import type { Lock } from '../recipes/lock.ts'
import type { Means } from '../recipes/means.ts'
import type { PresenceRoom } from '../recipes/presence.ts'
import type { Queue } from '../recipes/queue.ts'
import type { Semaphore } from '../recipes/semaphore.ts'
import type { Replica } from '../replica/replica.ts'
import { checkCommandName, txnCommand } from '../transactions/command.ts'
import { loadTransact } from '../transactions/load-transact.ts'
import type { StoreTransaction } from '../transactions/store-transaction.ts'
import type { TransactOptions } from '../transactions/transact.ts'
import { checkTxn, type Txn, type TxnResult } from '../transactions/txn.ts'
import type {
  Broadcast,
  BroadcastRange,
  CallOptions,
  ChangeOptions,
  LogEntry,
  LogRange,
  Member,
  MemberList,
  StoreEvents,
  StoreHost,
  StoreStatus,
  WriteOptions,
  Written,
} from '../types.ts'
import type { Lease } from './lease.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { LogStream } from './log-stream.ts'
import { StoreCalls } from './store-calls.ts'
import { type Dependent, Table } from './table.ts'

/** A replicated store: one Raft group, seen from this host. Its own keys, its tables, its log and its members. */
export class Store extends Table {
  readonly name: GroupId
  readonly host: StoreHost
  /** @internal The host was opened for this store alone. */
  closesHost = false
  private readonly closed: () => Promise<void>
  private readonly emitter: Emitter<StoreEvents>
  private readonly streams = new Set<{ end(error: unknown): void }>()
  private readonly allDependents: Set<Dependent>
  private known: (Pick<Replica, 'leader' | 'members'> & { readonly role: StoreStatus['role'] }) | undefined
  private readonly leases: LeaseKeeper
  private readonly means: Means
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
    const calls = new StoreCalls(options)
    const dependents = new Set<Dependent>()
    super(calls, new TableKeys(''), dependents)
    this.allDependents = dependents
    this.leases = new LeaseKeeper(calls)
    this.means = { calls, leases: this.leases }
    this.name = options.name
    this.host = options.host
    this.closed = options.closed
    this.emitter = new Emitter<StoreEvents>(error => calls.throwLater(error))
  }

  /** The table of that name: its own keys, in the same log. A name has 1 to 64 letters, digits, dots, dashes, `_`. */
  table(name: string): Table {
    checkTableName(name)
    return new Table(this.calls, new TableKeys(name), this.allDependents)
  }

  /**
   * Does one branch or the other, by what it compares, all at one revision. A comparison that fails is an answer
   * (`ok: false`), not an error. Rejects with COMMAND_FAILED where an operation cannot be done: nothing was.
   */
  async txn(txn: Txn, options: WriteOptions = {}): Promise<TxnResult> {
    const { value, revision } = await this.calls.run(txnCommand, checkTxn(txn), options)
    return { ...(value as Omit<TxnResult, 'revision'>), revision }
  }

  /**
   * Runs a function over one view of the store, and writes what it wrote, all at one revision, if nothing of what it
   * read was changed meanwhile: such transactions are as if they were done one after the other (serializable; Kung and
   * Robinson 1981), and as fresh as their start. Where something was changed the function runs anew, over a later view,
   * after a short pause of random length; so it does nothing that must not be done twice. Resolves with what it gives.
   * A throw writes nothing, and so does a function that only reads. Rejects with CONFLICT after `tries`; TIMEOUT where
   * the function did not end before the deadline, and nothing was written; FENCED, and as every write does.
   */
  async transact<Value>(
    run: (tx: StoreTransaction) => Promise<Value>,
    options: TransactOptions = {},
  ): Promise<Value> {
    const { transact } = await loadTransact()
    return transact(this.calls, run, options)
  }

  /**
   * Runs a registered command (`commands` in the options of the store) and resolves with what it gave, once it is
   * applied here. Rejects with COMMAND_FAILED where it threw (`detail` has code and data of its CommandError), and
   * COMMAND_UNKNOWN where the leader has no command of that name: nothing was written.
   */
  async command<Value = unknown>(
    name: string,
    args: unknown = null,
    options: WriteOptions = {},
  ): Promise<Value> {
    checkCommandName(name)
    return (await this.calls.run(name, args, options)).value as Value
  }

  /**
   * Grants a lease, which this store keeps alive until it is revoked or the store closed. `ttlMs` is how long it lasts
   * without that, from one second to a day: what a crash of this host leaves behind is gone after so long. Rejects with
   * SYSTEM_BUSY where the group has 65 536 of them.
   */
  lease(ttlMs: number, options: CallOptions = {}): Promise<Lease> {
    return this.leases.grant(ttlMs, options)
  }

  /**
   * Runs a function while this store holds the lock of that name, and gives what it gave; or, without a function, gives
   * the lock: `await using lock = await store.lock('printer')`. One holds at a time, in the order in which they came; a
   * second lock of one name waits, too, whichever host and whatever part of the program has the first (inside its own
   * function it waits for ever).
   *
   * The lock is released when the function ends, however. It is lost when its lease is (`lock.signal`): where that
   * happened while the function ran, the call rejects with LEASE_LOST, outcome 'unknown'. See `Lock` for what to do
   * against a holder that acts late. Rejects with TIMEOUT, LEASE_LOST, SYSTEM_BUSY (4096 wait) where it was not held.
   */
  lock(name: string, options?: HoldOptions): Promise<Lock>
  lock<Value>(name: string, run: (lock: Lock) => Value | Promise<Value>): Promise<Value>
  lock<Value>(name: string, options: HoldOptions, run: (lock: Lock) => Value | Promise<Value>): Promise<Value>
  async lock<Value>(
    name: string,
    given: HoldOptions | ((lock: Lock) => Value | Promise<Value>) = {},
    then?: (lock: Lock) => Value | Promise<Value>,
  ): Promise<Lock | Value> {
    const { acquireLock, holding, optionsAndRun } = await loadRecipes()
    const [options, run] = optionsAndRun(given, then)
    const lock = await acquireLock(this.means, name, options)
    return run === undefined ? lock : holding(lock, run)
  }

  /** The lock, or undefined where somebody holds it or waits for it. */
  async tryLock(name: string, options: HoldOptions = {}): Promise<Lock | undefined> {
    return (await loadRecipes()).tryLock(this.means, name, options)
  }

  /**
   * Permits, `limit` of them at a time, an integer from 1. Nobody is asked; in a page a script is loaded (UNREACHABLE).
   */
  async semaphore(name: string, options: { readonly limit: number }): Promise<Semaphore> {
    checkOptions(options)
    const { limit } = options
    return new (await loadRecipes()).Semaphore(this.means, name, limit)
  }

  /** An election of one leader among those who campaign. */
  async election<Value = unknown>(name: string): Promise<Election<Value>> {
    return new (await loadRecipes()).Election<Value>(this.means, name)
  }

  /** A number that counts every call once, within bounds. */
  async counter(name: string, options: CounterOptions = {}): Promise<Counter> {
    return new (await loadRecipes()).Counter(this.means, name, options)
  }

  /** A queue, each of whose items goes to one of those who take. */
  async queue<Value = unknown>(name: string): Promise<Queue<Value>> {
    return new (await loadRecipes()).Queue<Value>(this.means, name)
  }

  /** Who is here. */
  async presence<Value = unknown>(name: string): Promise<PresenceRoom<Value>> {
    return new (await loadRecipes()).PresenceRoom<Value>(this.means, name)
  }

  /** Writes an entry that changes nothing. Resolves when everything written before it is applied here. */
  barrier(options: WriteOptions = {}): Promise<Written> {
    return this.calls.write({ type: 'barrier' }, options)
  }

  /**
   * Resolves once this host has all that was written anywhere before the call: when a newcomer has caught up, say. From
   * then on `stale` reads and watches show a state that was whole. On a client: once a member has answered.
   */
  async ready(options: CallOptions = {}): Promise<void> {
    await this.members(options)
  }

  /**
   * Has every replica told of a value, in the order of the log; it changes nothing. Resolves when it is durable on a
   * quorum. It is heard once by each of `broadcasts`, and stands in `entries`. `topic` is what a key is.
   */
  async broadcast(topic: string, body: unknown, options: WriteOptions = {}): Promise<Written> {
    checkKey(topic, 'topic')
    return this.calls.write({ type: 'broadcast', topic, body: encodeValue(body) }, options)
  }

  /** What is broadcast, as it is applied here: the broadcasts among `entries`, with the same promises. */
  broadcasts<Body = unknown>(range: BroadcastRange = {}): LogStream<Broadcast<Body>> {
    checkOptions(range, 'range')
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
    return decodeValue(await this.calls.backend.request(request, this.calls.start(options))) as Reply
  }

  /** The members of the group, linearizable. */
  async members(options: CallOptions = {}): Promise<readonly Member[]> {
    return (await this.membership(options)).members
  }

  /** The members of the group and the revision of their last change, linearizable. */
  async membership(options: CallOptions = {}): Promise<MemberList> {
    return this.calls.backend.members(this.calls.start(options))
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
    checkOptions(options)
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
    const status = this.calls.backend.status()
    if (status.role !== 'client' || !this.calls.isEnded) return status
    return { ...status, role: this.host.error === undefined ? 'closed' : 'failed' }
  }

  /** What JSON.stringify shows of a store. */
  toJSON(): StoreStatus {
    return this.status()
  }

  /**
   * Has a listener told of what happens. What it throws, or its promise rejects with, is reported by the platform as
   * uncaught, and stops nothing here; so it is with `live`, `onCommitted` and `host.on`, as with any event target.
   */
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
    const wasOpen = !this.calls.isEnded
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
    this.calls.tick(now)
    this.leases.tick(now)
    for (const one of this.allDependents) one.tick(now)
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
    if (this.calls.isEnded) return
    this.calls.end(error)
    this.leases.close()
    for (const one of [...this.allDependents]) one.close()
    this.endStreams(error)
  }

  private endStreams(error: unknown): void {
    for (const stream of [...this.streams]) stream.end(error)
  }

  private stream<Event>(range: LogRange, eventOf: (entry: LogEntry) => Event | undefined): LogStream<Event> {
    checkOptions(range, 'range')
    const { from, to = Number.POSITIVE_INFINITY, signal } = range
    checkRevision(from, 'from')
    checkRevision(range.to, 'to')
    this.calls.check()
    const read = (next: Revision | undefined, call: Call) => this.calls.backend.entries(next, call)
    const closed = () => this.streams.delete(stream)
    // The first member came as a snapshot, so nothing is missing before the second entry.
    const first = from === 1 ? 2 : from
    const stream = new LogStream<Event>({ from: first, to, signal, read, eventOf, closed })
    this.streams.add(stream)
    return stream
  }

  private async change(
    type: MemberRequest['type'],
    hosts: HostId | readonly HostId[],
    options: ChangeOptions,
    numbers: readonly number[] = [],
  ): Promise<readonly Member[]> {
    checkOptions(options)
    const list: readonly unknown[] = Array.isArray(hosts) ? hosts : [hosts]
    if (!list.every(host => typeof host === 'string'))
      throw new TypeError('a host is named by its id, a string')
    const expected = options.expectedRevision
    checkRevision(expected, 'expectedRevision')
    const request = { type, hosts: list, numbers, expected }
    return (await this.calls.backend.change(request, this.calls.start(options))).members
  }
}
