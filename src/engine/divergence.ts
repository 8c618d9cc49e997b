import type { Emitter } from '../base/emitter.ts'
import { comparedEntriesMax } from '../core/limits.ts'
import { type Chains, firstDifference } from '../core/machine/chain-ring.ts'
import { verdictOn } from '../core/machine/verdict.ts'
import type { GroupId, HostId, Index, ReplicaId } from '../core/types.ts'
import type { StoredHost } from '../storage/storage.ts'
import { decode, encode } from '../wire/codec.ts'
import { asArray, asBoolean, asNatural, asText } from '../wire/guards.ts'
import type { Call } from './call.ts'
import { noReplica } from './closed.ts'
import type { HostParts } from './parts.ts'
import type { PeerBook } from './peer-book.ts'
import type { Replica } from './replica.ts'
import type { Requests } from './requests.ts'
import type { RunningReplicas } from './running-replicas.ts'
import type { Divergence, HostEvents, Member } from './types.ts'

// What a leader asks of each replica that keeps values, and what it tells them. Another way of computing the chain
// would be another name: a host that does not know it does not answer, and nobody is compared with it.
//
//   chain@1      [group, index, isAll]            -> [replica, isQuarantined, first index, chains from there on]
//   diverged@1   [group, index, [[replica, chain], …], revision, isExact]
const chainMethod = 'chain@1'
const divergedMethod = 'diverged@1'

/** Between two comparisons of a group in which something happens. It falls asleep later than that. */
const compareEveryMs = 1000

/** Comparisons in which replicas differ and no quorum agrees, before that is believed: answers get lost. */
const undecidedMax = 4

/** The name of the value that a host keeps while its replica is in quarantine, or its user trusts it. */
const divergedValue = (group: GroupId) => `diverged ${group}`

interface Fact {
  readonly replica: ReplicaId
  readonly chain: number
}

interface Answer extends Fact {
  readonly host: HostId
  readonly isQuarantined: boolean
}

/** What a replica tells of itself: the chain at one index, or all that it knows. */
interface ToldChains extends Chains {
  readonly replica: ReplicaId
  readonly isQuarantined: boolean
}

/** What a leader knows of a group's comparisons. */
interface Comparison {
  readonly replica: Replica
  isAsking: boolean
  at: number
  /** All were compared at this index: those that answered then. */
  index: Index
  hosts: string
  undecided: number
}

interface Difference {
  readonly revision: Index
  readonly isExact: boolean
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
  private readonly comparisons = new Map<GroupId, Comparison>()
  /** Groups in which the user of this host trusts its own state. */
  private readonly trusted = new Set<GroupId>()

  constructor(parts: DivergenceParts) {
    this.parts = parts
    const { requests } = parts
    requests.serve(chainMethod, (_from, body, call) => this.tellChain(asArray(body, 3), call))
    requests.serve(divergedMethod, (from, body, call) => this.told(from, asArray(body, 5), call))
    for (const [name, bytes] of parts.stored.values)
      if (name.startsWith(divergedValue('')) && noted(bytes) === undefined)
        this.trusted.add(name.slice(divergedValue('').length))
  }

  /** Once a tick: compares where that is due. */
  tick(now: number): void {
    const { byGroup } = this.parts.running
    for (const { replica } of this.comparisons.values())
      if (byGroup.get(replica.group) !== replica) this.comparisons.delete(replica.group)
    for (const replica of byGroup.values()) {
      if (!replica.replicates || replica.quiescence.isAsleep) continue
      const comparison = this.comparisonOf(replica)
      if (comparison.isAsking || !this.isDue(comparison, now)) continue
      comparison.isAsking = true
      comparison.at = now
      this.compare(comparison)
        .catch(this.parts.failed)
        .finally(() => {
          comparison.isAsking = false
        })
    }
  }

  /** This host has no state of the group any more: what is said of one it gets later is of another one. */
  forgotten(group: GroupId): void {
    this.trusted.delete(group)
  }

  /** A host that comes back may have come to another state. */
  disconnected(): void {
    for (const comparison of this.comparisons.values()) comparison.hosts = ''
  }

  /** The user says that this host's state is the right one: where no quorum agrees, it serves. Durable. */
  async trust(replica: Replica): Promise<void> {
    this.trusted.add(replica.group)
    await this.note(replica.group, noBytes)
    const { diverged } = replica.state
    if (diverged !== undefined) this.settle(replica, { ...diverged, isQuarantined: false })
  }

  private comparisonOf(replica: Replica): Comparison {
    const known = this.comparisons.get(replica.group)
    if (known?.replica === replica) return known
    const never = Number.NEGATIVE_INFINITY
    const fresh = { replica, isAsking: false, at: never, index: 0, hosts: '', undecided: 0 }
    this.comparisons.set(replica.group, fresh)
    return fresh
  }

