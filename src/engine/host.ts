import { Emitter, type Unsubscribe } from '../base/emitter.ts'
import { QuorateError } from '../core/error.ts'
import type { DeploymentId, GroupId, HostId } from '../core/types.ts'
import type { StoredHost } from '../storage/storage.ts'
import type { Path } from '../transport/transport.ts'
import { asArray, asText } from '../wire/guards.ts'
import type { Backend } from './backend.ts'
import { type Call, startCall } from './call.ts'
import { ClientBackend } from './client-backend.ts'
import { chooseDials } from './dialing.ts'
import { Gateway } from './gateway.ts'
import { handOver } from './hand-over.ts'
import { Joining, removed } from './joining.ts'
import { Loop } from './loop.ts'
import { groupOf, Membership } from './membership.ts'
import { Outbox } from './outbox.ts'
import type { EngineOptions, HostParts } from './parts.ts'
import { PeerBook } from './peer-book.ts'
import { RemoteWatches } from './remote-watches.ts'
import type { Replica } from './replica.ts'
import { closed, ReplicaBackend } from './replica-backend.ts'
import { Requests } from './requests.ts'
import { SingleFlight } from './single-flight.ts'
import { Snapshots } from './snapshots.ts'
import { Store } from './store.ts'
import type { CallOptions, HostEvents, HostInfo, StoreHost } from './types.ts'
import { Writer } from './writer.ts'

