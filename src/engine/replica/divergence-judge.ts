import type { Emitter } from '../../base/emitter.ts'
import { type Verdict, verdictOn } from '../../core/machine/verdict.ts'
import type { ReplicaId } from '../../core/types.ts'
import type { Divergence, HostEvents } from '../types.ts'
import type { Fact, Finding } from './chain-questions.ts'
import type { DivergenceNotes } from './divergence-notes.ts'
import type { Replica } from './replica.ts'
import type { RunningReplicas } from './running-replicas.ts'

export interface DivergenceJudgeParts {
  readonly running: RunningReplicas
  readonly emitter: Emitter<HostEvents>
  readonly snapshotDue: (replica: Replica) => void
  readonly failed: (error: unknown) => void
}

/** Judges the replicas of this host by what a leader found, each by its own configuration and its own state. */
export class DivergenceJudge {
  private readonly parts: DivergenceJudgeParts
  private readonly notes: DivergenceNotes

  constructor(parts: DivergenceJudgeParts, notes: DivergenceNotes) {
    this.parts = parts
    this.notes = notes
  }

  /** By what each one has at an index, and by what this one has itself; false where it does not know that any more. */
  judge(replica: Replica, { index, facts, difference }: Finding): boolean {
    const chain = replica.state.chains.at(index)
    // A snapshot took the place of what was compared; or it was removed meanwhile, and nothing is to be noted of it.
    if (chain === undefined || this.parts.running.byGroup.get(replica.group) !== replica) return false
    const { right, suspects } = verdictBy(replica, [...facts, { replica: replica.id, chain }])
    // Nobody differs, and too few were compared to say that all is well again.
    if (right === undefined && suspects.length === 0) return true
    const isTrusted = right === undefined && this.notes.isTrusted(replica.group)
    const hosts = suspects.flatMap(id => replica.hostOf(id) ?? []).sort()
    const isQuarantined = suspects.includes(replica.id) && !isTrusted
    this.settle(replica, suspects.length === 0 ? undefined : { ...difference, hosts, isQuarantined })
    return true
  }

  /** The user says that this host's state is the right one: where no quorum agrees, it serves. Durable. */
  async trust(replica: Replica): Promise<void> {
    await this.notes.trust(replica.group)
    const { diverged } = replica.state
    if (diverged !== undefined) this.settle(replica, { ...diverged, isQuarantined: false })
  }

  private settle(replica: Replica, diverged: Divergence | undefined): void {
    const before = replica.state.diverged
    if (JSON.stringify(before) === JSON.stringify(diverged)) return
    const { group } = replica
    const isQuarantined = diverged?.isQuarantined === true
    if (isQuarantined || before?.isQuarantined)
      this.notes.quarantine(group, isQuarantined ? diverged : undefined).catch(this.parts.failed)
    replica.judged(diverged)
    // As a leader it sent none meanwhile.
    if (before?.isQuarantined && !isQuarantined) replica.node.snapshotsEnded()
    // What came of that entry here is right: it is never to be applied again, here or by who gets it from here.
    if (diverged?.isQuarantined === false) this.parts.snapshotDue(replica)
    replica.requestTurn()
    if (diverged !== undefined) this.parts.emitter.emit('diverged', { group, ...diverged })
  }
}

/** What a replica is to think of all, by its configuration. Of two facts of one replica the later one counts. */
export function verdictBy({ conf }: Replica, facts: readonly Fact[]): Verdict {
  return verdictOn(conf, new Map<ReplicaId, number>(facts.map(({ replica, chain }) => [replica, chain])))
}
