import type { GroupId } from '../../core/types.ts'
import type { StoredHost } from '../../storage/storage.ts'
import type { HostParts } from '../parts.ts'
import type { PeerBook } from '../peers/peer-book.ts'
import type { Requests } from '../peers/requests.ts'
import { ChainQuestions } from './chain-questions.ts'
import { Comparison, type ComparisonParts } from './comparison.ts'
import { DivergenceJudge, type DivergenceJudgeParts } from './divergence-judge.ts'
import { DivergenceNotes } from './divergence-notes.ts'
import type { Replica } from './replica.ts'

export interface DivergenceParts extends Pick<HostParts, 'clock' | 'storage'>, DivergenceJudgeParts {
  readonly stored: StoredHost
  readonly requests: Requests
  readonly peerBook: PeerBook
}

/**
 * Finds replicas whose states differ although they applied the same log, and keeps those that are wrong from serving.
 *
 * While something happens in a group, its leader asks all replicas once a second for the hash of everything that came
 * of the log up to an index (see `outcome-chain`). Where two differ it tells all of them what each has, and each judges
 * for itself, by its own configuration (see `verdictOn`): the leader's word is no more than a list of facts. So a
 * leader with a wrong state quarantines itself, and the next one goes on from there. Hashes that differ once differ for
 * ever, until a snapshot takes the state's place: any later comparison says the same, and finds out who was away.
 *
 * Whoever is right takes a snapshot and forgets the log up to the difference: an entry that went its own way once may
 * do so wherever it is applied again, after a start or on a replica that joins. So a replica with a wrong state is
 * rebuilt from a snapshot when it leaves the group and joins it anew.
 *
 * What is noted on disk is the quarantine: applied again, a command that went its own way may go any other way, and
 * until the next comparison nobody would know.
 */
export class DivergenceGuard {
  private readonly parts: DivergenceParts
  private readonly notes: DivergenceNotes
  private readonly judge: DivergenceJudge
  private readonly compared: ComparisonParts
  /** Those of groups that this host leads, or led. */
  private readonly comparisons = new Map<GroupId, Comparison>()

  constructor(parts: DivergenceParts) {
    this.parts = parts
    this.notes = new DivergenceNotes(parts.storage, parts.stored)
    this.judge = new DivergenceJudge(parts, this.notes)
    const judge: ComparisonParts['judge'] = (...found) => this.judge.judge(...found)
    this.compared = { ...parts, judge, questions: new ChainQuestions({ ...parts, judge }) }
  }

  /** Once a tick: compares where that is due. */
  tick(now: number): void {
    const { byGroup } = this.parts.running
    for (const { replica } of this.comparisons.values())
      if (byGroup.get(replica.group) !== replica) this.comparisons.delete(replica.group)
    for (const replica of byGroup.values())
      if (replica.replicates && !replica.quiescence.isAsleep) this.comparisonOf(replica).tick(now)
  }

  /** This host has no state of the group any more. */
  forgotten(group: GroupId): void {
    this.notes.forgotten(group)
  }

  /** A host that comes back may have come to another state. */
  disconnected(): void {
    for (const comparison of this.comparisons.values()) comparison.repeat()
  }

  /** See `Host.trustData`. */
  trust(replica: Replica): Promise<void> {
    return this.judge.trust(replica)
  }

  private comparisonOf(replica: Replica): Comparison {
    const known = this.comparisons.get(replica.group)
    if (known?.replica === replica) return known
    const fresh = new Comparison(replica, this.compared)
    this.comparisons.set(replica.group, fresh)
    return fresh
  }
}
