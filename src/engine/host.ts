import { Emitter, type Unsubscribe } from '../base/emitter.ts'
import { QuorateError } from '../core/error.ts'
import { hungElectionTimeouts } from '../core/limits.ts'
import type { DeploymentId, GroupId, HostId } from '../core/types.ts'
import type { StoredHost } from '../storage/storage.ts'
import type { Path } from '../transport/transport.ts'
import type { Backend } from './backend.ts'
import { type Call, startCall } from './call.ts'
import { ClientBackend } from './client-backend.ts'
import { closeStorage } from './close-storage.ts'
import { chooseDials, neededBy } from './dialing.ts'
import { Gateway } from './gateway.ts'
import { GroupNews } from './group-news.ts'
import { handOver } from './hand-over.ts'
import { Joining, removed } from './joining.ts'
import { LeaderRequests } from './leader-requests.ts'
import { Loop, type LoopEvents } from './loop.ts'
import { Membership } from './membership.ts'
import { type HostMetrics, hostMetrics } from './metrics.ts'
import { Outbox } from './outbox.ts'
import type { EngineOptions, HostParts } from './parts.ts'
import { PeerBook } from './peer-book.ts'
import { checkPriority, Preference } from './preference.ts'
import { RemoteWatches } from './remote-watches.ts'
import type { Replica } from './replica.ts'
import { closed, ReplicaBackend } from './replica-backend.ts'
import { Requests } from './requests.ts'
import { SingleFlight } from './single-flight.ts'
import { Snapshots } from './snapshots.ts'
import { Store } from './store.ts'
import { checkHooks } from './store-hooks.ts'
import type { CallOptions, HostEvents, HostInfo, StoreHooks, StoreHost } from './types.ts'
import { Writer } from './writer.ts'

export interface StoreOptions extends CallOptions, StoreHooks {
  /** False: resolve as soon as the replica runs, even while no leader is known. Then only stale reads work at once. */
  readonly waitForLeader?: boolean
}

/** Between two looks at whom to be connected to, where nothing else asks for one. */
const dialEveryTicks = 10

/**
 * One process or tab of a cluster: an identity, a storage, a transport, and a replica of every store it opens.
 * Made by `openHost`.
 */
export class Host implements StoreHost {
  readonly id: HostId
  readonly cluster: string
  private readonly parts: HostParts
  private readonly options: EngineOptions
  private readonly stored: StoredHost
  private readonly emitter = new Emitter<HostEvents>(error => this.reportLater(error))
  private readonly news = new GroupNews(this.emitter)
  private readonly outbox: Outbox
  private readonly writer: Writer
  private readonly requests: Requests
  private readonly snapshots: Snapshots
  private readonly peerBook: PeerBook
  private readonly membership: Membership
  private readonly leaderRequests: LeaderRequests
  private readonly hooks = new Map<GroupId, StoreHooks>()
  private readonly gateway: Gateway
  private readonly joining: Joining
  /** @internal What the simulator looks into. */
  readonly loop: Loop
  private readonly opening = new Map<GroupId, SingleFlight<Store>>()
  private readonly opened = new Map<GroupId, Store>()
  /** Stores that were closed, and whose replicas are handing over what they led. */
  private readonly stopping = new Map<GroupId, Promise<void>>()
  private readonly remoteWatches = new Map<GroupId, RemoteWatches>()
  private lastWatch = 0
  private ticksToDial = 0
  private readonly preference: Preference
  private failure: QuorateError | undefined
  private closing: Promise<void> | undefined

  /** Starts a host over storage that was loaded. Rejects nothing: what is wrong with the world shows in the calls. */
  static start(parts: HostParts, options: EngineOptions, stored: StoredHost): Host {
    return new Host(parts, options, stored)
  }

