import { assert } from '../base/assert.ts'
import { QuorateError } from '../core/error.ts'
import {
  appendBytesMax,
  inflightBytesMax,
  inflightMessagesMax,
  membersMax,
  uncommittedBytesMax,
} from '../core/limits.ts'
import type { Proposal } from '../core/machine/command.ts'
import { Machine, type MachineSnapshot } from '../core/machine/machine.ts'
import { wasRemoved } from '../core/machine/members.ts'
import { MemoryLog } from '../core/raft/memory-log.ts'
import { localAppendThread, localApplyThread, type Message } from '../core/raft/message.ts'
import { RaftNode, type Ready } from '../core/raft/raft-node.ts'
import type { ConfState, Entry, HardState, Snapshot } from '../core/raft/types.ts'
import type { GroupId, HostId, Index, ReplicaId, Term } from '../core/types.ts'
import type { StoredGroup } from '../storage/storage.ts'
import { MalformedError } from '../wire/codec.ts'
import { decodeMembersDelta, decodeProposal } from '../wire/proposal-codec.ts'
import { Applier } from './applier.ts'
import { compactionIndex } from './compaction.ts'
import { Condition } from './condition.ts'
import { GroupWrites } from './group-writes.ts'
import type { Outbox } from './outbox.ts'
import type { EngineOptions, HostParts } from './parts.ts'
import { type Draft, Proposals } from './proposals.ts'
import { Reads } from './reads.ts'
import type { Member, StoreStatus } from './types.ts'
import { Watchers } from './watchers.ts'
import type { Writer } from './writer.ts'

/** Replicas whose hosts a replica knows: members, and those that joined after the state it has. */
const knownHostsMax = 2 * membersMax

/** What a replica has from its host. */
export interface ReplicaHost {
  readonly parts: HostParts
  readonly options: EngineOptions
  readonly outbox: Outbox
  readonly writer: Writer
  /** Asks for a turn of the loop. */
  readonly wake: () => void
  readonly events: ReplicaEvents
}

/** What a replica tells its host. None of them may throw. */
export interface ReplicaEvents {
  leaderChanged(replica: Replica): void
  membersChanged(replica: Replica): void
  applied(replica: Replica): void
  /** The group removed this replica: it is over for good. */
  removed(replica: Replica): void
  /** Raft wants the peer to have this replica's snapshot. */
  snapshotWanted(replica: Replica, to: HostId, message: Message): void
  /** So much was applied since the last snapshot that it is time for another one. */
  snapshotDue(replica: Replica): void
}

export interface StoredReplica {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly stored: StoredGroup
  /** The state at the stored snapshot; undefined for a replica that starts empty. */
  readonly state: MachineSnapshot | undefined
}

/**
 * A host's part in one group: Raft, the state machine, and all that waits for them. It does nothing by itself: the
 * host's loop steps it, ticks it and pumps it, and performs the effects in the order that makes them safe
 * (persist, send what waited for it, apply, answer).
 */
export class Replica {
  readonly group: GroupId
  readonly id: ReplicaId
  readonly log: MemoryLog
  readonly proposals: Proposals
  readonly reads: Reads
  readonly watchers = new Watchers()
  readonly node: RaftNode
  readonly applier: Applier
  readonly membersChange = new Condition()
  /** The leader, or what is known of it, changed. */
  readonly leaderChange = new Condition()
  /** The configuration at `machine.appliedIndex`. */
  conf: ConfState
  /** The term of the entry at `machine.appliedIndex`. */
  appliedTerm: Term
  private readonly host: ReplicaHost
  /** The member table at `machine.appliedIndex`; another array whenever it is another table. */
  members: readonly Member[] = []
  /** What this leader put into the log and has not applied: read already, so it need not be read again. */
  private readonly logged = new Map<Uint8Array, Proposal>()
  private hosts = new Map<ReplicaId, HostId>()
  private hardState: HardState
  private readonly writes: GroupWrites
  private leaderReplica: ReplicaId = 0
  private raftRole: StoreStatus['role'] = 'follower'
  /** States of snapshots that Raft has heard of, and may accept until the next pump is over. */
  private received: { readonly snapshot: Snapshot; readonly state: MachineSnapshot }[] = []
  /** The index of the latest snapshot that is stored or on its way to storage. */
  private snapshotIndex: Index
  /** Why this replica does nothing any more. */
  private ending: ((outcome: 'none' | 'unknown') => QuorateError) | undefined
  private isStarting = true

