import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import { ChainRing } from '../../core/machine/chain-ring.ts'
import type { Proposal } from '../../core/machine/command.ts'
import type { CommandHandlers } from '../../core/machine/handler.ts'
import { type Applied, Machine, type MachineLimits } from '../../core/machine/machine.ts'
import { wasRemoved } from '../../core/machine/members.ts'
import type { MachineState } from '../../core/machine/state.ts'
import { type EntryRun, entryOf, startOf } from '../../core/raft/entry-run.ts'
import type { RaftNode } from '../../core/raft/raft-node.ts'
import type { ConfChange, ConfState, Entry, Snapshot } from '../../core/raft/types.ts'
import type { HostId, Index, ReplicaId, Term } from '../../core/types.ts'
import { divergedFrom, unknownCommand } from '../calls/closed.ts'
import { applyChange } from '../membership/apply-change.ts'
import type { LogSlice } from '../query/log-slice.ts'
import type { Divergence, Member } from '../types.ts'
import { AppliedLog } from './applied-log.ts'
import { Applier } from './applier.ts'
import { readProposal } from './read-proposal.ts'

/** What applying tells. None of them may throw. */
export interface AppliedEvents {
  /** The proposal of an entry, where this replica read it before it logged it. */
  claim(entry: Pick<Entry, 'index' | 'term'>): Proposal | undefined
  applied(proposal: Proposal, applied: Applied): void
  /** Raft is to apply this change. Gives the configuration that comes of it. */
  confChange(change: ConfChange): ConfState
  /** `members` are others than before, or are in another configuration. */
  membersChanged(isOtherTable: boolean): void
  removed(): void
  /** The next entry needs a command that was not given to this replica: it waits for it. */
  blocked(): void
}

/** What a replica has applied: its state machine, with the configuration and the members that go with it. */
export class AppliedState {
  readonly applier: Applier
  /** At `machine.appliedIndex`. */
  conf: ConfState
  /** Of the entry at `machine.appliedIndex`. */
  term: Term
  /** At `machine.appliedIndex`; another array whenever it is another table. */
  members: readonly Member[] = []
  /** The command that the next entry needs and nobody has given this replica. */
  unknownCommand: string | undefined
  /** What the latest comparison with other replicas found. */
  diverged: Divergence | undefined
  /** What came of the latest entries. */
  chains: ChainRing
  private readonly id: ReplicaId
  private readonly isWitness: boolean
  private readonly handlers: CommandHandlers
  private readonly limits: Partial<MachineLimits> | undefined
  private readonly events: AppliedEvents
  private readonly log: AppliedLog

  constructor(options: {
    readonly id: ReplicaId
    readonly isWitness: boolean
    readonly state: MachineState | undefined
    readonly conf: ConfState
    readonly term: Term
    /** As it was noted before this host started. */
    readonly diverged: Divergence | undefined
    readonly handlers: CommandHandlers
    readonly limits: Partial<MachineLimits> | undefined
    readonly sliceMs: number
    readonly clock: Clock
    readonly events: AppliedEvents
  }) {
    this.id = options.id
    this.isWitness = options.isWitness
    this.conf = options.conf
    this.term = options.term
    this.handlers = options.handlers
    this.events = options.events
    const { state, handlers, limits, sliceMs, clock } = options
    this.limits = limits
    const machine = new Machine({ state, handlers, limits })
    this.applier = new Applier(machine, {
      apply: (target, run, at) => this.apply(target, run, at),
      sliceMs,
      clock,
    })
    this.log = new AppliedLog(machine.appliedIndex)
    this.chains = new ChainRing(machine.appliedIndex, machine.chain)
    this.diverged = options.diverged
    this.learnMembers()
  }

  get machine(): Machine {
    return this.applier.machine
  }

  /** It waits for a command to be given to it. */
  get isBlocked(): boolean {
    return this.unknownCommand !== undefined
  }

  /** Nothing may be answered from this state, and nobody may be led by it. */
  get isQuarantined(): boolean {
    return this.diverged?.isQuarantined === true
  }

  /** A host whose replica was found to have another state than a quorum. */
  isSuspect(host: HostId | undefined): boolean {
    return this.diverged?.hosts.some(one => one === host) === true
  }