  private constructor(parts: HostParts, options: EngineOptions, stored: StoredHost) {
    this.id = parts.id
    this.cluster = options.cluster
    this.parts = parts
    this.options = options
    this.stored = stored
    const failed = (error: unknown) => this.fail(error)
    const { clock } = parts
    this.peerBook = new PeerBook(parts.random)
    this.outbox = new Outbox({ ...parts, deployment: () => this.loop.deployment })
    this.writer = new Writer(parts.storage, hungElectionTimeouts * options.electionTicks, failed)
    this.requests = new Requests(this.outbox, parts)
    const { outbox, writer, requests } = this
    const hooksOf = (group: GroupId) => this.hooks.get(group) ?? {}
    this.leaderRequests = new LeaderRequests({
      requests,
      clock,
      hooksOf,
      replicaOf: group => this.replicaOrThrow(group),
    })
    this.snapshots = new Snapshots({
      parts,
      outbox,
      heldLogBytesMax: options.heldLogBytesMax,
      replicaOf: group => this.loop.replicas.get(group),
      failed,
    })
    this.membership = new Membership({ requests, clock, hostId: parts.id })
    this.gateway = new Gateway({
      outbox,
      requests,
      backendOf: group => this.backendOf(this.replicaOrThrow(group, true)),
      revisionOf: group => this.loop.replicas.get(group)?.machine.appliedIndex ?? 0,
    })
    this.loop = new Loop({
      parts,
      tickMs: options.tickMs,
      electionTicks: options.electionTicks,
      outbox,
      writer,
      requests,
      snapshots: this.snapshots,
      peerBook: this.peerBook,
      events: this.loopEvents(),
    })
    this.joining = new Joining({
      parts,
      options,
      loop: this.loop,
      requests,
      peerBook: this.peerBook,
      replicaHost: {
        parts,
        options,
        outbox,
        writer,
        hooksOf,
        hostsOf: group => this.peerBook.hostsThatMayRun(group),
        snapshots: this.snapshots,
      },
      changed: replica => this.replicaChanged(replica),
      applied: replica => this.opened.get(replica.group)?.applied(replica.machine.appliedIndex),
      announce: () => this.greetAll(),
      dial: () => this.dial(),
    })
    this.preference = new Preference(options, clock, host => this.peerBook.priorityOf(host))
    this.startServing()
  }

  /** Undefined until the cluster was founded or joined for the first time. */
  get deployment(): DeploymentId | undefined {
    return this.loop.deployment
  }

  /** @internal Nothing works any more: it was closed, or cannot go on. */
  get isEnded(): boolean {
    return this.closing !== undefined || this.failure !== undefined
  }

  /** Why this host cannot go on, if so. */
  get error(): QuorateError | undefined {
    return this.failure
  }

