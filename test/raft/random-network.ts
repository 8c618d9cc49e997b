import { assert } from '../../src/base/assert.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { isVoter, quorumsOf } from '../../src/core/quorum.ts'
import type {
  ConfChange,
  ConfChangeStep,
  ConfState,
  Entries,
  Entry,
  Message,
} from '../../src/core/raft/index.ts'
import { changeMembership, replicasOf } from '../../src/core/raft/membership.ts'
import { Cluster, type ReplicaOptions, type TestReplica, textOf } from './cluster.ts'

/** How often things happen; each is the chance per step. */
interface Faults {
  readonly loss: number
  readonly duplication: number
  readonly crash: number
  readonly partition: number
  readonly change: number
  readonly compaction: number
}

/**
 * Replicas in an adversary's hands: messages are lost, doubled and reordered, storage is slow, replicas crash
 * and come back, members change. After every step the properties of the Raft paper (figure 3) are checked.
 * The seed decides everything.
 */
export class RandomNetwork {
  readonly cluster: Cluster
  private readonly random: Random
  private readonly faults: Faults
  /** Who led each term. */
  private readonly leaders = new Map<number, number>()
  /** What was committed at each index, once and for all, and in which term that was first seen. */
  private readonly committed = new Map<number, { readonly entry: string; readonly seenTerm: number }>()
  private commitMax = 0
  /** What each read must at least see, by its context. */
  private readonly readFloors = new Map<number, number>()
  private readonly checkedCommit: number[]
  private readonly checkedReads: number[]
  /** The replica that is a witness whenever it is a member, or 0. */
  private readonly witness: number
  private readonly isWeighted: boolean
  private proposals = 0
  reads = 0
  changes = 0

