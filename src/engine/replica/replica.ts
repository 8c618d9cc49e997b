import type { QuorateError } from '../../core/error.ts'
import type { Machine } from '../../core/machine/machine.ts'
import type { MachineState } from '../../core/machine/state.ts'
import { MemoryLog } from '../../core/raft/memory-log.ts'
import { localAppendThread, localApplyThread, type Message } from '../../core/raft/message.ts'
import type { RaftNode, Ready } from '../../core/raft/raft-node.ts'
import type { ConfState, HardState, Snapshot } from '../../core/raft/types.ts'
import type { GroupId, HostId, Index, ReplicaId, Term } from '../../core/types.ts'
import { type Beat, beatOf, messageOf } from '../../wire/beat-codec.ts'
import { Condition } from '../calls/condition.ts'
import { Resignation } from '../membership/resignation.ts'
import { KnownHosts } from '../peers/known-hosts.ts'
import type { LogSlice } from '../query/log-slice.ts'
import { ReceivedStates } from '../snapshots/received-states.ts'
import { CommandTable } from '../transactions/command-table.ts'
import type { Divergence, Member, StoreStatus } from '../types.ts'
import { type AppliedEvents, AppliedState, commandNameOf } from './applied-state.ts'
import { compactionIndex, isSnapshotDue, neededFrom } from './compaction.ts'
import { Expiry } from './expiry.ts'
import { GroupClock } from './group-clock.ts'
import { GroupWrites } from './group-writes.ts'
import { hasRoom } from './intake.ts'
import { Leading } from './leading.ts'
import { type Draft, handedOn, notNow, Proposals, type Refusal, type Taken, untaken } from './proposals.ts'
import { Quiescence } from './quiescence.ts'
import { newRaftNode } from './raft-options.ts'
import { Reads } from './reads.ts'
import { endedRole, type ReplicaHost, roleOf, type StoredReplica } from './replica-parts.ts'
import { Watchers } from './watchers.ts'

/**
 * A host's part in one group: Raft, the state machine, and all that waits for them. The host's loop steps, ticks and
 * pumps it, and performs the effects in the order that makes them safe (persist, send what waited, apply, answer).
 */
export class Replica {
  readonly group: GroupId
  readonly id: ReplicaId
  /** It votes and acknowledges, keeps no values, and serves nobody. */
  readonly isWitness: boolean
  readonly log: MemoryLog
  readonly proposals: Proposals
  readonly reads: Reads
  readonly watchers = new Watchers()
  readonly node: RaftNode
  readonly quiescence: Quiescence
  readonly membersChange = new Condition()
  /** The leader, or what is known of it, changed. */
  readonly leaderChange = new Condition()
  private readonly host: ReplicaHost<Replica>
  readonly state: AppliedState
  private readonly groupClock: GroupClock
  private readonly expiry = new Expiry()
  private readonly leading: Leading
  private readonly hosts = new KnownHosts()
  private hardState: HardState
  private readonly writes: GroupWrites
  private leaderReplica: ReplicaId = 0
  private raftRole: StoreStatus['role'] = 'follower'
  readonly resignation: Resignation
  private readonly received = new ReceivedStates()
  /** The index of the latest snapshot that is stored or on its way to storage. */
  private snapshotIndex: Index
  /** Why this replica does nothing any more. */
  private ending: ((outcome: 'none' | 'unknown') => QuorateError) | undefined
  private isStarting = true
  private isStopped = false

