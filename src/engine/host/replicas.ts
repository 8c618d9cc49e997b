import type { Emitter } from '../../base/emitter.ts'
import type { QuorateError } from '../../core/error.ts'
import { hungElectionTimeouts } from '../../core/limits.ts'
import { comesLater } from '../../core/machine/members.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import type { StoredHost } from '../../storage/storage.ts'
import type { Backend } from '../backend.ts'
import type { Call } from '../calls/call.ts'
import { noReplica } from '../calls/closed.ts'
import { retrying } from '../calls/retry.ts'
import { Gateway } from '../client/gateway.ts'
import { ReadService } from '../client/read-service.ts'
import { handOver } from '../membership/hand-over.ts'
import { Membership } from '../membership/membership.ts'
import { Preference } from '../membership/preference.ts'
import type { EngineOptions, HostParts } from '../parts.ts'
import type { Hello, NamedReplica, PeerBook } from '../peers/peer-book.ts'
import type { Requests } from '../peers/requests.ts'
import type { Sender } from '../peers/sender.ts'
import { DivergenceGuard } from '../replica/divergence.ts'
import { Outbox } from '../replica/outbox.ts'
import type { Replica } from '../replica/replica.ts'
import { type ReplicaFrameKind, ReplicaFrames } from '../replica/replica-frames.ts'
import { replicaStatus } from '../replica/replica-status.ts'
import { RunningReplicas } from '../replica/running-replicas.ts'
import { startSilence } from '../replica/silence.ts'
import { Writer } from '../replica/writer.ts'
import { Snapshots } from '../snapshots/snapshots.ts'
import { ReplicaBackend } from '../store/replica-backend.ts'
import type { StoreHooks } from '../store-hooks.ts'
import type { HostEvents, StoreStatus } from '../types.ts'
import { neededBy } from './dialing.ts'
import { GroupNews } from './group-news.ts'
import { Joining } from './joining.ts'
import { LeaderRequests } from './leader-requests.ts'
import { Registries } from './registries.ts'

/** What the replicas of a host have from it. */
export interface ReplicasParts {
  readonly parts: HostParts
  readonly options: EngineOptions
  readonly stored: StoredHost
  readonly sender: Sender
  readonly requests: Requests
  readonly peerBook: PeerBook
  readonly emitter: Emitter<HostEvents>
  /** Aborted when the host ends. */
  readonly ending: AbortSignal
  readonly founder: () => HostId | undefined
  readonly hooksOf: (group: GroupId) => StoreHooks
  /** Throws why the host, or the replica, can serve nothing any more. */
  readonly check: (replica?: Replica) => void
  /** Asks for a turn of the loop. */
  readonly schedule: () => void
  /** Leader, part or members of a replica changed. */
  readonly changed: (replica: Replica) => void
  readonly applied: (replica: Replica) => void
  /** A replica started or ended: peers shall hear of it. */
  readonly announce: () => void
  readonly dial: () => void
  /** The storage or this program failed: the host cannot go on. */
  readonly failed: (error: unknown) => void
}

/**
 * The replicas of a host, and all that a host has because of them. A client has none, and a page that is a client does
 * not even load this: `Host` is made with it, or without.
 */
export class Replicas {
  readonly running: RunningReplicas
  private readonly host: ReplicasParts
  private readonly writer: Writer
  private readonly snapshots: Snapshots
  private readonly membership: Membership
  private readonly leaderRequests: LeaderRequests
  private readonly gateway: Gateway
  private readonly readService: ReadService
  private readonly joining: Joining
  private readonly frames: ReplicaFrames
  private readonly news: GroupNews
  private readonly preference: Preference
  private readonly divergence: DivergenceGuard
  private readonly registries: Registries
  /** Those that serve nothing for now, and of which peers were told so. */
  private readonly silent = new WeakSet<Replica>()
  /** Of the stores that somebody wants to be open; undefined before one is, and on a witness. */
  private readonly backends = new Map<GroupId, ReplicaBackend | undefined>()

