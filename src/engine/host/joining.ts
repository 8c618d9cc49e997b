import type { Emitter } from '../../base/emitter.ts'
import { isQuorateError, QuorateError } from '../../core/error.ts'
import { wasEvicted } from '../../core/machine/members.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import type { StoredGroup, StoredHost } from '../../storage/storage.ts'
import { asNatural, decodeOrNothing } from '../../wire/guards.ts'
import type { Call } from '../calls/call.ts'
import { closed, evicted, notRemoved, removed } from '../calls/closed.ts'
import { retrying } from '../calls/retry.ts'
import { SingleFlight } from '../calls/single-flight.ts'
import type { EngineOptions, HostParts } from '../parts.ts'
import type { PeerBook } from '../peers/peer-book.ts'
import type { Requests } from '../peers/requests.ts'
import { decodeBootstrap, encodeBootstrap, foundGroup, loadState } from '../replica/bootstrap.ts'
import { forgottenNote, notedDivergence } from '../replica/divergence-notes.ts'
import { Replica } from '../replica/replica.ts'
import type { ReplicaHost, StoredReplica } from '../replica/replica-parts.ts'
import type { RunningReplicas } from '../replica/running-replicas.ts'
import type { Snapshots } from '../snapshots/snapshots.ts'
import type { HostEvents } from '../types.ts'

/** The name of a value that is stored once this host left the group: it will not found it. */
const leftValue = (group: GroupId) => `left ${group}`

/** Between two attempts to come back: somebody must make room first, or a leader be found. */
const comeBackEveryMs = 1_000

const noEntries: Omit<StoredGroup, 'bootstrap'> = {
  hardState: { term: 0, vote: 0, commit: 0 },
  snapshot: undefined,
  entries: [],
}

export interface JoiningParts {
  readonly parts: HostParts
  readonly options: EngineOptions
  readonly stored: StoredHost
  readonly running: RunningReplicas
  readonly requests: Requests
  readonly peerBook: PeerBook
  readonly emitter: Emitter<HostEvents>
  /** Aborted when the host ends: nothing is founded, joined or started behind that. */
  readonly ending: AbortSignal
  /** The host that founds the stores of the cluster, once it is known. */
  readonly founder: () => HostId | undefined
  readonly replicaHost: Omit<ReplicaHost<Replica>, 'wake' | 'events'> & {
    readonly snapshots: Snapshots
  }
  /** Leader, part or members of a replica changed. */
  readonly changed: (replica: Replica) => void
  readonly applied: (replica: Replica) => void
  /** What was noted of the state that this host had of the group goes with it. */
  readonly forgotten: (group: GroupId) => void
  /** A replica started or ended: peers shall hear of it. */
  readonly announce: () => void
  readonly dial: () => void
  /** The storage or this program failed: the host cannot go on. */
  readonly failed: (error: unknown) => void
  /** Somebody has the group's store open, or is about to. */
  readonly isOpen: (group: GroupId) => boolean
  /** The group's store is to work on this replica from now on. */
  readonly serve: (replica: Replica) => void
}

/**
 * How a host becomes part of a group: it founds, joins, or comes back. Whatever it will be bound by (its replica id,
 * its removal) is durable before it acts on it.
 */
export class Joining {
  /** Groups of which this host looks for a member. */
  readonly wanted = new Set<GroupId>()
  private readonly joining: JoiningParts
  /** Groups that are done with the replica of this host, and how that is said. */
  private readonly out = new Map<GroupId, typeof removed>()
  /** Those of them of which the removal is durable. */
  private readonly removalStored = new Set<GroupId>()
  private readonly opening = new Map<GroupId, SingleFlight<Replica>>()
  private readonly forgetting = new Map<GroupId, Promise<void>>()
  /** Groups whose stored data is gone since this host started. */
  private readonly forgotten = new Set<GroupId>()
  /** Replicas of stores that were closed; each goes on when its store is opened again. */
  private readonly stopped = new Map<GroupId, Replica>()

  constructor(parts: JoiningParts) {
    this.joining = parts
  }

  /** Throws why this host has no replica, where the group is done with it. */
  checkIn(group: GroupId): void {
    const error = this.out.get(group)
    if (error !== undefined) throw error()
  }

  /** This host's replica of the group: the stored one, a new group's first, or a new learner. */
  openReplica(group: GroupId, call: Call): Promise<Replica> {
    const opening = this.opening.get(group) ?? new SingleFlight<Replica>(this.joining.parts.clock)
    this.opening.set(group, opening)
    return opening.run(call, () => this.openNow(group, call))
  }