  constructor(host: ReplicaHost, start: StoredReplica) {
    const { parts, options } = host
    this.host = host
    this.group = start.group
    this.id = start.replica
    const { hardState, snapshot, entries } = start.stored
    this.hardState = hardState
    this.writes = new GroupWrites(hardState)
    this.log = new MemoryLog({ hardState, snapshot, entries })
    this.snapshotIndex = snapshot?.index ?? 0
    this.appliedTerm = snapshot?.term ?? 0
    this.conf = this.log.initialState().conf
    const machine = start.state === undefined ? new Machine() : Machine.restore(start.state)
    this.applier = new Applier(machine, {
      apply: (target, entry) => this.apply(target, entry),
      sliceMs: options.applySliceMs,
      clock: parts.clock,
    })
    this.learnHosts()
    this.node = new RaftNode({
      id: this.id,
      log: this.log,
      applied: machine.appliedIndex,
      electionTicks: options.electionTicks,
      heartbeatTicks: options.heartbeatTicks,
      random: parts.random,
      asyncStorageWrites: true,
      // One slow disk of three, the leader's own included, then delays no answer.
      applyUnstable: true,
      preVote: true,
      checkQuorum: true,
      readOnly: 'safe',
      appendBytesMax,
      inflightMessagesMax,
      inflightBytesMax,
      uncommittedBytesMax,
      committedBytesMax: options.applyBytesMax,
      // The engine forwards by itself, because the asker must hear when the leader refuses.
      disableProposalForwarding: true,
      stepDownOnRemoval: true,
    })
    this.campaignAlone()
    const retryMs = options.electionTicks * options.tickMs
    this.reads = new Reads(
      {
        ask: context => this.node.readIndex(context) === 'accepted',
        applied: () => this.machine.appliedIndex,
        isLeaderKnown: () => this.leaderReplica !== 0,
      },
      // A round is a question and an answer: a second without one means that either was lost.
      { retryMs: Math.min(1000, retryMs), firstContext: Math.floor(parts.random() * 2 ** 45) },
    )
    this.proposals = new Proposals(
      {
        leaderTerm: () => (this.leader === undefined ? 0 : this.hardState.term),
        hand: batch => this.hand(batch),
      },
      { resendMs: retryMs },
    )
  }

  get machine(): Machine {
    return this.applier.machine
  }

  /** The host that leads, as far as this replica knows. */
  get leader(): HostId | undefined {
    return this.leaderReplica === 0 ? undefined : this.hosts.get(this.leaderReplica)
  }

  get leads(): boolean {
    return !this.isEnded && this.leaderReplica === this.id && this.raftRole === 'leader'
  }

  private get isEnded(): boolean {
    return this.ending !== undefined
  }

  get term(): Term {
    return this.hardState.term
  }

  /** A message of a peer replica, already checked for its form. */
  step(from: HostId, message: Message): void {
    if (message.to !== this.id || this.isEnded) return
    // A replica that has not applied its own joining yet does not know the others: it answers where it was addressed.
    if (!this.hosts.has(message.from) && this.hosts.size < knownHostsMax) this.hosts.set(message.from, from)
    if (this.hosts.get(message.from) !== from) return
    this.node.step(message)
  }

  /** The data of a snapshot that Raft is about to hear of has arrived and is stored. */
  stepSnapshot(from: HostId, message: Message, state: MachineSnapshot): void {
    const { snapshot } = message
    if (snapshot === null) return
    this.received.push({ snapshot, state })
    this.step(from, message)
  }

  tick(now: number): void {
    this.node.tick()
    this.proposals.tick(now)
    this.reads.tick(now)
  }

  /** Everything that can be done now without waiting: proposals in, effects out. */
  pump(now: number): void {
    if (this.isEnded) return
    this.proposals.pump(now)
    this.reads.pump(now)
    while (this.node.hasReady()) this.perform(this.node.ready())
    this.received = []
  }

  /**
   * Applies a slice of what is committed. Comes behind `pump`, once what that gave off is on its way to the disk and
   * the network: nobody's acknowledgement has to wait for this host's applying.
   */
  applySlice(): void {
    if (this.isEnded) return
    const before = this.machine.appliedIndex
    const { responses, isPaused } = this.applier.run()
    for (const response of responses) this.node.step(response)
    if (this.machine.appliedIndex > before) this.advanced()
    if (isPaused || this.node.hasReady()) this.host.wake()
  }

  requestTurn(): void {
    this.host.wake()
  }

  /** Takes another host's proposals into the log. False: this replica cannot, and the asker shall hear so. */
  lead(drafts: readonly Draft[]): boolean {
    return this.leads && this.append(drafts) === 'handed'
  }