  constructor(host: ReplicaHost<Replica>, start: StoredReplica) {
    const { parts, options } = host
    this.host = host
    this.group = start.group
    this.id = start.replica
    this.isWitness = start.isWitness
    const { hardState, snapshot, entries } = start.stored
    this.hardState = hardState
    this.writes = new GroupWrites(hardState)
    this.log = new MemoryLog({ hardState, snapshot, entries })
    this.snapshotIndex = snapshot?.index ?? 0
    this.groupClock = new GroupClock(parts.clock)
    this.state = new AppliedState({
      id: this.id,
      isWitness: this.isWitness,
      state: start.state,
      conf: this.log.initialState().conf,
      term: snapshot?.term ?? 0,
      diverged: start.diverged,
      handlers: new CommandTable(() => host.hooksOf(this.group).commands ?? {}),
      limits: options.machine,
      sliceMs: options.applySliceMs,
      clock: parts.clock,
      events: this.appliedEvents(),
    })
    const { machine } = this
    this.hosts.learn(this.members)
    this.node = newRaftNode({ id: this.id, log: this.log, applied: machine.appliedIndex, parts, options })
    this.leading = new Leading({
      node: this.node,
      machine: () => this.machine,
      hooks: () => host.hooksOf(this.group),
      writer: host.writer,
      times: { group: () => this.groupClock.now(this.term), wall: () => parts.clock.wall() },
    })
    const isFit = (one: HostId, id: ReplicaId) => one === this.hosts.of(id) && !this.state.isSuspect(one)
    this.resignation = new Resignation(this.node, id => host.hostsOf(this.group).some(one => isFit(one, id)))
    this.campaignAlone()
    const retryMs = options.electionTicks * options.tickMs
    this.reads = new Reads(
      {
        ask: (context, byLease) => this.node.readIndex(context, byLease) === 'accepted',
        applied: () => this.machine.appliedIndex,
        isLeaderKnown: () => this.leaderReplica !== 0,
      },
      // A round is a question and an answer: a second without one means that either was lost.
      { retryMs: Math.min(1000, retryMs), firstContext: Math.floor(parts.random() * 2 ** 45) },
    )
    this.proposals = new Proposals(
      {
        leaderTerm: () => (this.leader === undefined ? 0 : this.hardState.term),
        hand: (batch, round) => this.hand(batch, round),
      },
      { resendMs: retryMs, firstRound: Math.floor(parts.random() * 2 ** 45) },
    )
    this.quiescence = new Quiescence({
      group: this.group,
      id: this.id,
      node: this.node,
      clock: parts.clock,
      ...options,
      term: () => this.hardState.term,
      leader: () => this.leaderReplica,
      conf: () => this.conf,
      hostOf: id => this.hosts.of(id),
      hostsHere: () => host.hostsOf(this.group),
      hasCalls: () => this.proposals.isWaiting || this.reads.isWaiting || this.machine.leases.size > 0,
      send: (to, beat) => host.outbox.beat(to, beat),
    })
  }

  get machine(): Machine {
    return this.state.machine
  }

  get members(): readonly Member[] {
    return this.state.members
  }

  /** The configuration at `machine.appliedIndex`. */
  get conf(): ConfState {
    return this.state.conf
  }

  /** The host that leads, as far as this replica knows. */
  get leader(): HostId | undefined {
    return this.leaderReplica === 0 || this.isEnded ? undefined : this.hosts.of(this.leaderReplica)
  }

  get leads(): boolean {
    return this.replicates && !this.state.isQuarantined
  }

  /** It leads as far as Raft is concerned. */
  get replicates(): boolean {
    return !this.isEnded && this.leaderReplica === this.id && this.raftRole === 'leader'
  }

  private get isEnded(): boolean {
    return this.ending !== undefined
  }

  get term(): Term {
    return this.hardState.term
  }

  get commit(): Index {
    return this.hardState.commit
  }

  /** A message of a peer replica, already checked for its form. */
  step(from: HostId, message: Message): void {
    if (!this.accepts(from, message)) return
    this.quiescence.listen()
    this.quiescence.stir()
    if (hasRoom(this.state.applier, this.host.writer, message, this.hardState.commit)) this.node.step(message)
  }

  /** A heartbeat of a peer replica, or the answer to one, or a word about sleep. */
  beat(from: HostId, beat: Beat): void {
    if (this.isEnded) return
    if (beat.type === 'wake') return this.quiescence.heard(beat)
    if (!this.accepts(from, beat) || this.quiescence.isLate(beat)) return
    if (beat.type !== 'sleep') {
      this.quiescence.listen()
      this.node.step(messageOf(beat))
    }
    this.quiescence.heard(beat)
  }

  /** The message is for this replica, and the replica that it names as its sender is that host's. */
  accepts(from: HostId, message: Pick<Message, 'from' | 'to'>): boolean {
    return message.to === this.id && !this.isEnded && this.hosts.maySpeak(from, message.from)
  }

  /** The connection to a host came or went, or the host says that it runs the group now, or does so no longer. */
  peerChanged(host: HostId): void {
    this.quiescence.peerChanged(host)
    for (const { hostId, replica } of this.members) if (hostId === host) this.node.reportReachable(replica)
    this.host.wake()
  }

  /** So many ticks were missed, because the process stood still. */
  paused(ticks: number): void {
    if (!this.quiescence.isAsleep) this.node.resume(ticks)
  }

  /** The data of a snapshot that Raft is about to hear of is stored. */
  stepSnapshot(from: HostId, message: Message, state: MachineState): void {
    if (message.snapshot === null) return
    this.received.add(message.snapshot, state)
    this.step(from, message)
  }