  private async openNow(group: GroupId, call: Call): Promise<Replica> {
    this.checkIn(group)
    const stopped = this.stopped.get(group)
    if (stopped !== undefined) return this.restart(stopped)
    const { parts, options, stored, founder } = this.joining
    const isForgotten = this.forgotten.has(group)
    const storedGroup = isForgotten ? undefined : stored.groups.get(group)
    if (storedGroup?.bootstrap !== undefined) return this.start(await this.recover(group, storedGroup))
    if (founder() === parts.id && !isForgotten && !stored.values.has(leftValue(group))) {
      const founding = { cluster: options.cluster, host: parts.id }
      const { replica, state, ...rest } = await foundGroup(parts.storage, group, founding)
      const stored = { ...noEntries, ...rest, bootstrap: undefined }
      return this.start({ group, replica, isWitness: false, state, stored })
    }
    const replica = await this.join(group, call)
    const isWitness = options.role === 'witness'
    const record = { cluster: options.cluster, host: parts.id, replica, isRemoved: false, isWitness }
    const bootstrap = encodeBootstrap(record)
    // What is noted of the state before goes only here: until then a crash may bring that state back.
    const values = new Map([forgottenNote(group)])
    await parts.storage.write({ groups: new Map([[group, { bootstrap }]]), values })
    this.joining.forgotten(group)
    return this.start({ group, replica, isWitness, state: undefined, stored: { ...noEntries, bootstrap } })
  }

  /** Resolves when the replica knows a leader and its own state is not empty. */
  async leaderKnown(replica: Replica, call: Call): Promise<void> {
    const { clock } = this.joining.parts
    while (replica.leader === undefined || replica.machine.appliedIndex === 0) {
      replica.check('none')
      if (clock.now() >= call.deadline) throw this.noLeader(replica)
      await replica.leaderChange.wait(clock, this.joining.options.tickMs, call.signal)
    }
  }

  /** Says who is missed, and what to do if they cannot come: nothing else brings back what most voters have lost. */
  private noLeader({ members }: Replica): QuorateError {
    const { id, transport } = this.joining.parts
    const here = [id, ...transport.peers().map(({ hostId }) => hostId)]
    const missing = members.flatMap(({ hostId, role }) =>
      role === 'voter' && !here.includes(hostId) ? [hostId] : [],
    )
    const advice =
      missing.length === 0
        ? ''
        : `. Missing voters: ${missing.join(', ')}. If the storage of too many is lost, the group ends here: ` +
          'stale reads show what this host has; to begin anew, clear the storage of all hosts'
    const message = `no leader is known: no quorum of voters is connected${advice}`
    return new QuorateError('NO_LEADER', message, { retryable: true, detail: { missing } })
  }

  /** Stops a replica of which nobody has the store open. The host stays a member of its group. */
  stop(replica: Replica): void {
    const { running, announce } = this.joining
    running.byGroup.delete(replica.group)
    this.stopped.set(replica.group, replica)
    replica.stop(outcome => closed(outcome, 'store'))
    announce()
  }

  /** Throws why what is stored of the group must not be forgotten. */
  checkForgettable(group: GroupId): void {
    if (!this.removalStored.has(group)) throw notRemoved(group, this.out.has(group))
  }

  /**
   * Forgets what is stored of a group that removed this host; opening its store joins it anew, under another replica
   * id. Refused to anybody else: a member that forgets its votes may vote twice. Once for all who ask for it: a second
   * time would meet the replica that joined behind the first.
   */
  forget(group: GroupId): Promise<void> {
    const forgetting =
      this.forgetting.get(group) ?? this.forgetNow(group).finally(() => this.forgetting.delete(group))
    this.forgetting.set(group, forgetting)
    return forgetting
  }

  private async forgetNow(group: GroupId): Promise<void> {
    this.checkForgettable(group)
    const { storage } = this.joining.parts
    // First of all, for the founder: it would found the group a second time, beside the one that it left.
    await storage.write({ groups: new Map(), values: new Map([[leftValue(group), new Uint8Array([1])]]) })
    await storage.removeGroup(group)
    this.forgotten.add(group)
    this.removalStored.delete(group)
    this.out.delete(group)
  }

  /**
   * The group removed this host: durable first, because a removed replica must never speak again. One that was evicted
   * notes nothing but what it had: what is stored goes as a whole, so a crash before that leaves a replica that is told
   * again, and one behind it a host that joins as any other.
   */
  removed(replica: Replica, isEvicted: boolean): void {
    const { group } = replica
    if (this.out.has(group)) return
    const error = isEvicted ? evicted : removed
    this.out.set(group, error)
    const { parts, options, running, replicaHost, failed, ending } = this.joining
    const { id, isWitness } = replica
    const isRemoved = !isEvicted
    const bootstrap = { cluster: options.cluster, host: parts.id, replica: id, isRemoved, isWitness }
    running.byGroup.delete(group)
    // Its store may have been closed since it applied that.
    this.stopped.delete(group)
    replica.close(error)
    this.joining.serve(replica)
    replicaHost.writer.add(group, { bootstrap: encodeBootstrap(bootstrap) }, () => {
      this.removalStored.add(group)
      // Clients that work through this host must look for another one.
      this.joining.announce()
      this.joining.changed(replica)
      if (isEvicted) this.comeBack(group).catch(cause => ending.aborted || failed(cause))
    })
    replicaHost.writer.flush()
  }