  /** An own snapshot is saved: it takes the log's place up to its index, but for what slow followers may still want. */
  adoptSnapshot(snapshot: Snapshot, trailingEntries: number): void {
    // One that was installed meanwhile, or is about to be, is newer: nothing may go back behind it.
    if (this.isEnded || snapshot.index <= this.snapshotIndex) return
    this.snapshotIndex = snapshot.index
    const compactTo = compactionIndex(this.log, snapshot.index, trailingEntries)
    const write = compactTo >= this.log.firstIndex() ? { snapshot, compactTo } : { snapshot }
    this.host.writer.add(this.group, write, () => {
      this.log.setSnapshot(snapshot)
      this.log.compact(compactTo)
    })
    this.host.wake()
  }

  reportSnapshot(to: ReplicaId, isDone: boolean): void {
    if (this.isEnded) return
    this.node.reportSnapshot(to, isDone)
    this.host.wake()
  }

  /** Ends all that waits for this replica. */
  close(error: (outcome: 'none' | 'unknown') => QuorateError): void {
    this.ending = error
    this.proposals.close(error)
    this.reads.close(error('none'))
    this.watchers.close(error('none'))
    this.membersChange.notify()
    this.leaderChange.notify()
  }

  /** For what goes on behind a wait: throws why this replica does nothing any more, if so. */
  check(outcome: 'none' | 'unknown'): void {
    if (this.ending !== undefined) throw this.ending(outcome)
  }

  status(): StoreStatus {
    return {
      group: this.group,
      role: this.role(),
      leader: this.leader,
      replica: this.id,
      term: this.hardState.term,
      commit: this.hardState.commit,
      applied: this.machine.appliedIndex,
      members: this.members,
      keys: this.machine.view().size,
    }
  }

  role(): StoreStatus['role'] {
    if (this.isEnded) return 'removed'
    if (this.raftRole === 'leader' || this.raftRole === 'candidate') return this.raftRole
    return this.conf.voters.includes(this.id) ? 'follower' : 'learner'
  }

  hostOf(replica: ReplicaId): HostId | undefined {
    return this.hosts.get(replica)
  }

  private perform(ready: Ready): void {
    const { softState, hardState } = ready
    const termBefore = this.hardState.term
    if (hardState !== null) this.hardState = hardState
    if (softState !== null || this.hardState.term !== termBefore) this.changeLeader(softState)
    for (const state of ready.readStates) this.reads.confirm(state.context, state.index)
    for (const message of ready.messages) this.dispatch(message)
  }

  private changeLeader(soft: Ready['softState']): void {
    this.logged.clear()
    if (soft !== null) {
      this.leaderReplica = soft.leader
      this.raftRole = soft.role === 'pre-candidate' ? 'candidate' : soft.role
    }
    this.proposals.leaderChanged()
    this.reads.leaderChanged()
    // What waited for a leader goes out in the next turn.
    this.host.wake()
    this.leaderChange.notify()
    this.host.events.leaderChanged(this)
  }

  private dispatch(message: Message): void {
    if (message.to === localAppendThread) return this.persist(message)
    if (message.to === localApplyThread) return this.applier.add(message)
    const host = this.hosts.get(message.to)
    // A replica whose host is not known yet is told again by a later heartbeat.
    if (host === undefined) return
    if (message.type === 'MsgSnap') this.host.events.snapshotWanted(this, host, message)
    else this.host.outbox.raft(host, this.group, message)
  }

  private persist(message: Message): void {
    const { snapshot } = message
    if (snapshot !== null) this.snapshotIndex = snapshot.index
    // Kept with the write: while it is under way, a late leader's snapshot may arrive and be refused.
    const state = snapshot === null ? undefined : this.stateAt(snapshot)
    this.host.writer.add(this.group, this.writes.of(message), () => this.persisted(message, state))
  }

  private stateAt({ index, term }: Snapshot): MachineSnapshot {
    const found = this.received.find(({ snapshot }) => snapshot.index === index && snapshot.term === term)
    assert(found !== undefined, 'an accepted snapshot has its state at hand')
    return found.state
  }

  /** The order is what makes it safe: the log in memory first, then the state, then whoever waited for durability. */
  private persisted(message: Message, state: MachineSnapshot | undefined): void {
    if (this.isEnded) return
    const { entries, term, vote, commit, snapshot } = message
    if (snapshot !== null && state !== undefined) this.install(snapshot, state)
    this.log.append(entries)
    if (term > 0) this.log.setHardState({ term, vote, commit })
    for (const response of message.responses) {
      if (response.to === this.id) this.node.step(response)
      else this.dispatch(response)
    }
    this.host.wake()
  }

  private install(snapshot: Snapshot, state: MachineSnapshot): void {
    // What was committed before the snapshot is applied before it, so that nothing old runs behind it (mutant M83).
    for (const response of this.applier.drain()) this.node.step(response)
    this.log.applySnapshot(snapshot)
    this.conf = snapshot.conf
    this.applier.replace(Machine.restore(state))
    this.appliedTerm = snapshot.term
    this.watchers.reset(snapshot.index)
    this.memberTableChanged()
    this.advanced()
  }