  constructor(host: ReplicasParts) {
    const { parts, options, sender, requests, peerBook } = host
    const { clock } = parts
    this.host = host
    this.news = new GroupNews(host.emitter)
    const outbox = new Outbox(sender, parts)
    this.writer = new Writer(parts.storage, hungElectionTimeouts * options.electionTicks, host.failed)
    const { writer } = this
    this.running = new RunningReplicas({ clock, outbox, writer, schedule: host.schedule })
    const { running } = this
    const replicaOf = (group: GroupId) => this.replicaOrThrow(group)
    this.leaderRequests = new LeaderRequests({ requests, clock, hooksOf: host.hooksOf, replicaOf })
    this.snapshots = new Snapshots({
      parts,
      sender,
      heldLogBytesMax: options.heldLogBytesMax,
      replicaOf: group => running.byGroup.get(group),
      failed: host.failed,
    })
    const { snapshots } = this
    const silence = startSilence(parts, options, host.emitter)
    const { membersMax } = options
    this.membership = new Membership({ requests, clock, hostId: parts.id, silence, membersMax })
    this.membership.serve(replicaOf)
    const backendOf = (group: GroupId) => this.backendOf(this.replicaOrThrow(group, true))
    this.readService = new ReadService({ clock, random: parts.random, requests, backendOf })
    this.gateway = new Gateway({
      sender,
      requests,
      backendOf,
      revisionOf: group => running.byGroup.get(group)?.machine.appliedIndex ?? 0,
    })
    const hostsOf = (group: GroupId) => peerBook.hostsThatMayRun(group)
    this.joining = new Joining({
      ...host,
      running,
      replicaHost: { parts, options, outbox, writer, hooksOf: host.hooksOf, hostsOf, snapshots },
      changed: replica => this.changed(replica),
      forgotten: group => this.divergence.forgotten(group),
      announce: () => this.announce(),
      isOpen: group => this.backends.has(group),
      serve: replica => this.backends.get(replica.group)?.serve(replica),
    })
    this.divergence = new DivergenceGuard({
      ...parts,
      ...host,
      running,
      snapshotDue: one => snapshots.take(one),
    })
    this.registries = new Registries({ ...host, clock, running })
    const toldRemoved: Joining['removed'] = (...told) => this.joining.removed(...told)
    const preference = new Preference(options, clock, peer => peerBook.priorityOf(peer))
    this.preference = preference
    const given: Preference['given'] = (...gift) => preference.given(...gift)
    this.frames = new ReplicaFrames({ running, sender, snapshots, toldRemoved, given })
  }

  get counted() {
    return this.writer.counted
  }

  /** How often this host heard of another leader. */
  leaderChanges(group: GroupId): number {
    return this.news.leaderChanges(group)
  }

  /** This host's replica of the group, and what serves its store: nothing where it keeps no values. */
  async open(
    group: GroupId,
    call: Call,
  ): Promise<{ readonly replica: Replica; readonly backend: Backend | undefined }> {
    this.backends.set(group, undefined)
    const replica = this.running.byGroup.get(group) ?? (await this.joining.openReplica(group, call))
    const backend = replica.isWitness ? undefined : this.backendOf(replica, true)
    this.backends.set(group, backend)
    return { replica, backend }
  }

  /** What a replica knows right now. */
  status(replica: Replica): StoreStatus {
    const otherCommands = this.registries.others(replica.group)
    return { ...replicaStatus(replica), ...(otherCommands.length > 0 && { otherCommands }) }
  }

  /** The application gave the group's replica, if it runs here, other commands than before. */
  commandsChanged(group: GroupId): void {
    const replica = this.running.touch(group)
    if (replica === undefined) return
    replica.commandsChanged()
    if (this.registries.hasNews(group)) this.announce()
  }

  /** Resolves when the group's replica knows a leader and its own state is not empty. */
  leaderKnown(group: GroupId, call: Call): Promise<void> {
    // One that made room is not the last.
    return retrying(this.host.parts.clock, call, async () =>
      this.joining.leaderKnown(this.backends.get(group)?.replica ?? this.replicaOrThrow(group), call),
    )
  }

  /** Nobody has the group's store open any more: its replica hands over what it leads, and stands still. */
  async stop(group: GroupId): Promise<void> {
    this.backends.delete(group)
    const replica = this.running.byGroup.get(group)
    if (replica === undefined) return
    await handOver([replica], this.host.parts, this.host.options)
    // The host may have ended, or the group removed it, meanwhile.
    if (this.running.byGroup.get(group) === replica) this.joining.stop(replica)
  }

  /** See `Host.trustData`. */
  trust(group: GroupId): Promise<void> {
    return this.divergence.trust(this.replicaOrThrow(group))
  }

  /** What a hello says of the replicas here. One that can apply nothing serves as little as a witness does. */
  named(): readonly NamedReplica[] {
    return Array.from(this.running.byGroup.values(), replica => {
      const { group, id, isWitness } = replica
      const commands = this.registries.tell(group)
      return { group, id, isWitness: !serves(replica), ...(!isWitness && { commands }) }
    })
  }

