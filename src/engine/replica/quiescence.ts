import type { Clock } from '../../clock/clock.ts'
import type { Message } from '../../core/raft/message.ts'
import type { RaftNode } from '../../core/raft/raft-node.ts'
import type { ConfState } from '../../core/raft/types.ts'
import type { GroupId, HostId, ReplicaId, Term } from '../../core/types.ts'
import type { Beat, BeatType } from '../../wire/beat-codec.ts'

/** What a replica's sleep depends on. */
export interface QuiescenceParts {
  readonly group: GroupId
  readonly id: ReplicaId
  readonly node: RaftNode
  readonly clock: Clock
  readonly tickMs: number
  readonly heartbeatTicks: number
  readonly electionTicks: number
  /** Ticks without anything to do after which a leader asks whether the group may fall asleep. */
  readonly quiesceTicks: number
  term(): Term
  /** 0: nobody is known to lead. */
  leader(): ReplicaId
  conf(): ConfState
  hostOf(replica: ReplicaId): HostId | undefined
  /** Connected hosts that run a replica of the group, or have not said yet whether they do. */
  hostsHere(): readonly HostId[]
  /** Calls of this host wait for the replica. */
  hasCalls(): boolean
  send(to: HostId, beat: Beat): void
}

/**
 * The sleep of an idle group (dragonboat's quiesce, TiKV's hibernated regions). Asleep, a replica is not ticked and
 * sends nothing. A leader asks with its heartbeats, every replica that is there has to agree, and then all sleep.
 *
 * Invariant: a replica that sleeps follows a leader to whose host it is connected, and a leader that sleeps is
 * connected to every replica that was there. So the loss of a host, or its return, is told to those whom it concerns
 * by the transport, which watches each pair of hosts, and not each group.
 *
 * Whoever wakes by himself tells the others, so that they all begin to wait for the leader at the same time; whoever
 * has no leader goes on telling. Any word of the group wakes. Falling asleep wrongly (a late order of the leader)
 * costs time and nothing else: it is a pause, which Raft always survives.
 */
export class Quiescence {
  private readonly parts: QuiescenceParts
  private asleepSince: number | undefined
  private idleTicks = 0
  /** Since the leader was heard. */
  private silentTicks = 0
  /** On a leader: the first round of heartbeats that asked, and who agreed since. */
  private askedRound: number | undefined
  private readonly consents = new Set<ReplicaId>()
  /** On any other replica: the question to be answered. */
  private question: Beat | undefined

  constructor(parts: QuiescenceParts) {
    this.parts = parts
  }

  /** Calls of this host wait for the replica. */
  hasCalls(): boolean {
    return this.parts.hasCalls()
  }

  get isAsleep(): boolean {
    return this.asleepSince !== undefined
  }

  /** Something happens in the group that is more than a heartbeat. */
  stir(): void {
    this.idleTicks = 0
    this.askedRound = undefined
    if (this.consents.size > 0) this.consents.clear()
  }

  /** There is something to do here: wakes the group, and keeps it awake. */
  stirHere(): void {
    this.awaken()
    this.stir()
  }

  /** Wakes because of what happened here: the others are to wake, too. */
  awaken(): void {
    if (this.rouse() && this.parts.leader() !== this.parts.id) this.callOthers()
  }

  /**
   * The connection to a host came or went, or the host says that it runs the group now, or does so no longer. Where the
   * leader's is gone, the transport's patience with it is all that the group waits for before an election timeout.
   */
  peerChanged(host: HostId): void {
    const { leader, id, node, hostOf, hostsHere } = this.parts
    const leads = leader() === id
    const concerns = leads ? this.replicas().some(one => hostOf(one) === host) : hostOf(leader()) === host
    if (!concerns) return
    // Awake, a follower hears for itself when the leader is silent: a connection that is made anew deposes nobody.
    const sleptTicks = this.sleptTicks()
    this.awaken()
    if (sleptTicks !== undefined && !leads && !hostsHere().includes(host)) node.leaderLost(sleptTicks)
  }

  /**
   * Whether a beat was on its way when this replica fell asleep, and shall not wake it: it would wait alone for a
   * leader that sleeps. An answer always was. A question that comes so soon was: whoever has woken beats for longer
   * than an election timeout before it asks again.
   */
  isLate({ type }: Beat): boolean {
    if (this.asleepSince === undefined) return false
    if (type === 'response' || type === 'consent') return true
    const { clock, electionTicks, tickMs } = this.parts
    return type === 'drowsy' && clock.now() - this.asleepSince < electionTicks * tickMs
  }