  /**
   * The only voter of a group need not wait for an election timeout to learn that nobody else leads. What it committed
   * before it was restarted may hold a change of members: until that is applied it must not campaign, and tries again.
   */
  private campaignAlone(): void {
    if (!this.isStarting) return
    const isAlone = this.conf.voters.length === 1 && this.conf.voters[0] === this.id
    this.isStarting = isAlone && this.leaderReplica === 0 && !this.node.campaign()
  }

  private advanced(): void {
    this.campaignAlone()
    this.reads.advanced()
    this.host.events.applied(this)
    const { snapshotEntriesEvery, snapshotBytesEvery } = this.host.options
    const isDue =
      this.machine.appliedIndex - this.snapshotIndex >= snapshotEntriesEvery ||
      this.applier.bytesApplied >= snapshotBytesEvery
    // A snapshot stands on the log: it waits until this host's own disk has what a quorum has, and not an entry that
    // another leader's is about to overwrite.
    if (isDue && this.log.term(this.machine.appliedIndex) === this.appliedTerm)
      this.host.events.snapshotDue(this)
  }

  private apply(machine: Machine, entry: Entry): void {
    this.appliedTerm = entry.term
    if (entry.type === 'conf-change') return this.applyChange(machine, entry)
    if (entry.data.length === 0) return machine.applyNoop(entry.index)
    const known = this.logged.get(entry.data)
    if (known !== undefined) this.logged.delete(entry.data)
    // Leaders look before they log: one that cannot be read is of a newer version. Going on would be to diverge.
    const proposal = known ?? decodeOrNothing(() => decodeProposal(entry.data))
    if (proposal === undefined)
      throw new QuorateError('UNSUPPORTED', 'the log holds a command of a newer version')
    const { result, changes } = machine.apply(entry.index, proposal)
    if (changes.length > 0) this.watchers.notify(changes)
    this.proposals.applied(proposal.session, proposal.seq, result)
  }

  private applyChange(machine: Machine, entry: Entry): void {
    const { change } = entry
    assert(change !== null, 'an entry of a membership change holds it')
    const delta =
      change.context.length === 0 ? undefined : decodeOrNothing(() => decodeMembersDelta(change.context))
    const applied = delta === undefined ? undefined : machine.applyMembers(entry.index, delta)
    if (delta === undefined) machine.applyNoop(entry.index)
    // Steps that the member table refuses must not reach the quorum either. No steps at all: a joint change is left.
    const isRefused = change.steps.length > 0 && applied?.type !== 'changed'
    const harmless = { ...change, transition: 'auto', steps: [{ type: 'update', replica: this.id }] } as const
    this.conf = this.node.applyConfChange(isRefused ? harmless : change)
    if (applied?.type === 'changed') this.memberTableChanged()
    if (this.isOut(this.id)) this.host.events.removed(this)
  }

  /**
   * Whether the group is done with a replica. Not merely absent from the table: a new learner applies the time before
   * its own joining, too; and one that still counts in a half of a joint configuration is needed to leave it.
   */
  isOut(id: ReplicaId): boolean {
    const { voters, votersOutgoing } = this.conf
    return wasRemoved(this.machine.members, id) && !voters.includes(id) && !votersOutgoing.includes(id)
  }

  private hand(batch: readonly Draft[]): 'handed' | 'busy' | 'not-now' {
    if (this.leads) return this.append(batch)
    const { leader } = this
    if (leader === undefined || leader === this.host.parts.id) return 'not-now'
    const proposals = batch.map(draft => draft.bytes)
    return this.host.outbox.propose(leader, this.group, proposals) ? 'handed' : 'not-now'
  }

  private append(batch: readonly Draft[]): 'handed' | 'busy' | 'not-now' {
    const answer = this.node.propose(batch.map(draft => draft.bytes))
    if (answer.type === 'proposed') {
      for (const { bytes, proposal } of batch) this.logged.set(bytes, proposal)
      return 'handed'
    }
    return answer.type === 'refused' && answer.reason === 'busy' ? 'busy' : 'not-now'
  }

  private memberTableChanged(): void {
    this.learnHosts()
    this.membersChange.notify()
    this.host.events.membersChanged(this)
  }

  private learnHosts(): void {
    const { list } = this.machine.members
    this.members = list.map(({ host, ...member }) => ({ hostId: host, ...member }))
    if (list.length === 0) return
    this.hosts = new Map(list.map(member => [member.replica, member.host]))
  }
}

function decodeOrNothing<Value>(decode: () => Value): Value | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}