export interface StoreOptions extends CallOptions {
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
  private readonly outbox: Outbox
  private readonly writer: Writer
  private readonly requests: Requests
  private readonly snapshots: Snapshots
  private readonly peerBook = new PeerBook()
  private readonly membership: Membership
  private readonly gateway: Gateway
  private readonly joining: Joining
  private readonly loop: Loop
  private readonly opening = new Map<GroupId, SingleFlight<Store>>()
  private readonly opened = new Map<GroupId, Store>()
  private readonly remoteWatches = new Map<GroupId, RemoteWatches>()
  private lastWatch = 0
  private ticksToDial = 0
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
    const { transport, clock } = parts
    this.outbox = new Outbox({ transport, clock, deployment: () => this.loop.deployment })
    this.writer = new Writer(parts.storage, failed)
    this.requests = new Requests(this.outbox, parts)
    const { outbox, writer, requests } = this
    this.snapshots = new Snapshots({
      parts,
      outbox,
      trailingEntries: options.trailingEntries,
      failed,
    })
    this.membership = new Membership({ requests, clock, hostId: parts.id })
    this.gateway = new Gateway({
      outbox,
      requests,
      backendOf: group => this.backendOf(this.replicaOrThrow(group)),
      revisionOf: group => this.loop.replicas.get(group)?.machine.appliedIndex ?? 0,
    })
    this.loop = new Loop({
      parts,
      tickMs: options.tickMs,
      outbox,
      writer,
      requests,
      snapshots: this.snapshots,
      peerBook: this.peerBook,
      events: {
        ticked: now => this.ticked(now),
        event: (from, body) => {
          for (const watches of this.remoteWatches.values()) watches.receive(from, body)
        },
        hello: () => this.dial(),
        gone: (peer, reason) => this.disconnected(peer, reason),
        toldRemoved: replica => this.joining.removed(replica),
        failed,
      },
    })
    this.joining = new Joining({
      parts,
      options,
      loop: this.loop,
      requests,
      peerBook: this.peerBook,
      replicaHost: { parts, options, outbox, writer, snapshots: this.snapshots },
      changed: replica => this.replicaChanged(replica),
      applied: replica => this.opened.get(replica.group)?.applied(replica.machine.appliedIndex),
      announce: () => this.greetAll(),
      dial: () => this.dial(),
    })
    this.serveMembership()
    this.startTransport()
  }

  /** Undefined until the cluster was founded or joined for the first time. */
  get deployment(): DeploymentId | undefined {
    return this.loop.deployment
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
    const store = await this.storeOnce(name, call)
    if (options.waitForLeader !== false && this.options.role === 'member') {
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
    return {
      hostId: this.id,
      cluster: this.cluster,
      deployment: this.deployment,
      peers: transport.peers(),
      present: [...transport.present()].sort(),
      stores: [...this.opened.values()].map(store => store.status()),
      counters: transport.counters(),
    }
  }

  on<Name extends keyof HostEvents>(name: Name, listener: (event: HostEvents[Name]) => void): Unsubscribe {
    return this.emitter.on(name, listener)
  }

  /** Drops all connections and dials anew. Replicas, watches and waiting calls live on. */
  reconnect(): void {
    this.check()
    this.parts.transport.reconnect()
  }

  /** Gives the leadership of every group away, where another voter can take it. Bounded by the election timeout. */
  async handOver(): Promise<void> {
    const led = [...this.loop.replicas.values()].filter(replica => replica.leads)
    const patienceMs = this.options.electionTicks * this.options.tickMs
    const connected = new Set<HostId | undefined>(this.parts.transport.peers().map(peer => peer.hostId))
    const isConnected = (host: HostId | undefined) => connected.has(host)
    const { clock } = this.parts
    await Promise.all(led.map(replica => handOver(replica, { clock, patienceMs, isConnected })))
  }

  /**
   * Hands leadership over, settles every waiting call with CLOSED, and gives connections and storage up. Idempotent.
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
    await this.joining.enterCluster(this.stored, call)
    const backend =
      this.options.role === 'client' ? this.clientBackend(name) : this.backendOf(await this.join(name, call))
    // A host that ended meanwhile has told its stores already.
    this.check()
    const { parts, options } = this
    const closed = () => this.storeClosed(name)
    const store = new Store({ name, host: this, backend, parts, closed, deadlineMs: options.deadlineMs })
    this.opened.set(name, store)
    return store
  }

  /** A later call opens it anew, over the same replica. */
  private storeClosed(name: GroupId): void {
    this.opened.delete(name)
    this.remoteWatches.delete(name)
    this.dial()
  }

  private async join(name: GroupId, call: Call): Promise<Replica> {
    return this.loop.replicas.get(name) ?? (await this.joining.openReplica(name, this.stored, call))
  }

  private backendOf(replica: Replica): Backend {
    return new ReplicaBackend(replica, {
      membership: this.membership,
      wake: () => this.loop.wake(replica),
      check: () => this.check(replica),
    })
  }

  private clientBackend(group: GroupId): Backend {
    const { requests } = this
    const { clock } = this.parts
    const gateways = () => this.peerBook.hostsOf(group)
    const gateway = () => gateways()[0]
    const watches = new RemoteWatches({ group, requests, clock, gateway, nextId: () => ++this.lastWatch })
    this.remoteWatches.set(group, watches)
    this.dial()
    return new ClientBackend({ group, requests, clock, watches, gateways, check: () => this.check() })
  }

  private serveMembership(): void {
    const { requests, membership } = this
    requests.serve('join', (from, body, call) => {
      const fields = asArray(body, 1)
      return membership.serveJoin(this.replicaOrThrow(groupOf(fields)), from, call)
    })
    requests.serve('admit', async (from, body, call) => {
      const [group, host] = asArray(body, 2)
      const replica = this.replicaOrThrow(asText(group))
      if (!membership.isMember(replica, from))
        // One that was removed and does not know it was asked: the newcomer goes on to another.
        throw new QuorateError('NOT_MEMBER', 'only members admit others', { retryable: true })
      return membership.admit(replica, asText(host), call)
    })
    requests.serve('change', (_from, body, call) => {
      const fields = asArray(body, 3)
      return membership.serveChange(this.replicaOrThrow(groupOf(fields)), fields, call)
    })
    requests.serve('lead', (_from, body, call) => {
      const fields = asArray(body, 3)
      return membership.serveLead(this.replicaOrThrow(groupOf(fields)), fields, call)
    })
  }

  private startTransport(): void {
    this.parts.transport.start({
      frame: (from, _lane, bytes) => this.loop.inbound(from, bytes),
      connected: (peer, path) => this.connected(peer, path),
      disconnected: (peer, reason) => this.loop.gone(peer, reason),
      presence: () => this.dial(),
    })
  }

  private connected(peer: HostId, path: Path): void {
    this.greet(peer)
    const known = this.parts.transport.peers().find(status => status.hostId === peer)
    const unknown = { hostId: peer, path, candidate: undefined, roundTripMs: undefined, queuedBytes: 0 }
    this.emitter.emit('connected', known ?? unknown)
  }

  private disconnected(peer: HostId, reason: string): void {
    this.peerBook.disconnected(peer)
    this.requests.disconnected(peer)
    this.snapshots.disconnected(peer)
    this.gateway.disconnected(peer)
    for (const watches of this.remoteWatches.values()) watches.disconnected(peer)
    this.dial()
    this.emitter.emit('disconnected', { hostId: peer, reason })
  }

  private greet(peer: HostId): void {
    if (this.loop.deployment === undefined) return
    this.outbox.send(peer, 'control', 'hello', this.peerBook.hello(this.loop.replicas.values()))
  }

  private greetAll(): void {
    for (const { hostId } of this.parts.transport.peers()) this.greet(hostId)
    this.dial()
  }

  private ticked(now: number): void {
    for (const store of this.opened.values()) store.tick(now)
    if (--this.ticksToDial > 0) return
    this.ticksToDial = dialEveryTicks
    this.gateway.bookmark()
    for (const watches of this.remoteWatches.values()) watches.tick()
    // A hello may have been lost, and with it what a peer must know of this host.
    this.greetAll()
  }

  private dial(): void {
    if (this.closing !== undefined || this.failure !== undefined) return
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
        groupsOf: host => this.peerBook.groupsOf(host),
      }),
    )
  }

  private replicaChanged(replica: Replica): void {
    this.dial()
    this.opened.get(replica.group)?.changed(replica)
  }

  private replicaOrThrow(group: GroupId): Replica {
    this.check()
    const replica = this.loop.replicas.get(group)
    if (replica !== undefined) return replica
    if (this.joining.isRemovedFrom(group)) throw removed()
    throw new QuorateError('NOT_MEMBER', `this host has no replica of ${group}`, { retryable: true })
  }

  /** Throws why nothing can be served any more: by the host, or by the replica. */
  private check(replica?: Replica): void {
    if (this.failure !== undefined) throw this.failure
    if (this.closing !== undefined) throw closed()
    if (replica !== undefined && this.joining.isRemovedFrom(replica.group)) throw removed()
  }

  /** Storage or this program failed: this host acknowledges nothing any more, and its peers shall notice at once. */
  private fail(error: unknown): void {
    if (this.failure !== undefined || this.closing !== undefined) return
    const isKnown = error instanceof QuorateError
    const message = error instanceof Error ? error.message : String(error)
    this.failure = isKnown
      ? error
      : new QuorateError('INTERNAL', `the host stopped: ${message}`, { cause: error })
    const { code, message: why } = this.failure
    this.stopAll(outcome => new QuorateError(code, why, { outcome, cause: error }))
    this.parts.transport.close().catch(cause => this.reportLater(cause))
    this.emitter.emit('error', this.failure)
  }

  private async closeNow(): Promise<void> {
    await this.handOver()
    // Storage takes what it was given before, the transport says goodbye; nobody waits for both in turn.
    this.stopAll(closed)
    await Promise.all([this.parts.transport.close(), this.parts.storage.close()])
  }

  private stopAll(error: (outcome: 'none' | 'unknown') => QuorateError): void {
    this.loop.stop()
    this.joining.close(error('none'))
    this.snapshots.close(error('none'))
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

/** Voters and the leader are needed by every replica; a leader needs all members that it can reach. */
function neededBy(replica: Replica, present: ReadonlySet<HostId>): HostId[] {
  const members = replica.members.filter(
    member => member.role === 'voter' || (replica.leads && present.has(member.hostId)),
  )
  const hosts = members.map(member => member.hostId)
  return replica.leader === undefined ? hosts : [...hosts, replica.leader]
}