  /** False when there is nothing to be done: for a replica that sleeps no time passes, but for who waits here. */
  tick(now: number): boolean {
    this.reads.tick(now)
    if (!this.quiescence.isAsleep) this.quiescence.tick()
    if (this.quiescence.isAsleep) return false
    // A leader that waits for a command to be given to it can neither apply nor answer.
    this.resignation.tick(this.host.writer.isHung || this.state.isBlocked, this.state.isQuarantined)
    this.expire()
    this.proposals.tick(now)
    return true
  }

  /** Everything that can be done now without waiting: proposals in, effects out. */
  pump(now: number): void {
    if (this.isEnded) return
    if (this.quiescence.hasCalls()) this.quiescence.stirHere()
    this.proposals.pump(now)
    this.reads.pump(now)
    while (this.node.hasReady()) this.perform(this.node.ready())
    this.received.clear()
  }

  /**
   * Applies a slice of what is committed. Comes behind `pump`, once what that gave off is on its way to the disk and
   * the network: nobody's acknowledgement has to wait for this host's applying.
   */
  applySlice(): void {
    if (this.isEnded) return
    const before = this.machine.appliedIndex
    const { responses, isPaused } = this.state.applier.run(this.proposals.isWaiting)
    for (const response of responses) this.node.step(response)
    if (this.machine.appliedIndex > before) this.advanced()
    if (isPaused || this.node.hasReady()) this.host.wake()
  }

  requestTurn(): void {
    this.quiescence.stirHere()
    this.host.wake()
  }

  /** Takes another host's proposals into the log; the asker shall hear of those that it does not take. */
  lead(drafts: readonly Draft[]): readonly Refusal[] {
    if (this.leads) this.quiescence.stirHere()
    const { answer, refused } = this.leads ? this.leading.take(drafts) : notNow
    return answer === 'handed' ? refused : untaken(drafts, answer)
  }

  /** What is applied from there on, as much as makes a message. Throws COMPACTED where it is gone. */
  entries(from: Index): LogSlice {
    return this.state.entries(this.node, from)
  }

  /** The application gave this replica other commands than before. */
  commandsChanged(): void {
    this.state.resume()
    this.host.wake()
  }

  /** An own snapshot is saved: it takes the log's place up to its index, but for what slow followers may still want. */
  adoptSnapshot(snapshot: Snapshot): void {
    // One that was installed meanwhile, or is about to be, is newer: nothing may go back behind it.
    if (this.isEnded || snapshot.index <= this.snapshotIndex) return
    this.snapshotIndex = snapshot.index
    const compactTo = compactionIndex(this.log, snapshot.index, {
      notBefore: this.state.diverged?.revision ?? 0,
      trailingEntries: this.host.options.trailingEntries,
      neededFrom: neededFrom(this.id, this.node.status().progress),
      heldBytesMax: this.host.options.heldLogBytesMax,
    })
    const write = compactTo >= this.log.firstIndex() ? { snapshot, compactTo } : { snapshot }
    this.host.writer.add(this.group, write, () => {
      this.log.setSnapshot(snapshot)
      this.log.compact(compactTo)
      this.state.forget(compactTo)
    })
    this.host.wake()
  }

  reportSnapshot(to: ReplicaId, isDone: boolean): void {
    if (this.isEnded) return
    this.node.reportSnapshot(to, isDone)
    this.host.wake()
  }

  /** Stands still until `restart`, but what waits for it ends, and what is on its way to the disk gets there. */
  stop(error: (outcome: 'none' | 'unknown') => QuorateError): void {
    this.close(error)
    this.isStopped = true
    this.groupClock.stop()
    this.quiescence.fallAsleep()
  }

  restart(): void {
    this.ending = undefined
    this.isStopped = false
    this.groupClock.restart()
    this.node.snapshotsEnded()
    this.quiescence.awaken()
  }