  constructor(seed: number) {
    this.random = seededRandom(seed)
    const voters = this.chance(0.5) ? [1, 2, 3] : [1, 2, 3, 4, 5]
    const options: ReplicaOptions = {
      random: this.random,
      electionTicks: 5,
      preVote: this.chance(0.5),
      checkQuorum: this.chance(0.5),
      stepDownOnRemoval: this.chance(0.5),
      inflightMessagesMax: this.chance(0.5) ? 2 : 64,
      appendBytesMax: this.chance(0.5) ? 40 : 10_000,
      committedBytesMax: this.chance(0.5) ? 40 : 10_000,
    }
    this.witness = this.chance(0.5) ? voters.length : 0
    this.isWeighted = this.chance(0.5)
    const conf = {
      voters,
      learners: voters.length === 3 ? [4] : [],
      ...(this.witness > 0 ? { witnesses: [this.witness] } : {}),
      ...(this.isWeighted ? { quorums: this.randomQuorums(voters) } : {}),
    }
    this.cluster = new Cluster(5, options, { conf })
    const calm = () => (this.chance(0.3) ? 0 : 1)
    this.faults = {
      loss: 0.1 * calm(),
      duplication: 0.1 * calm(),
      crash: 0.01 * calm(),
      partition: 0.02 * calm(),
      change: 0.02 * calm(),
      compaction: 0.02 * calm(),
    }
    this.checkedCommit = this.cluster.replicas.map(() => 0)
    this.checkedReads = this.cluster.replicas.map(() => 0)
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.step()
      this.check()
    }
    this.heal()
  }

  private step(): void {
    const replica = this.pick(this.cluster.replicas)
    const { faults } = this
    if (this.chance(faults.crash)) this.crash(replica)
    if (this.chance(faults.partition)) this.partition()
    if (this.chance(faults.change)) this.changeMembers(replica)
    if (this.chance(faults.compaction)) this.compact(replica)
    if (this.chance(0.1)) replica.node.tick()
    if (this.chance(0.05)) this.propose(replica)
    if (this.chance(0.03)) this.read(replica)
    if (this.chance(0.005)) replica.node.transferLeadership(this.pick(this.cluster.replicas).id)
    if (this.chance(0.005)) replica.node.forgetLeader()
    if (this.chance(0.01)) replica.node.reportUnreachable(this.pick(this.cluster.replicas).id)
    if (this.chance(0.01)) replica.node.reportReachable(this.pick(this.cluster.replicas).id)
    if (this.chance(0.6) && replica.node.hasReady()) this.cluster.send(replica.takeReady())
    if (this.chance(0.5)) this.cluster.send(replica.store())
    if (this.chance(0.4)) replica.apply()
    for (let i = 0; i < 3; i++) this.deliverOne()
  }

  private deliverOne(): void {
    const { mail } = this.cluster
    if (mail.length === 0) return
    const at = this.chance(0.7) ? 0 : Math.floor(this.random() * mail.length)
    const message = mail[at]
    assert(message !== undefined, 'the position lies within the mail')
    if (!this.chance(this.faults.duplication)) mail.splice(at, 1)
    if (this.chance(this.faults.loss)) {
      this.reportLoss(message)
      return
    }
    this.cluster.replica(message.to).node.step(message)
    if (message.type === 'MsgSnap') this.cluster.replica(message.from).node.reportSnapshot(message.to, true)
  }

  /** Whoever sends a snapshot knows whether it arrived; of other messages nobody hears. */
  private reportLoss(message: Message): void {
    if (message.type === 'MsgSnap') this.cluster.replica(message.from).node.reportSnapshot(message.to, false)
  }

  private crash(replica: TestReplica): void {
    replica.crash()
    this.checkedCommit[replica.id - 1] = 0
    this.checkedReads[replica.id - 1] = 0
  }

  private partition(): void {
    if (this.chance(0.5)) return this.cluster.partition()
    const sides: number[][] = [[], []]
    for (const { id } of this.cluster.replicas) sides[this.chance(0.5) ? 0 : 1]?.push(id)
    this.cluster.partition(...sides)
    const { isLost } = this.cluster
    this.cluster.isLost = message => {
      const lost = isLost(message)
      if (lost) this.reportLoss(message)
      return lost
    }
  }

  private propose(replica: TestReplica): void {
    this.proposals++
    const data = new TextEncoder().encode(`p${this.proposals}`)
    replica.node.propose(this.chance(0.3) ? [data, data] : [data])
  }

  private read(replica: TestReplica): void {
    const context = this.readFloors.size + 1
    this.readFloors.set(context, this.commitMax)
    replica.node.readIndex(context)
  }

  private changeMembers(replica: TestReplica): void {
    const types = ['add-voter', 'add-voter', 'add-learner', 'remove'] as const
    const steps: ConfChangeStep[] = []
    const count = this.chance(0.6) ? 1 : Math.floor(this.random() * 4)
    for (let i = 0; i < count; i++) {
      const { id } = this.pick(this.cluster.replicas)
      const type = this.pick(types)
      const isWitness = id === this.witness && type !== 'remove'
      steps.push({ type, replica: id, ...(isWitness ? { witness: true as const } : {}) })
    }
    const transition = this.pick(['auto', 'joint-implicit', 'joint-explicit'] as const)
    const change = { transition, steps, context: new Uint8Array(0) }
    const result = replica.node.proposeConfChange(this.withWeights(replica.status.conf, change))
    if (result.type !== 'refused') this.changes++
  }

  /** The change, with a rule by weights for the voters that it leads to. */
  private withWeights(conf: ConfState, change: ConfChange): ConfChange {
    if (!this.isWeighted || this.chance(0.3)) return change
    const result = changeMembership(conf, change)
    if (result.type === 'refused' || change.steps.length === 0) return change
    return { ...change, quorums: this.randomQuorums(result.change.conf.voters) }
  }

  private randomQuorums(voters: readonly number[]) {
    const weights = new Map(voters.map(voter => [voter, this.pick([1, 1, 2, 3])]))
    const sum = (set: readonly number[]) => set.reduce((total, id) => total + (weights.get(id) ?? 0), 0)
    return quorumsOf(voters, set => sum(set) > sum(voters) / 2)
  }

  private compact(replica: TestReplica): void {
    const { applied, conf } = replica.status
    const { log } = replica
    const recent = log.snapshot()
    const term = log.term(applied)
    // The configuration at `applied` is known only while nothing of a snapshot is under way.
    if (recent === 'unavailable' || typeof term !== 'number' || applied <= recent.index) return
    if (replica.appendWork.some(work => work.snapshot !== null) || replica.applyWork.length > 0) return
    if (replica.node.hasReady()) return
    log.setSnapshot({ index: applied, term, conf })
    log.compact(applied - Math.floor(this.random() * 3))
  }

  private check(): void {
    for (const replica of this.cluster.replicas) {
      const { role, term } = replica.status
      if (role === 'leader') this.checkLeader(replica, term)
      this.checkCommitted(replica, term)
      this.checkReads(replica)
    }
  }

  /** Election Safety, and Leader Completeness when a leader is seen first. */
  private checkLeader(replica: TestReplica, term: number): void {
    const known = this.leaders.get(term)
    assert(replica.id !== this.witness, `the witness leads term ${term}`)
    assert(
      known === undefined || known === replica.id,
      `two leaders in term ${term}: ${known} and ${replica.id}`,
    )
    if (known !== undefined) return
    this.leaders.set(term, replica.id)
    const entries = this.entriesOf(replica)
    for (const [index, { entry, seenTerm }] of this.committed) {
      const own = entries.get(index)
      if (own === undefined && index <= replica.status.applied) continue
      assert(
        seenTerm >= term || own === entry,
        `leader ${replica.id} of term ${term} lacks ${entry} at ${index}`,
      )
    }
  }

  /** State Machine Safety: no index is ever committed with two entries. */
  private checkCommitted(replica: TestReplica, term: number): void {
    const { commit } = replica
    const before = this.checkedCommit[replica.id - 1] ?? 0
    assert(commit >= before, `the commit index of ${replica.id} went back from ${before} to ${commit}`)
    if (commit === before) return
    this.checkedCommit[replica.id - 1] = commit
    this.commitMax = Math.max(this.commitMax, commit)
    const entries = this.entriesOf(replica)
    for (let index = before + 1; index <= commit; index++) {
      const entry = entries.get(index)
      if (entry === undefined) continue
      if (replica.id === this.witness) {
        this.checkWitness(entry)
        continue
      }
      const known = this.committed.get(index)
      if (known === undefined) this.committed.set(index, { entry, seenTerm: term })
      else assert(known.entry === entry, `${index} was committed as ${known.entry} and as ${entry}`)
    }
  }

  /** Its log holds positions, no-ops and changes of members; never a value. */
  private checkWitness(entry: string): void {
    assert(!/ normal ./.test(entry), `the witness holds the value ${entry}`)
  }

  /** Linearizable reads: no read gets an index below what was committed anywhere when it was asked. */
  private checkReads(replica: TestReplica): void {
    const { reads } = replica
    for (let i = this.checkedReads[replica.id - 1] ?? 0; i < reads.length; i++) {
      const read = reads[i]
      const floor = this.readFloors.get(read?.context ?? 0)
      assert(read !== undefined && floor !== undefined, 'a read was answered that nobody asked for')
      assert(read.index >= floor, `read ${read.context} got ${read.index}, and ${floor} was committed before`)
      this.reads++
    }
    this.checkedReads[replica.id - 1] = reads.length
  }

  /** Durable entries, and those on their way to storage, by index. */
  private entriesOf(replica: TestReplica): Map<number, string> {
    const { log } = replica
    const found = new Map<number, string>()
    const stored = log.entries(log.firstIndex(), log.lastIndex() + 1, Number.POSITIVE_INFINITY)
    const lists: Entries[] = typeof stored === 'string' ? [] : [stored]
    for (const work of replica.appendWork) {
      // A snapshot that is accepted contradicts the whole log.
      if (work.snapshot !== null) lists.length = 0
      lists.push(work.entries)
    }
    for (const entries of lists) {
      const first = entries.length > 0 ? entries.first : Number.POSITIVE_INFINITY
      for (const index of found.keys()) if (index >= first) found.delete(index)
      for (const entry of entries) found.set(entry.index, describe(entry))
    }
    return found
  }

  /** The adversary leaves: within bounded time there is one leader, and every member has its log. */
  private heal(): void {
    this.cluster.partition()
    for (let round = 0; round < 400; round++) {
      for (const replica of this.cluster.replicas) {
        replica.node.tick()
        // A leader that its group removed leads on where it is not told to step down; then somebody stops it.
        if (replica.isLeader && !isVoter(replica.status.conf, replica.id)) this.crash(replica)
      }
      this.settle()
      this.check()
      if (this.isHealed()) return
    }
    throw new Error(`no convergence: ${JSON.stringify(this.cluster.replicas.map(replica => replica.status))}`)
  }

  private settle(): void {
    for (let round = 0; round < 1000; round++) {
      for (const replica of this.cluster.replicas) this.cluster.finish(replica)
      if (this.cluster.mail.length === 0) return
      const snapshots = this.cluster.deliver().filter(message => message.type === 'MsgSnap')
      for (const { from, to } of snapshots) this.cluster.replica(from).node.reportSnapshot(to, true)
    }
    throw new Error('the cluster does not come to rest')
  }

  private isHealed(): boolean {
    const members = this.cluster.replicas.filter(replica => replica.isLeader).map(replica => replica.status)
    members.sort((left, right) => right.term - left.term)
    const leader = members[0]
    if (leader === undefined || leader.conf.autoLeave) return false
    if (this.cluster.propose(leader.id, 'healed').type !== 'proposed') return false
    this.settle()
    const { commit } = this.cluster.replica(leader.id).status
    return replicasOf(leader.conf).every(id => {
      const { status } = this.cluster.replica(id)
      return status.applied === commit && status.leader === leader.id
    })
  }

  private chance(probability: number): boolean {
    return this.random() < probability
  }

  private pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.random() * items.length)]
    assert(item !== undefined, 'nothing to pick from')
    return item
  }
}

function describe(entry: Entry): string {
  const steps = entry.change?.steps.map(step => `${step.type} ${step.replica}`).join(', ')
  return `${entry.term}/${entry.index} ${entry.type} ${textOf(entry)}${steps ?? ''}`
}