  /**
   * The store of that name. The first member of the cluster founds it, others join it as learners; on a client it
   * works through another host. Resolves when a leader is known. Rejects at the deadline with UNREACHABLE (no seed,
   * no member), NOT_FOUNDED, or NO_LEADER; the host goes on trying, and a later call may succeed.
   */
  async store(name = 'main', options: StoreOptions = {}): Promise<Store> {
    if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name)) {
      throw new TypeError('the name of a store has 1 to 64 letters, digits, dots, dashes or underscores')
    }
    this.check()
    const call = startCall(this.parts.clock, options, this.options.deadlineMs)
    // Before anything of the store starts: it may lead at once.
    this.hooks.set(name, { ...this.hooks.get(name), ...checkHooks(options) })
    const store = await this.storeOnce(name, call)
    if (options.waitForLeader !== false && this.options.role !== 'client') {
      await this.joining.leaderKnown(this.replicaOrThrow(name), call)
    }
    return store
  }

  /** @internal `store`, for whoever needs no more than that: closing it closes the host. */
  async soleStore(name?: string, options: StoreOptions = {}): Promise<Store> {
    const store = await this.store(name, options)
    store.closesHost = true
    return store
  }

  info(): HostInfo {
    const { transport } = this.parts
    const { dropped } = this.loop
    return {
      hostId: this.id,
      cluster: this.cluster,
      deployment: this.deployment,
      peers: transport.peers(),
      present: [...transport.present()].sort(),
      stores: [...this.opened.values()].map(store => store.status()),
      counters: { ...transport.counters(), ...(dropped > 0 ? { 'inbox-full': dropped } : {}) },
    }
  }

  /** What this host counted since it started. */
  metrics(): HostMetrics {
    const { loop, outbox, writer, news } = this
    const counted = { ...loop.counted, ...outbox.counted, ...writer.counted }
    return hostMetrics(counted, this.info(), group => news.leaderChanges(group))
  }

  on<Name extends keyof HostEvents>(name: Name, listener: (event: HostEvents[Name]) => void): Unsubscribe {
    return this.emitter.on(name, listener)
  }

  /**
   * Milliseconds that a question takes to another host and back, behind what else goes there. Rejects with UNREACHABLE
   * where the two are not connected, TIMEOUT where no answer comes before the deadline.
   */
  async ping(peer: HostId, options: CallOptions = {}): Promise<number> {
    this.check()
    const { clock } = this.parts
    const call = startCall(clock, options, this.options.deadlineMs)
    const start = clock.now()
    await this.requests.ask(peer, 'ping', null, call)
    return clock.now() - start
  }

  /** Drops all connections and dials anew. Replicas, watches and waiting calls live on. */
  reconnect(): void {
    this.check()
    this.parts.transport.reconnect()
  }

  /** How much this host shall lead from now on; see `priority` in its options. It may hand over at once. */
  setPriority(priority: number): void {
    checkPriority(priority)
    this.check()
    this.preference.own = priority
    this.greetAll()
    this.preference.apply(this.loop.replicas.values())
  }

  /**
   * Forgets all that this host keeps of a store from which it was removed (REMOVED). Opening the store again joins it
   * anew. Rejects with MEMBERSHIP_REFUSED otherwise: a member that forgot its votes could vote twice.
   */
  async removeData(name: string): Promise<void> {
    this.check()
    await this.opened.get(name)?.close()
    await this.joining.forget(name)
  }

  /** Gives the leadership of every group away, where another voter can take it. Bounded by the election timeout. */
  handOver(): Promise<void> {
    return handOver([...this.loop.replicas.values()], this.parts, this.options)
  }

  /**
   * Hands leadership over, settles every waiting call with CLOSED, and gives connections and storage up. Idempotent.
   * Rejects with STORAGE_FAILED where the storage does not let go of what it was given within 15 seconds.
   */
  close(): Promise<void> {
    this.closing ??= this.closeNow()
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private storeOnce(name: GroupId, call: Call): Store | Promise<Store> {
    const opened = this.opened.get(name)
    if (opened !== undefined) return opened
    const opening = this.opening.get(name) ?? new SingleFlight<Store>(this.parts.clock)
    this.opening.set(name, opening)
    return opening.run(call, () => this.openStore(name, call))
  }

  private async openStore(name: GroupId, call: Call): Promise<Store> {
    await this.stopping.get(name)
    await this.joining.enterCluster(this.stored, call)
    const replica = this.options.role === 'client' ? undefined : await this.join(name, call)
    const isServed = replica !== undefined && !replica.isWitness
    const backend = isServed ? this.backendOf(replica) : this.clientBackend(name, replica)
    // A host that ended meanwhile has told its stores already.
    this.check()
    const { parts, options } = this
    const closed = () => this.storeClosed(name)
    const store = new Store({ name, host: this, backend, parts, closed, deadlineMs: options.deadlineMs })
    this.opened.set(name, store)
    return store
  }

  /** A later call opens it anew, over the same replica, once that has stopped. */
  private async storeClosed(name: GroupId): Promise<void> {
    this.opened.delete(name)
    this.remoteWatches.delete(name)
    const replica = this.loop.replicas.get(name)
    const stopping = replica === undefined ? Promise.resolve() : this.stopReplica(replica)
    this.stopping.set(name, stopping)
    await stopping
    this.stopping.delete(name)
    this.dial()
  }

  private async stopReplica(replica: Replica): Promise<void> {
    await handOver([replica], this.parts, this.options)
    // The host may have ended, or the group removed it, meanwhile.
    if (this.loop.replicas.get(replica.group) === replica) this.joining.stop(replica)
  }

  private async join(name: GroupId, call: Call): Promise<Replica> {
    return this.loop.replicas.get(name) ?? (await this.joining.openReplica(name, this.stored, call))
  }

  private backendOf(replica: Replica): Backend {
    return new ReplicaBackend(replica, {
      membership: this.membership,
      leaderRequests: this.leaderRequests,
      wake: () => this.loop.wake(replica),
      check: () => this.check(replica),
    })
  }

  private clientBackend(group: GroupId, witness: Replica | undefined): Backend {
    const { requests } = this
    const { clock } = this.parts
    const gateways = () => this.peerBook.hostsOf(group)
    const gateway = () => gateways()[0]
    const watches = new RemoteWatches({ group, requests, clock, gateway, nextId: () => ++this.lastWatch })
    this.remoteWatches.set(group, watches)
    this.dial()
    const status = () => witness?.status()
    const check = () => this.check(witness)
    return new ClientBackend({ group, requests, clock, watches, gateways, status, check })
  }

  private loopEvents(): LoopEvents {
    return {
      ticked: now => this.ticked(now),
      event: (from, body) => {
        for (const watches of this.remoteWatches.values()) watches.receive(from, body)
      },
      hello: (from, isAsking) => {
        if (isAsking) this.greet(from)
        this.dial()
      },
      came: peer => this.greet(peer),
      gone: (peer, reason) => this.disconnected(peer, reason),
      toldRemoved: replica => this.joining.removed(replica),
      failed: error => this.fail(error),
    }
  }

  private startServing(): void {
    this.requests.serve('ping', async () => null)
    this.membership.serve(group => this.replicaOrThrow(group))
    this.parts.transport.start({
      frame: (from, _lane, bytes) => this.loop.inbound(from, bytes),
      connected: (peer, path) => this.connected(peer, path),
      disconnected: (peer, reason) => this.loop.gone(peer, reason),
      presence: () => this.dial(),
    })
  }

  private connected(peer: HostId, path: Path): void {
    this.loop.came(peer)
    const known = this.parts.transport.peers().find(status => status.hostId === peer)
    const unknown = { hostId: peer, path, candidate: undefined, roundTripMs: undefined, queuedBytes: 0 }
    this.emitter.emit('connected', known ?? unknown)
  }

  private disconnected(peer: HostId, reason: string): void {
    this.requests.disconnected(peer)
    this.gateway.disconnected(peer)
    for (const watches of this.remoteWatches.values()) watches.disconnected(peer)
    this.dial()
    this.emitter.emit('disconnected', { hostId: peer, reason })
  }

  private greet(peer: HostId): void {
    if (this.loop.deployment === undefined) return
    this.outbox.send(
      peer,
      'control',
      'hello',
      this.peerBook.hello(peer, this.loop.replicas.values(), this.preference.own),
    )
  }

  private greetAll(): void {
    this.peerBook.renew()
    for (const { hostId } of this.parts.transport.peers()) this.greet(hostId)
    this.dial()
  }

  private ticked(now: number): void {
    for (const store of this.opened.values()) store.tick(now)
    this.snapshots.tick(now)
    if (--this.ticksToDial > 0) return
    this.ticksToDial = dialEveryTicks
    this.gateway.bookmark()
    for (const watches of this.remoteWatches.values()) watches.tick()
    for (const peer of this.peerBook.unaware()) this.greet(peer)
    this.preference.apply(this.loop.replicas.values())
    this.dial()
  }

  private dial(): void {
    if (this.isEnded) return
    const { transport } = this.parts
    const present = transport.present()
    const replicas = [...this.loop.replicas.values()]
    // A replica that has not heard of any member yet still needs the one that let it in.
    const lonely = replicas.filter(replica => replica.members.length === 0).map(replica => replica.group)
    transport.want(
      chooseDials({
        self: this.id,
        needed: replicas.flatMap(replica => neededBy(replica, present)),
        wantedGroups: [...this.joining.wanted, ...lonely, ...this.remoteWatches.keys()],
        present,
        founder: this.joining.founder,
        groupsOf: host => this.peerBook.groupsOf(host),
      }),
    )
  }

  private replicaChanged(replica: Replica): void {
    this.dial()
    this.news.changed(replica)
    this.opened.get(replica.group)?.changed(replica)
  }

  /** `keepsValues`: one that can serve reads. */
  private replicaOrThrow(group: GroupId, keepsValues = false): Replica {
    this.check()
    const replica = this.loop.replicas.get(group)
    if (replica !== undefined && !(keepsValues && replica.isWitness)) return replica
    if (this.joining.isRemovedFrom(group)) throw removed()
    throw new QuorateError('NOT_MEMBER', `this host has no replica of ${group}`, { retryable: true })
  }

  /** Throws why nothing can be served any more: by the host, or by the replica. */
  private check(replica?: Replica): void {
    if (this.failure !== undefined) throw this.failure
    if (this.closing !== undefined) throw closed()
    replica?.check('none')
  }

  /** Storage or this program failed: this host acknowledges nothing any more, and its peers shall notice at once. */
  private fail(error: unknown): void {
    if (this.isEnded) return
    const isKnown = error instanceof QuorateError
    const message = error instanceof Error ? error.message : String(error)
    this.failure = isKnown
      ? error
      : new QuorateError('INTERNAL', `the host stopped: ${message}`, { cause: error })
    const { code, message: why } = this.failure
    this.stopAll(outcome => new QuorateError(code, why, { outcome, cause: error }))
    this.parts.transport.close().catch(cause => this.reportLater(cause))
    for (const replica of this.loop.replicas.values()) this.replicaChanged(replica)
    this.emitter.emit('error', this.failure)
  }

  private async closeNow(): Promise<void> {
    await this.handOver()
    // Storage takes what it was given before, the transport says goodbye; nobody waits for both in turn.
    this.stopAll(closed)
    await Promise.all([this.parts.transport.close(), closeStorage(this.parts)])
  }

  private stopAll(error: (outcome: 'none' | 'unknown') => QuorateError): void {
    this.loop.stop()
    this.joining.close(error('none'))
    this.snapshots.close()
    for (const replica of this.loop.replicas.values()) replica.close(error)
    for (const watches of this.remoteWatches.values()) watches.close(error('none'))
    for (const store of this.opened.values()) store.stopped(error('none'))
    this.requests.close(error)
  }

  /** An error that nobody waits for, in a listener say: the platform reports it as uncaught. */
  private reportLater(error: unknown): void {
    this.parts.clock.soon(() => {
      throw error
    })
  }
}
