import { Emitter, type Unsubscribe } from '../../base/emitter.ts'
import { type ErrorCode, isQuorateError, QuorateError } from '../../core/error.ts'
import type { DeploymentId, GroupId, HostId } from '../../core/types.ts'
import type { StoredHost } from '../../storage/storage.ts'
import type { Grant, Path } from '../../transport/transport.ts'
import type { Backend } from '../backend.ts'
import { type Call, startCall } from '../calls/call.ts'
import { closed, foreignTo, noReplica, notRemoved } from '../calls/closed.ts'
import { messageOf } from '../calls/message-of.ts'
import { SingleFlight } from '../calls/single-flight.ts'
import { ClientBackend } from '../client/client-backend.ts'
import { endStray, RemoteWatches } from '../client/remote-watches.ts'
import { checkPriority } from '../membership/check-priority.ts'
import { type HostMetrics, hostMetrics } from '../metrics.ts'
import type { EngineOptions, HostParts } from '../parts.ts'
import { PeerBook } from '../peers/peer-book.ts'
import { Requests } from '../peers/requests.ts'
import { Sender } from '../peers/sender.ts'
import type { Replica } from '../replica/replica.ts'
import { Store } from '../store/store.ts'
import type { StoreHooks } from '../store-hooks.ts'
import { checkHooks } from '../store-hooks.ts'
import type { CallOptions, HostEvents, HostInfo, StoreHost } from '../types.ts'
import { closeStorage } from './close-storage.ts'
import { chooseDials } from './dialing.ts'
import { Entering } from './entering.ts'
import { Loop, type LoopEvents } from './loop.ts'
import type { Replicas, ReplicasParts } from './replicas.ts'

/** How a store is opened, and what the application adds to it on this host. */
export interface StoreOptions extends CallOptions, StoreHooks {
  /** False: resolve as soon as the replica runs, even while no leader is known. Then only stale reads work at once. */
  readonly waitForLeader?: boolean
}

/** Makes the replicas of a host: of `engine/host/replicas`, which not everybody loads. */
export type StartReplicas = (host: ReplicasParts) => Replicas

const noReplicas: ReadonlyMap<GroupId, Replica> = new Map()