  /** It was compared with others. True where it has just gone into quarantine. */
  judge(diverged: Divergence | undefined): boolean {
    const { isQuarantined } = this
    this.diverged = diverged
    return this.isQuarantined && !isQuarantined
  }

  /** Throws DIVERGED in quarantine. */
  checkTrue(): void {
    if (this.isQuarantined) throw this.obstacle()
  }

  /** Why nothing that is applied from now on can be answered from here. */
  obstacle(outcome: 'none' | 'unknown' = 'none'): QuorateError | undefined {
    if (this.diverged?.isQuarantined) return divergedFrom(this.diverged, outcome)
    return this.unknownCommand === undefined ? undefined : unknownCommand(this.unknownCommand, outcome)
  }

  /** What is applied from there on, as much as makes a message. Throws COMPACTED where it is gone. */
  entries(node: RaftNode, from: Index): LogSlice {
    const { machine } = this
    const entries = this.log.slice(node, from, machine.appliedIndex)
    return { from, entries, hostOf: session => machine.session(session)?.host }
  }

  /** The log begins behind `index` now. */
  forget(index: Index): void {
    this.log.forget(index)
  }

  /** A snapshot takes the place of all that was applied. Nothing may wait to be applied any more. */
  install(snapshot: Snapshot, state: MachineState): void {
    this.conf = snapshot.conf
    this.term = snapshot.term
    this.unknownCommand = undefined
    this.applier.replace(new Machine({ state, handlers: this.handlers, limits: this.limits }))
    this.chains = new ChainRing(state.index, state.chain)
    this.log.restart(snapshot.index)
    this.learnMembers()
  }

  /** Commands were given to this replica: perhaps the one it waits for. */
  resume(): void {
    this.unknownCommand = undefined
    this.applier.resume()
  }

  /**
   * Whether the group is done with a replica. Not merely absent from the table: a new learner applies the time before
   * its own joining, too; and one that still counts in a half of a joint configuration is needed to leave it.
   */
  isOut(id: ReplicaId): boolean {
    const { voters, votersOutgoing } = this.conf
    return wasRemoved(this.machine.members, id) && !voters.includes(id) && !votersOutgoing.includes(id)
  }

  /** False: the entry cannot be applied now. */
  private apply(machine: Machine, run: EntryRun, at: number): boolean {
    const { type, term } = run
    const index = run.first + at
    if (type === 'stripped' && !this.isWitness)
      throw new QuorateError('INTERNAL', 'an entry came without its value, to a replica that keeps values')
    if (type === 'conf-change') this.applyChange(machine, entryOf(run, at))
    else if (startOf(run, at) === startOf(run, at + 1)) machine.applyNoop(index)
    else {
      // Leaders look before they log: one that cannot be read is of a newer version. Going on would be to diverge.
      const proposal = this.events.claim({ index, term }) ?? readProposal(run, at)
      if (proposal === undefined)
        throw new QuorateError('UNSUPPORTED', 'the log holds a command of a newer version')
      if (!machine.knows(proposal)) return this.block(proposal)
      this.applyProposal(machine, index, proposal)
    }
    this.term = term
    this.chains.add(machine.chain)
    return true
  }

  private applyProposal(machine: Machine, index: Index, proposal: Proposal): void {
    const applied = machine.apply(index, proposal)
    const { result, duplicate } = applied
    if (duplicate || result.type === 'stale' || result.type === 'session-expired') this.log.skip(index)
    this.events.applied(proposal, applied)
  }

  private applyChange(machine: Machine, entry: Entry): void {
    const { result, change } = applyChange(machine, entry, this.id)
    if (result === 'refused') this.log.skip(entry.index)
    this.conf = this.events.confChange(change)
    if (result === 'changed') this.learnMembers()
    this.events.membersChanged(result === 'changed')
    if (this.isOut(this.id)) this.events.removed()
  }

  private block(proposal: Proposal): false {
    this.unknownCommand = commandNameOf(proposal)
    this.events.blocked()
    return false
  }

  private learnMembers(): void {
    const { list } = this.machine.members
    this.members = list.map(({ host, ...member }) => ({ hostId: host, ...member }))
  }
}

/** Of a proposal that calls a command. */
export function commandNameOf({ command }: Proposal): string | undefined {
  const inner = command.type === 'fenced' ? command.command : command
  return inner.type === 'call' ? inner.name : undefined
}