  /**
   * Joins anew, as with an empty disk, where the store is open; whoever opens it later does so. The store works on the
   * new replica once that has caught up, so nobody looks at a state before the one that was seen.
   */
  private async comeBack(group: GroupId): Promise<void> {
    const { parts, options, ending, running, peerBook, isOpen, serve } = this.joining
    const { clock } = parts
    await this.forget(group)
    while (isOpen(group)) {
      try {
        const call = { deadline: clock.now() + options.deadlineMs, signal: ending }
        const replica = running.byGroup.get(group) ?? (await this.openReplica(group, call))
        if (!isOpen(group)) return this.stop(replica)
        const hasAll = replica.reads.linearizable(call)
        replica.requestTurn()
        await hasAll
        return serve(replica)
      } catch (error) {
        // What others answer is no reason to end; the group may also be done with the new replica by now.
        if (!isQuorateError(error) || isQuorateError(error, 'STORAGE_FAILED')) throw error
        if (this.out.has(group)) return
      }
      await peerBook.news.wait(clock, comeBackEveryMs, ending)
    }
  }

  private async recover(group: GroupId, stored: StoredGroup): Promise<StoredReplica> {
    const { parts, options } = this.joining
    const bootstrap = decodeOrNothing(() => decodeBootstrap(stored.bootstrap ?? new Uint8Array()))
    if (bootstrap === undefined) {
      throw new QuorateError('STORAGE_CORRUPT', `what this host noted of its part in ${group} cannot be read`)
    }
    const { cluster, host, replica, isRemoved, isWitness } = bootstrap
    if (cluster !== options.cluster || host !== parts.id) {
      throw new QuorateError(
        'WRONG_CLUSTER',
        `the stored replica of ${group} belongs to host ${host} of ${cluster}`,
      )
    }
    if (isRemoved) {
      this.out.set(group, removed)
      this.removalStored.add(group)
      throw removed()
    }
    const state = stored.snapshot === undefined ? undefined : await loadState(parts, group, stored.snapshot)
    return { group, replica, isWitness, stored, state, diverged: notedDivergence(this.joining.stored, group) }
  }

  /** Asks members, one after the other, until one has brought it about that this host is a learner. */
  private async join(group: GroupId, call: Call) {
    const { parts, options, requests, peerBook, ending, dial } = this.joining
    this.wanted.add(group)
    dial()
    let attempts = 0
    try {
      return await retrying(
        parts.clock,
        call,
        async () => {
          ending.throwIfAborted()
          // Another one each time: a member that is cut off from the leader answers, too, and cannot help.
          const hosts = peerBook.hostsOf(group)
          const host = hosts[attempts++ % hosts.length]
          if (host === undefined) throw this.nobodyThere(group)
          const body = [group, options.role === 'witness']
          return requests.ask(host, { method: 'join', body, read: asNatural }, call)
        },
        peerBook.news,
      )
    } finally {
      this.wanted.delete(group)
    }
  }

  private nobodyThere(group: GroupId): QuorateError {
    const { parts, peerBook } = this.joining
    const founder = this.joining.founder()
    if (founder !== undefined && peerBook.groupsOf(founder)?.has(group) === false) {
      const message = `host ${founder} founds the stores of this cluster, and ${group} is not open there`
      return new QuorateError('NOT_FOUNDED', message, { retryable: true })
    }
    const isFounderGone = founder !== undefined && !parts.transport.present().has(founder)
    return isFounderGone && parts.transport.present().size === 0
      ? new QuorateError('NOT_FOUNDED', `host ${founder} founds the cluster, and it is not here`, {
          retryable: true,
        })
      : new QuorateError('UNREACHABLE', `no member of ${group} is connected`, { retryable: true })
  }

  private start(stored: StoredReplica): Replica {
    const { running, replicaHost, ending, emitter, changed, applied } = this.joining
    ending.throwIfAborted()
    const { snapshots, ...host } = replicaHost
    const replica: Replica = new Replica(
      {
        ...host,
        wake: () => running.wake(replica),
        events: {
          leaderChanged: changed,
          membersChanged: changed,
          applied,
          // Not now: the replica is in the middle of applying.
          commandFailed: ({ group }, name, error) =>
            host.parts.clock.soon(() => emitter.emit('commandFailed', { group, name, error })),
          removed: one =>
            host.parts.clock.soon(() => this.removed(one, wasEvicted(one.machine.members, one.id))),
          snapshotWanted: (one, to, message) => snapshots.send(one, to, message),
          snapshotDue: one => snapshots.take(one),
        },
      },
      stored,
    )
    this.run(replica)
    return replica
  }

  private restart(replica: Replica): Replica {
    this.joining.ending.throwIfAborted()
    this.stopped.delete(replica.group)
    replica.restart()
    this.run(replica)
    return replica
  }

  private run(replica: Replica): void {
    const { running, announce } = this.joining
    running.byGroup.set(replica.group, replica)
    running.wake(replica)
    announce()
  }
}