  /** Ends all that waits for this replica. */
  close(error: (outcome: 'none' | 'unknown') => QuorateError): void {
    this.ending = error
    this.isStopped = false
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

  role(): StoreStatus['role'] {
    return this.ending === undefined ? roleOf(this, this.raftRole) : endedRole(this.ending('none'))
  }

  hostOf(replica: ReplicaId): HostId | undefined {
    return this.hosts.of(replica)
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
    this.leading.clear()
    if (soft !== null) {
      this.leaderReplica = soft.leader
      this.raftRole = soft.role === 'pre-candidate' ? 'candidate' : soft.role
    }
    this.proposals.leaderChanged()
    this.reads.leaderChanged()
    this.host.wake()
    this.leaderChange.notify()
    this.host.events.leaderChanged(this)
  }

  private dispatch(message: Message): void {
    if (message.to === localAppendThread) return this.persist(message)
    if (message.to === localApplyThread) {
      this.proposals.committed(message.entries)
      return this.state.applier.add(message)
    }
    const host = this.hosts.of(message.to)
    // A replica whose host is not known yet is told again by a later heartbeat.
    if (host === undefined) return
    switch (message.type) {
      case 'MsgSnap':
        return this.host.events.snapshotWanted(this, host, message)
      case 'MsgHeartbeat':
      case 'MsgHeartbeatResp':
        return this.host.outbox.beat(host, beatOf(this.group, message, this.quiescence.beatType(message)))
      default:
        this.host.outbox.raft(host, this.group, message)
    }
  }

  private persist(message: Message): void {
    const { snapshot } = message
    if (snapshot !== null) this.snapshotIndex = snapshot.index
    // Kept with the write: while it is under way, a late leader's snapshot may arrive and be refused.
    const state = snapshot === null ? undefined : this.received.at(snapshot)
    this.state.applier.expect(message.entries)
    this.host.writer.add(this.group, this.writes.of(message), () => this.persisted(message, state))
  }

  /** The order is what makes it safe: the log in memory first, then the state, then whoever waited for durability. */
  private persisted(message: Message, state: MachineState | undefined): void {
    if (this.isEnded && !this.isStopped) return
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

  private install(snapshot: Snapshot, state: MachineState): void {
    // What was committed before the snapshot is applied before it, so that nothing old runs behind it (mutant M83).
    for (const response of this.state.applier.drain()) this.node.step(response)
    this.log.applySnapshot(snapshot)
    this.state.install(snapshot, state)
    this.watchers.reset(snapshot.index)
    this.memberTableChanged()
    this.proposals.installed(id => this.machine.session(id))
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
    if (this.leads && this.state.term === this.term) this.groupClock.lead(this.term, this.machine.times.group)
    this.watchers.told = this.machine.appliedIndex
    this.reads.advanced()
    this.host.events.applied(this)
    const isDue = isSnapshotDue(this.host.options, this.state, this.snapshotIndex)
    // A snapshot stands on the log: it waits until the own disk has what a quorum has, and not another leader's rest.
    if (isDue && this.log.term(this.machine.appliedIndex) === this.state.term)
      this.host.events.snapshotDue(this)
  }

  private appliedEvents(): AppliedEvents {
    return {
      claim: entry => this.leading.claim(entry),
      applied: (proposal, { result, changes, thrown }) => {
        if (changes.length > 0) this.watchers.notify(changes)
        if (thrown !== undefined) this.host.events.commandFailed(this, commandNameOf(proposal) ?? '', thrown)
        this.proposals.applied(proposal.session, proposal.seq, result)
      },
      confChange: change => this.node.applyConfChange(change),
      membersChanged: isOtherTable => {
        if (isOtherTable) this.memberTableChanged()
        else this.membersChange.notify()
      },
      removed: () => this.host.events.removed(this),
      blocked: () => this.blocked(),
    }
  }

  /** Its state was compared with that of others. */
  judged(diverged: Divergence | undefined): void {
    if (this.state.judge(diverged)) this.blocked()
  }

  /** What waits for this replica's state cannot have it. */
  private blocked(): void {
    const error = (outcome: 'none' | 'unknown') => this.state.obstacle(outcome) as QuorateError
    if (this.state.isQuarantined) this.watchers.close(error('none'))
    this.proposals.close(error)
    this.reads.close(error('none'))
    this.host.events.leaderChanged(this)
  }

  /** As the leader: has the group end the leases and sessions whose time is over. */
  private expire(): void {
    const now = this.leads ? this.groupClock.now(this.term) : undefined
    if (now === undefined || this.leading.isExpiring || !this.expiry.isDue(this.machine, now)) return
    this.leading.expire()
    this.requestTurn()
  }

  private hand(batch: readonly Draft[], round: number): Taken {
    if (this.leads) return this.leading.take(batch)
    const { leader } = this
    if (leader === undefined || leader === this.host.parts.id) return notNow
    const proposals = batch.map(draft => draft.bytes)
    return this.host.outbox.propose(leader, this.group, round, proposals) ? handedOn : notNow
  }

  private memberTableChanged(): void {
    this.hosts.learn(this.members)
    this.membersChange.notify()
    this.leaderChange.notify()
    this.host.events.membersChanged(this)
  }
}