  private isDue({ replica, at, index, hosts }: Comparison, now: number): boolean {
    const { appliedIndex } = replica.machine
    const peers = this.peersOf(replica)
    if (peers.length === 0) return false
    // Somebody may have become right, and shall lead.
    if (replica.state.isQuarantined) return now - at >= compareEveryMs
    if (now - at < compareEveryMs) return appliedIndex - index >= comparedEntriesMax && index > 0
    return appliedIndex > index || namesOf(peers) !== hosts
  }

  /** Connected members that have a state. */
  private peersOf({ group, members }: Replica): readonly Member[] {
    const here = this.parts.peerBook.hostsThatMayRun(group)
    return members.filter(({ hostId, witness }) => !witness && here.includes(hostId))
  }

  private async compare(comparison: Comparison): Promise<void> {
    const { replica } = comparison
    const { group } = replica
    const index = replica.machine.appliedIndex
    const own = { replica: replica.id, chain: replica.machine.chain }
    const peers = this.peersOf(replica)
    const asked = await Promise.all(peers.map(peer => this.askChain(peer, group, index)))
    const answers = asked.flatMap(answer => (answer === undefined ? [] : [answer]))
    if (!replica.replicates) return
    const isQuiet = answers.every(({ chain, isQuarantined }) => chain === own.chain && !isQuarantined)
    const facts: readonly Fact[] = [own, ...answers]
    const { right, suspects } = verdictOn(replica.conf, chainsOf(facts))
    if (replica.state.isQuarantined) this.handOver(replica, answers, suspects)
    comparison.undecided = right === undefined && suspects.length > 0 ? comparison.undecided + 1 : 0
    if (comparison.undecided > 0 && comparison.undecided < undecidedMax) return
    comparison.index = index
    comparison.hosts = namesOf(peers.filter(({ hostId }) => answers.some(({ host }) => host === hostId)))
    if (isQuiet && replica.state.diverged === undefined) return
    const difference = await this.differenceOf(replica, index, answers, own.chain)
    const fields = facts.map(fact => [fact.replica, fact.chain])
    const body = [group, index, fields, difference.revision, difference.isExact]
    for (const { host } of answers) {
      const question = { method: divergedMethod, body, read: () => undefined }
      const told = this.parts.requests.ask(host, question, this.call())
      // Whoever did not hear it is told with the next comparison, which is due at once.
      told.catch(() => {
        comparison.hosts = ''
      })
    }
    this.judge(replica, index, facts, difference)
  }

  /** A leader in quarantine hands over to who is right, or is trusted: everybody has been told what he is. */
  private handOver(
    { node, conf }: Replica,
    answers: readonly Answer[],
    suspects: readonly ReplicaId[],
  ): void {
    const sound = answers.filter(
      ({ replica, isQuarantined }) => !isQuarantined && conf.voters.includes(replica),
    )
    const best = sound.find(({ replica }) => !suspects.includes(replica)) ?? sound[0]
    if (best !== undefined) node.transferLeadership(best.replica)
  }

  /** The first of all differences, as it is known already or can still be found. */
  private async differenceOf(
    replica: Replica,
    index: Index,
    answers: readonly Answer[],
    chain: number,
  ): Promise<Difference> {
    const known = replica.state.diverged
    let first: Difference = known ?? { revision: index, isExact: false }
    if (known !== undefined) return first
    const own = replica.state.chains.copy()
    const different = new Map(answers.map(answer => [answer.chain, answer]))
    different.delete(chain)
    for (const { host } of different.values()) {
      const theirs = await this.ask(host, replica.group, index, true)
      const found = theirs && firstDifference(own, theirs)
      if (found !== undefined && found.revision <= first.revision) first = found
    }
    return first
  }

  private async askChain(
    { hostId: host, replica }: Member,
    group: GroupId,
    index: Index,
  ): Promise<Answer | undefined> {
    const answer = await this.ask(host, group, index, false)
    const chain = answer?.chains[0]
    if (answer?.replica !== replica || answer.first !== index || chain === undefined) return undefined
    return { host, replica, chain, isQuarantined: answer.isQuarantined }
  }

  /** Undefined where no answer comes: the host is gone, has not applied so much, or knows nothing of this. */
  private ask(host: HostId, group: GroupId, index: Index, isAll: boolean): Promise<ToldChains | undefined> {
    const question = { method: chainMethod, body: [group, index, isAll], read: asToldChains }
    return this.parts.requests.ask(host, question, this.call()).catch(() => undefined)
  }

  private call(): Call {
    return { deadline: this.parts.clock.now() + compareEveryMs, signal: undefined }
  }

  /** One that has a state. Throws NOT_MEMBER. */
  private replicaOf(group: GroupId): Replica {
    const replica = this.parts.running.byGroup.get(group)
    if (replica === undefined || replica.isWitness) throw noReplica(group)
    return replica
  }

  private async tellChain([group, indexField, isAll]: readonly unknown[], call: Call): Promise<unknown> {
    const replica = this.replicaOf(asText(group))
    const index = asNatural(indexField)
    await replica.reads.reached(index, call)
    const { state, id } = replica
    if (asBoolean(isAll)) {
      const { first, chains } = state.chains.copy()
      return [id, state.isQuarantined, first, chains]
    }
    const chain = state.chains.at(index)
    return [id, state.isQuarantined, index, chain === undefined ? [] : [chain]]
  }

