import type { Clock } from '../../clock/clock.ts'
import { comparedEntriesMax } from '../../core/limits.ts'
import { firstDifference } from '../../core/machine/chain-ring.ts'
import type { HostId, Index, ReplicaId } from '../../core/types.ts'
import type { Call } from '../calls/call.ts'
import type { PeerBook } from '../peers/peer-book.ts'
import type { Member } from '../types.ts'
import type { ChainQuestions, Difference, Fact, Finding } from './chain-questions.ts'
import { verdictBy } from './divergence-judge.ts'
import type { Replica } from './replica.ts'

/** Between two comparisons of a group in which something happens. It falls asleep later than that. */
const compareEveryMs = 1000

/** Comparisons in which replicas differ and no quorum agrees, before that is believed: answers get lost. */
const undecidedMax = 4

interface Answer extends Fact {
  readonly host: HostId
  readonly isQuarantined: boolean
  /** Where it is another chain than the own one, and the place is known. */
  readonly difference: Difference | undefined
}

export interface ComparisonParts {
  readonly clock: Clock
  readonly peerBook: PeerBook
  readonly questions: ChainQuestions
  readonly judge: (replica: Replica, finding: Finding) => boolean
  readonly failed: (error: unknown) => void
}

/**
 * The comparisons of a group with other replicas, as its leader makes them, one after the other. Each is about one
 * index, at which every replica remembers what it had when it was asked: so it does not matter how much they have
 * applied when all have answered, or how long that takes. Whoever did not answer the last time is asked again, and not
 * waited for where a quorum of the others agrees.
 */
export class Comparison {
  readonly replica: Replica
  private readonly parts: ComparisonParts
  private isAsking = false
  private at = Number.NEGATIVE_INFINITY
  /** All were compared at this index: those that answered then. */
  private index: Index = 0
  private hosts = ''
  private undecided = 0
  /** Hosts that did not answer when they were asked last. */
  private readonly mute = new Set<HostId>()

  constructor(replica: Replica, parts: ComparisonParts) {
    this.replica = replica
    this.parts = parts
  }

  /** Compares where that is due. */
  tick(now: number): void {
    if (this.isAsking || !this.isDue(now)) return
    this.isAsking = true
    this.at = now
    this.compare()
      .catch(this.parts.failed)
      .finally(() => {
        this.isAsking = false
      })
  }

  /** Somebody may have another state than when it was compared. */
  repeat(): void {
    this.hosts = ''
  }

  private isDue(now: number): boolean {
    const { replica, at, index, hosts } = this
    const { appliedIndex } = replica.machine
    const peers = this.peers()
    if (peers.length === 0) return false
    // Somebody may have become right, and shall lead.
    if (replica.state.isQuarantined || this.undecided > 0) return now - at >= compareEveryMs
    if (now - at < compareEveryMs) return appliedIndex - index >= comparedEntriesMax && index > 0
    return appliedIndex > index || namesOf(peers) !== hosts
  }

  /** Connected members that have a state. */
  private peers(): readonly Member[] {
    const { group, members } = this.replica
    const here = this.parts.peerBook.hostsThatMayRun(group)
    return members.filter(({ hostId, witness }) => !witness && here.includes(hostId))
  }

  private async compare(): Promise<void> {
    const { replica } = this
    const index = replica.machine.appliedIndex
    const own = { replica: replica.id, chain: replica.machine.chain }
    replica.state.chains.keep(index)
    const peers = this.peers()
    const answers = await this.gather(peers, index, own)
    if (!replica.replicates) return
    const facts: readonly Fact[] = [own, ...answers]
    const { right, suspects } = verdictBy(replica, facts)
    if (replica.state.isQuarantined) this.handOver(answers, suspects)
    this.undecided = right === undefined && suspects.length > 0 ? this.undecided + 1 : 0
    if (this.undecided > 0 && this.undecided < undecidedMax) return
    this.index = index
    this.hosts = namesOf(peers.filter(({ hostId }) => answers.some(({ host }) => host === hostId)))
    const isQuiet = answers.every(({ chain, isQuarantined }) => chain === own.chain && !isQuarantined)
    if (isQuiet && replica.state.diverged === undefined) return
    this.tell(answers, { index, facts, difference: this.firstOf(answers, index) })
  }