/** What a host hears whose cluster is not here. */
const missing: readonly ErrorCode[] = ['NO_LEADER', 'UNREACHABLE', 'NOT_FOUNDED']

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
  private readonly emitter = new Emitter<HostEvents>(error => this.reportLater(error))
  private readonly sender: Sender
  private readonly requests: Requests
  private readonly peerBook: PeerBook
  private readonly hooks = new Map<GroupId, StoreHooks>()
  private readonly entering: Entering
  /** Undefined for a client. */
  private readonly replicas: Replicas | undefined
  private readonly loop: Loop
  private readonly opening = new Map<GroupId, SingleFlight<Store>>()
  private readonly opened = new Map<GroupId, Store>()
  /** Stores that were closed, and whose replicas are handing over what they led. */
  private readonly stopping = new Map<GroupId, Promise<void>>()
  private readonly remoteWatches = new Map<GroupId, RemoteWatches>()
  private lastWatch = 0
  private ticksToDial = 0
  private priority: number
  /** Aborted when this host ends: nothing is founded, joined or started behind that. */
  private readonly ending = new AbortController()
  private failure: QuorateError | undefined
  /** What is wrong with the founding that a seed knows, by its address; undefined where it is this host's. */
  private readonly standings = new Map<string, QuorateError | undefined>()
  private closing: Promise<void> | undefined

  /**
   * @internal Starts a host over storage that was loaded. Rejects nothing: what is wrong with the world shows in the
   * calls. `startReplicas` is for all but clients, which have none.
   */
  static start(
    parts: HostParts,
    options: EngineOptions,
    stored: StoredHost,
    startReplicas: StartReplicas | undefined,
  ): Host {
    return new Host(parts, options, stored, startReplicas)
  }

  private constructor(
    parts: HostParts,
    options: EngineOptions,
    stored: StoredHost,
    startReplicas: StartReplicas | undefined,
  ) {
    this.id = parts.id
    this.cluster = options.cluster
    this.priority = options.priority
    this.parts = parts
    this.options = options
    this.peerBook = new PeerBook(parts.random)
    this.sender = new Sender(parts.transport, () => this.loop.deployment)
    this.requests = new Requests(this.sender, parts)
    const ending = this.ending.signal
    const entered = (deployment: DeploymentId) => {
      this.loop.deployment = deployment
      this.greetAll()
    }
    const heard = (standing: Grant, seed: string) => this.heard(standing, seed)
    this.entering = new Entering({ parts, options, stored, ending, entered, heard })
    const { sender, requests, peerBook, emitter } = this
    this.replicas = startReplicas?.({
      ...{ parts, options, stored, sender, requests, peerBook, emitter, ending },
      founder: () => this.entering.founder,
      hooksOf: group => this.hooks.get(group) ?? {},
      check: replica => this.check(replica),
      schedule: () => this.loop.schedule(),
      changed: replica => this.opened.get(replica.group)?.changed(replica),
      applied: replica => this.opened.get(replica.group)?.applied(replica.machine.appliedIndex),
      announce: () => this.greetAll(),
      dial: () => this.dial(),
      failed: error => this.fail(error),
    })
    const { replicas } = this
    this.loop = new Loop({
      ...{ parts, replicas, requests, peerBook },
      tickMs: options.tickMs,
      electionTicks: options.electionTicks,
      events: this.loopEvents(),
    })
    this.startServing()
  }

  /** @internal What the simulator looks into. */
  get running(): ReadonlyMap<GroupId, Replica> {
    return this.replicas?.running.byGroup ?? noReplicas
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
    this.replicas?.commandsChanged(name)
    try {
      const store = await this.storeOnce(name, call)
      if (options.waitForLeader !== false) await this.replicas?.leaderKnown(name, call)
      return store
    } catch (error) {
      throw isQuorateError(error) && missing.includes(error.code) ? (this.foreign() ?? error) : error
    }
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

  /** What JSON.stringify shows of a host. */
  toJSON(): HostInfo {
    return this.info()
  }

  /** What this host counted since it started. */
  metrics(): HostMetrics {
    const { loop, sender, replicas } = this
    const counted = { ...loop.counted, ...sender.counted, writes: 0, ...replicas?.counted }
    return hostMetrics(counted, this.info(), group => replicas?.leaderChanges(group) ?? 0)
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
    await this.requests.ask(peer, { method: 'ping', body: null, read: () => undefined }, call)
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
    this.priority = priority
    this.greetAll()
    this.replicas?.prefer(priority)
  }

  /**
   * Forgets all that this host keeps of a store from which it was removed (REMOVED). Opening the store again joins it
   * anew. Rejects with MEMBERSHIP_REFUSED otherwise, and changes nothing: a member that forgot its votes could vote
   * twice. It is `retryable` in the moment between the removal and the note of it.
   */
  async removeData(name: string): Promise<void> {
    this.check()
    const { replicas } = this
    if (replicas === undefined) throw notRemoved(name, false)
    replicas.checkForgettable(name)
    await this.opened.get(name)?.close()
    await replicas.forget(name)
  }

  /**
   * Says that this host's state of a store is the right one, where replicas differ (`diverged`) and no quorum of the
   * voters agrees, so that all are in quarantine: this one serves again, the others do not. Durable. A quorum that
   * agrees on something else has the last word all the same. Rejects with NOT_MEMBER where no replica runs here.
   */
  async trustData(name: string): Promise<void> {
    this.check()
    if (this.replicas === undefined) throw noReplica(name)
    await this.replicas.trust(name)
  }

  /** Gives the leadership of every group away, where another voter can take it. Bounded by the election timeout. */
  async handOver(): Promise<void> {
    await this.replicas?.handOver()
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
    await this.entering.enter(call)
    const own = await this.replicas?.open(name, call)
    const backend = own?.backend ?? this.clientBackend(name, own?.replica)
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
    const stopping = this.replicas?.stop(name) ?? Promise.resolve()
    this.stopping.set(name, stopping)
    await stopping
    this.stopping.delete(name)
    this.dial()
  }

  private clientBackend(group: GroupId, witness: Replica | undefined): Backend {
    const { requests } = this
    const { clock } = this.parts
    // A watch that waits hears of no error.
    const serving = () => this.peerBook.hostsOf(group)
    const nextId = () => ++this.lastWatch
    const watches = new RemoteWatches({ group, requests, clock, gateways: serving, nextId })
    this.remoteWatches.set(group, watches)
    this.dial()
    const status = () => witness && this.replicas?.status(witness)
    const check = () => {
      this.check(witness)
      // Its store was closed: it may have been opened again since, with watches of its own.
      if (this.remoteWatches.get(group) !== watches) throw closed('none', 'store')
    }
    const { news } = this.peerBook
    const gateways = () => this.peerBook.gatewaysOf(group)
    return new ClientBackend({ group, requests, clock, watches, gateways, news, status, check })
  }

  private loopEvents(): LoopEvents {
    return {
      ticked: now => this.ticked(now),
      event: (from, body) => {
        const all = [...this.remoteWatches.values()]
        const isOfOne = all.some(watches => watches.receive(from, body))
        if (!isOfOne) endStray(this.requests, this.parts.clock, from, body)
      },
      hello: (from, isAsking) => {
        if (isAsking) this.greet(from)
        this.dial()
      },
      came: peer => this.greet(peer),
      foreign: from => void this.met(`host ${from}`),
      gone: (peer, reason) => this.disconnected(peer, reason),
      failed: error => this.fail(error),
    }
  }

  private startServing(): void {
    this.requests.serve('ping', async () => null)
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
    for (const watches of this.remoteWatches.values()) watches.disconnected(peer)
    this.dial()
    this.emitter.emit('disconnected', { hostId: peer, reason })
  }

  /** A seed knows this founding. It is asked whenever this host comes to it, so what was wrong may be right by now. */
  private heard({ deployment }: Grant, seed: string): void {
    const isOwn = deployment === this.deployment
    this.standings.set(seed, isOwn ? undefined : this.met(`the seed ${seed}`, deployment))
  }

  /** Nobody else may be left of this host's cluster, which says more than that nobody was met: no seed knows it. */
  private foreign(): QuorateError | undefined {
    const standings = [...this.standings.values()]
    return standings.includes(undefined) ? undefined : standings[0]
  }

  private met(whom: string, deployment?: DeploymentId): QuorateError {
    const error = foreignTo(this.cluster, whom, deployment)
    this.emitter.emit('foreign', error)
    return error
  }

  private greet(peer: HostId): void {
    if (this.loop.deployment === undefined) return
    const hello = this.peerBook.hello(peer, this.replicas?.named() ?? [], this.priority)
    this.sender.send(peer, 'control', 'hello', hello)
  }

  private greetAll(): void {
    this.peerBook.renew()
    for (const { hostId } of this.parts.transport.peers()) this.greet(hostId)
    this.dial()
  }

  private ticked(now: number): void {
    for (const store of this.opened.values()) store.tick(now)
    this.replicas?.ticked(now)
    if (--this.ticksToDial > 0) return
    this.ticksToDial = dialEveryTicks
    this.replicas?.remind()
    for (const watches of this.remoteWatches.values()) watches.tick()
    for (const peer of this.peerBook.unaware()) this.greet(peer)
    this.peerBook.forgetGone()
    this.dial()
  }

  private dial(): void {
    if (this.isEnded) return
    const { transport } = this.parts
    const present = transport.present()
    const { needed, groups } = this.replicas?.dials(present) ?? { needed: [], groups: [] }
    transport.want(
      chooseDials({
        self: this.id,
        needed,
        wantedGroups: [...groups, ...this.remoteWatches.keys()],
        present,
        founder: this.entering.founder,
        groupsOf: host => this.peerBook.groupsOf(host),
        isSilent: (host, group) => this.peerBook.isSilent(host, group),
        hasDenied: (host, group) => this.peerBook.hasDenied(host, group),
      }),
    )
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
    this.failure = isKnown
      ? error
      : new QuorateError('INTERNAL', `the host stopped: ${messageOf(error)}`, { cause: error })
    const { code, message: why } = this.failure
    this.stopAll(outcome => new QuorateError(code, why, { outcome, cause: error }))
    this.parts.transport.close().catch(cause => this.reportLater(cause))
    for (const replica of this.running.values()) this.replicas?.changed(replica)
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
    this.ending.abort(error('none'))
    this.replicas?.close(error)
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