  checkForgettable(group: GroupId): void {
    this.joining.checkForgettable(group)
  }

  /** See `Host.removeData`. */
  forget(group: GroupId): Promise<void> {
    return this.joining.forget(group)
  }

  /** Gives the leadership of every group away, where another voter can take it. */
  handOver(): Promise<void> {
    return handOver([...this.running.byGroup.values()], this.host.parts, this.host.options)
  }

  /** This host shall lead that much from now on. */
  prefer(priority: number): void {
    this.preference.own = priority
    this.preference.apply(this.running.byGroup.values())
  }

  /** Whom these replicas need to be connected to, and groups of which any member will do. */
  dials(present: ReadonlySet<HostId>): {
    readonly needed: readonly HostId[]
    readonly groups: readonly GroupId[]
  } {
    const replicas = [...this.running.byGroup.values()]
    // A replica that has not got to the entry of its joining needs whoever let it in: it may know no member of today.
    // Nor does one that was away until all voters that it knew were gone.
    const isLonely = (replica: Replica) =>
      comesLater(replica.machine.members, replica.id) ||
      (!replica.leads && !neededBy(replica, present).some(host => present.has(host)))
    const lonely = replicas.filter(isLonely).map(replica => replica.group)
    return {
      needed: replicas.flatMap(replica => neededBy(replica, present)),
      groups: [...this.joining.wanted, ...lonely],
    }
  }

  /** A frame for replicas came in. */
  receive(from: HostId, kind: ReplicaFrameKind, body: Uint8Array): void {
    this.frames.receive(from, kind, body)
  }

  /** A peer said which replicas it runs. */
  heard(from: HostId, hello: Hello): void {
    this.frames.heard(from, hello)
    this.registries.heard(from, hello)
  }

  disconnected(peer: HostId): void {
    this.frames.disconnected(peer)
    this.gateway.disconnected(peer)
    this.divergence.disconnected()
    this.registries.disconnected(peer)
    this.readService.disconnected(peer)
  }

  /** Once per tick, after the replicas were ticked. */
  ticked(now: number): void {
    this.tellServing()
    this.snapshots.tick(now)
    this.divergence.tick(now)
    this.readService.tick(now)
  }

  /** Once in a while: tells clients how far their watches are, and hands on what others shall lead. */
  remind(): void {
    this.gateway.bookmark()
    this.preference.apply(this.running.byGroup.values())
  }

  /** Tells all who want to know that leader, part or members of a replica changed. */
  changed(replica: Replica): void {
    this.host.dial()
    this.news.changed(replica)
    this.host.changed(replica)
  }

  /** Nothing is written any more, and all that waits ends. */
  close(error: (outcome: 'none' | 'unknown') => QuorateError): void {
    this.writer.stop()
    this.snapshots.close()
    for (const replica of this.running.byGroup.values()) replica.close(error)
  }

  /** Clients of a replica that serves nothing any more look for another one, and may come back when it does. */
  private tellServing(): void {
    let isNews = false
    for (const replica of this.running.byGroup.values()) {
      if (this.silent.has(replica) !== serves(replica)) continue
      if (serves(replica)) this.silent.delete(replica)
      else this.silent.add(replica)
      isNews = true
    }
    if (isNews) this.announce()
  }

  private announce(): void {
    this.host.announce()
    this.registries.changed()
  }

  private backendOf(replica: Replica, isLasting = false): ReplicaBackend {
    const { membership, leaderRequests } = this
    return new ReplicaBackend(replica, {
      clock: this.host.parts.clock,
      membership,
      leaderRequests,
      isLasting,
      status: one => this.status(one),
      wake: one => this.running.wake(one),
      check: one => {
        this.host.check(one)
        one.state.checkTrue()
      },
    })
  }

  /** `keepsValues`: one that can serve reads. */
  private replicaOrThrow(group: GroupId, keepsValues = false): Replica {
    this.host.check()
    const replica = this.running.byGroup.get(group)
    if (replica !== undefined && !(keepsValues && replica.isWitness)) return replica
    this.joining.checkIn(group)
    throw noReplica(group)
  }
}

/** Whether reads and watches are answered here. */
function serves({ isWitness, state }: Replica): boolean {
  return !isWitness && state.obstacle() === undefined
}

/** Of every host that is no client. */
export function startReplicas(host: ReplicasParts): Replicas {
  return new Replicas(host)
}