  private async told(from: HostId, fields: readonly unknown[], call: Call): Promise<unknown> {
    const replica = this.replicaOf(asText(fields[0]))
    const index = asNatural(fields[1])
    if (!replica.members.some(member => member.hostId === from)) throw noReplica(replica.group)
    const facts = asArray(fields[2]).map(fact => {
      const [id, chain] = asArray(fact, 2)
      return { replica: asNatural(id), chain: asNatural(chain) }
    })
    await replica.reads.reached(index, call)
    const difference = { revision: asNatural(fields[3]), isExact: asBoolean(fields[4]) }
    this.judge(replica, index, facts, difference)
    return null
  }

  /** Judges the own replica by what each one has at that index, and by what it has itself. */
  private judge(replica: Replica, index: Index, facts: readonly Fact[], difference: Difference): void {
    const own = replica.state.chains.at(index)
    // A snapshot took the place of what was compared; or it was removed meanwhile, and nothing is to be noted of it.
    if (own === undefined || this.parts.running.byGroup.get(replica.group) !== replica) return
    const chains = chainsOf(facts).set(replica.id, own)
    const { right, suspects } = verdictOn(replica.conf, chains)
    // Nobody differs, and too few were compared to say that all is well again.
    if (right === undefined && suspects.length === 0) return
    if (suspects.length === 0) return this.settle(replica, undefined)
    const isTrusted = right === undefined && this.trusted.has(replica.group)
    const hosts = suspects.flatMap(id => replica.hostOf(id) ?? []).sort()
    const isQuarantined = suspects.includes(replica.id) && !isTrusted
    this.settle(replica, { ...difference, hosts, isQuarantined })
  }

  private settle(replica: Replica, diverged: Divergence | undefined): void {
    const before = replica.state.diverged
    if (JSON.stringify(before) === JSON.stringify(diverged)) return
    const { group } = replica
    const isQuarantined = diverged?.isQuarantined === true
    if (isQuarantined || before?.isQuarantined) {
      const bytes = isQuarantined ? encodeNote(diverged) : this.trusted.has(group) ? noBytes : undefined
      this.note(group, bytes).catch(this.parts.failed)
    }
    replica.judged(diverged)
    // As a leader it sent none meanwhile.
    if (before?.isQuarantined && !isQuarantined) replica.node.snapshotsEnded()
    // What came of that entry here is right: it is never to be applied again, here or by who gets it from here.
    if (diverged?.isQuarantined === false) this.parts.snapshotDue(replica)
    replica.requestTurn()
    if (diverged !== undefined) this.parts.emitter.emit('diverged', { group, ...diverged })
  }

  private note(group: GroupId, bytes: Uint8Array | undefined): Promise<void> {
    const values = new Map([[divergedValue(group), bytes]])
    return this.parts.storage.write({ groups: new Map(), values })
  }
}

/** What was noted of a group before this host started. */
export function notedDivergence({ values }: StoredHost, group: GroupId): Divergence | undefined {
  const bytes = values.get(divergedValue(group))
  return bytes && noted(bytes)
}

/** What is noted no more once the group's data is forgotten. */
export function forgottenNote(group: GroupId): [string, undefined] {
  return [divergedValue(group), undefined]
}

export interface DivergenceParts extends Pick<HostParts, 'clock' | 'storage'> {
  readonly stored: StoredHost
  readonly requests: Requests
  readonly peerBook: PeerBook
  readonly running: RunningReplicas
  readonly emitter: Emitter<HostEvents>
  readonly snapshotDue: (replica: Replica) => void
  readonly failed: (error: unknown) => void
}

/** Noted of a host whose state its user trusts. */
const noBytes = new Uint8Array()

function encodeNote({ revision, isExact, hosts }: Divergence): Uint8Array {
  return encode([revision, isExact, hosts])
}

function noted(bytes: Uint8Array): Divergence | undefined {
  if (bytes.length === 0) return undefined
  const [revision, isExact, hosts] = asArray(decode(bytes), 3)
  return {
    revision: asNatural(revision),
    isExact: asBoolean(isExact),
    hosts: asArray(hosts).map(host => asText(host)),
    isQuarantined: true,
  }
}

function asToldChains(value: unknown): ToldChains {
  const [replica, isQuarantined, first, chains] = asArray(value, 4)
  return {
    replica: asNatural(replica),
    isQuarantined: asBoolean(isQuarantined),
    first: asNatural(first),
    chains: asArray(chains).map(asNatural),
  }
}

function chainsOf(facts: readonly Fact[]): Map<ReplicaId, number> {
  return new Map(facts.map(({ replica, chain }) => [replica, chain]))
}

function namesOf(members: readonly Member[]): string {
  return members.map(({ replica }) => replica).join(' ')
}