  /** Resolves when all have answered; or all but those that are mute, where a quorum of the others agrees. */
  private gather(peers: readonly Member[], index: Index, own: Fact): Promise<readonly Answer[]> {
    for (const host of this.mute) if (!peers.some(({ hostId }) => hostId === host)) this.mute.delete(host)
    const call = this.call()
    const answers: Answer[] = []
    const missing = new Set(peers.map(({ hostId }) => hostId))
    return new Promise((resolve, reject) => {
      const ended = (host: HostId, answer: Answer | undefined) => {
        missing.delete(host)
        if (answer === undefined) this.mute.add(host)
        else {
          this.mute.delete(host)
          answers.push(answer)
        }
        const isEnough = () => verdictBy(this.replica, [own, ...answers]).right !== undefined
        if (missing.size === 0 || ([...missing].every(one => this.mute.has(one)) && isEnough()))
          resolve([...answers])
      }
      for (const peer of peers) {
        const answer = this.ask(peer, index, own.chain, call).catch(() => undefined)
        answer.then(given => ended(peer.hostId, given)).catch(reject)
      }
    })
  }

  /** Undefined where it is no answer to that. */
  private async ask(
    { hostId: host, replica }: Member,
    index: Index,
    ownChain: number,
    call: Call,
  ): Promise<Answer | undefined> {
    const { questions } = this.parts
    const { group, state } = this.replica
    const told = await questions.ask(host, group, index, false, call)
    const chain = told.chains[0]
    if (told.replica !== replica || told.first !== index || chain === undefined) return undefined
    const { isQuarantined } = told
    const isNew = chain !== ownChain && state.diverged === undefined
    return {
      host,
      replica,
      chain,
      isQuarantined,
      difference: isNew ? await this.difference(host, index, call) : undefined,
    }
  }

  /** At once: neither of the two knows much of the past. */
  private async difference(host: HostId, index: Index, call: Call): Promise<Difference | undefined> {
    const { group, state } = this.replica
    const own = state.chains.copy()
    const theirs = await this.parts.questions.ask(host, group, index, true, call).catch(() => undefined)
    return theirs && firstDifference(own, theirs)
  }

  /** The first of all differences, as it is known already or was found. */
  private firstOf(answers: readonly Answer[], index: Index): Difference {
    const known = this.replica.state.diverged
    if (known !== undefined) return known
    let first: Difference = { revision: index, isExact: false }
    for (const { difference } of answers)
      if (difference !== undefined && difference.revision <= first.revision) first = difference
    return first
  }

  /** Whoever did not hear it, or cannot judge, is told with the next comparison, which is due at once. */
  private tell(answers: readonly Answer[], finding: Finding): void {
    const { replica, parts } = this
    for (const { host } of answers)
      parts.questions.tell(host, replica.group, finding, this.call()).catch(() => this.repeat())
    if (!parts.judge(replica, finding)) this.repeat()
  }

  /** A leader in quarantine hands over to who is right, or is trusted: everybody has been told what he is. */
  private handOver(answers: readonly Answer[], suspects: readonly ReplicaId[]): void {
    const { node, conf } = this.replica
    const sound = answers.filter(
      ({ replica, isQuarantined }) => !isQuarantined && conf.voters.includes(replica),
    )
    const best = sound.find(({ replica }) => !suspects.includes(replica)) ?? sound[0]
    if (best !== undefined) node.transferLeadership(best.replica)
  }

  private call(): Call {
    return { deadline: this.parts.clock.now() + compareEveryMs, signal: undefined }
  }
}

function namesOf(members: readonly Member[]): string {
  return members.map(({ replica }) => replica).join(' ')
}