  /** A word of another replica came: it wakes. */
  listen(): void {
    this.silentTicks = 0
    this.rouse()
  }

  /** Wakes because of what somebody else said. True when it slept. */
  rouse(): boolean {
    const ticks = this.sleptTicks()
    if (ticks === undefined) return false
    this.asleepSince = undefined
    this.stir()
    this.parts.node.resume(ticks)
    return true
  }

  private sleptTicks(): number | undefined {
    const { clock, tickMs } = this.parts
    return this.asleepSince === undefined ? undefined : Math.floor((clock.now() - this.asleepSince) / tickMs)
  }

  /** A tick of a replica that is awake. */
  tick(): void {
    const { leader, id, electionTicks, heartbeatTicks } = this.parts
    this.idleTicks += 1
    this.silentTicks += 1
    // A learner does not campaign, and would wait for ever for a leader that went, or that does not know it any more.
    const isAlone = leader() === 0 || (leader() !== id && this.silentTicks > 2 * electionTicks)
    if (isAlone && (this.silentTicks - 1) % heartbeatTicks === 0) this.callOthers()
    this.sleepIfAgreed()
  }

  /** As what a heartbeat, or the answer to one, is to leave. */
  beatType({ type, context }: Message): BeatType {
    if (type === 'MsgHeartbeat') {
      if (!this.isDrowsy()) return 'heartbeat'
      this.askedRound ??= context
      return 'drowsy'
    }
    const { question } = this
    return question?.context === context && this.maySleepBehind(question) ? 'consent' : 'response'
  }

  /** A beat of the group, from a replica that may speak for itself. */
  heard(beat: Beat): void {
    switch (beat.type) {
      case 'drowsy':
        this.question = beat
        break
      case 'consent':
        this.agreed(beat)
        break
      case 'sleep':
        if (this.maySleepBehind(beat)) this.fallAsleep()
        break
      case 'wake':
        this.rouse()
        this.stir()
        break
      case 'heartbeat':
      case 'response':
        break
    }
  }

  private agreed({ from, term, context }: Beat): void {
    // One that was given before the last stir agreed to another sleep than this.
    if (term !== this.parts.term() || this.askedRound === undefined || context < this.askedRound) return
    this.consents.add(from)
    this.sleepIfAgreed()
  }

  private isDrowsy(): boolean {
    const { quiesceTicks, node, hasCalls } = this.parts
    if (this.idleTicks < quiesceTicks || hasCalls()) return false
    const here = this.replicasHere()
    return node.isAtRest(id => here.includes(id))
  }

  private maySleepBehind(leader: Beat): boolean {
    const { node, hasCalls, hostOf, hostsHere } = this.parts
    const host = hostOf(leader.from)
    return host !== undefined && hostsHere().includes(host) && node.isAtRestBehind(leader) && !hasCalls()
  }

  private sleepIfAgreed(): void {
    if (this.isAsleep || !this.isDrowsy()) return
    const here = this.replicasHere()
    if (!here.every(id => this.consents.has(id))) return
    const { hostOf, node } = this.parts
    const { commit } = node.status()
    for (const to of here) this.send('sleep', hostOf(to), { to, commit })
    this.fallAsleep()
  }

  /** From now on nothing is ticked, until something wakes the replica. */
  fallAsleep(): void {
    this.stir()
    this.asleepSince = this.parts.clock.now()
  }

  /** The other replicas whose hosts can hear us. */
  private replicasHere(): readonly ReplicaId[] {
    const { id, hostOf, hostsHere } = this.parts
    const here = hostsHere()
    return this.replicas().filter(replica => {
      const host = hostOf(replica)
      return replica !== id && host !== undefined && here.includes(host)
    })
  }

  private replicas(): readonly ReplicaId[] {
    const { voters, learners } = this.parts.conf()
    return [...voters, ...learners]
  }

  private callOthers(): void {
    for (const host of this.parts.hostsHere()) this.send('wake', host, { to: 0, commit: 0 })
  }

  private send(type: BeatType, host: HostId | undefined, { to, commit }: Pick<Beat, 'to' | 'commit'>): void {
    const { group, id, term } = this.parts
    if (host !== undefined)
      this.parts.send(host, { type, group, from: id, to, term: term(), commit, context: 0 })
  }
}
