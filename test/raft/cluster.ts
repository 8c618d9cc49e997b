import { assert } from '../../src/base/assert.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import {
  type ConfState,
  type Entry,
  emptyConfState,
  isLocalThread,
  MemoryLog,
  type Message,
  type RaftConfig,
  RaftNode,
  type ReadState,
  type Snapshot,
} from '../../src/core/raft/index.ts'

export type ReplicaOptions = Partial<Omit<RaftConfig, 'id' | 'log' | 'applied'>>

const defaults: Omit<RaftConfig, 'id' | 'log' | 'applied' | 'random'> = {
  electionTicks: 10,
  heartbeatTicks: 1,
  asyncStorageWrites: true,
  preVote: false,
  checkQuorum: false,
  readOnly: 'safe',
  appendBytesMax: 64 * 1024,
  inflightMessagesMax: 64,
  inflightBytesMax: 1024 * 1024,
  uncommittedBytesMax: 1024 * 1024,
  committedBytesMax: 64 * 1024,
  disableProposalForwarding: false,
  stepDownOnRemoval: false,
}

/**
 * A replica with durable storage and a state machine that lists what it applied. Storage works only when
 * told.
 */
export class TestReplica {
  readonly id: number
  readonly log: MemoryLog
  node: RaftNode
  /** Orders to storage that are not carried out yet; a crash forgets them. */
  appendWork: Message[] = []
  applyWork: Message[] = []
  applied: Entry[] = []
  reads: ReadState[] = []
  /** The commit index that was handed out last, together with the entries up to it. */
  commit = 0
  private readonly options: ReplicaOptions
  private readonly random: Random

  constructor(id: number, options: ReplicaOptions, log: MemoryLog) {
    this.id = id
    this.options = options
    this.random = options.random ?? seededRandom(id)
    this.log = log
    this.node = this.start()
  }

  get status() {
    return this.node.status()
  }

  get isLeader(): boolean {
    return this.status.role === 'leader'
  }

  /** The payloads that were applied, as text; no-ops and membership changes left out. */
  get texts(): string[] {
    return this.applied.filter(entry => entry.data.length > 0).map(entry => textOf(entry))
  }

  /** The terms of the durable log, from its first entry on. */
  get terms(): number[] {
    const { log } = this
    return Array.from({ length: log.lastIndex() - log.firstIndex() + 1 }, (_, i) => {
      const term = log.term(log.firstIndex() + i)
      assert(typeof term === 'number', 'the log has no holes')
      return term
    })
  }

  crash(): void {
    this.appendWork = []
    this.applyWork = []
    this.applied = []
    this.reads = []
    this.commit = 0
    this.node = this.start()
  }

  takeReady(): readonly Message[] {
    const ready = this.node.ready()
    this.commit = ready.hardState?.commit ?? this.commit
    this.reads.push(...ready.readStates)
    const leaving: Message[] = []
    for (const message of ready.messages) {
      if (message.type === 'MsgStorageAppend') this.appendWork.push(message)
      else if (message.type === 'MsgStorageApply') this.applyWork.push(message)
      else leaving.push(message)
    }
    return leaving
  }

  /** Makes the oldest order durable. Returns what may be sent then. */
  store(): readonly Message[] {
    const work = this.appendWork.shift()
    if (work === undefined) return []
    const { term, vote, commit, snapshot, entries } = work
    if (snapshot !== null) {
      // What was handed out before belongs before the snapshot.
      while (this.applyWork.length > 0) this.apply()
      this.log.applySnapshot(snapshot)
    }
    this.log.append(entries)
    if (term !== 0) this.log.setHardState({ term, vote, commit })
    return this.deliverOwn(work.responses)
  }

  apply(): void {
    const work = this.applyWork.shift()
    if (work === undefined) return
    for (const entry of work.entries) {
      if (entry.change !== null) this.node.applyConfChange(entry.change)
      this.applied.push(entry)
    }
    this.deliverOwn(work.responses)
  }

  private deliverOwn(responses: readonly Message[]): readonly Message[] {
    for (const response of responses) if (response.to === this.id) this.node.step(response)
    return responses.filter(response => response.to !== this.id)
  }

  private start(): RaftNode {
    const snapshot = this.log.snapshot()
    assert(snapshot !== 'unavailable', 'a memory log has a snapshot')
    const { id, log, random } = this
    return new RaftNode({ ...defaults, ...this.options, id, log, random, applied: snapshot.index })
  }
}

/** More than any test takes: whoever has not come to rest by then never will. */
const roundsMax = 100
const mailMax = 1000

/** Replicas and the messages between them. Nothing moves unless a method moves it. */
export class Cluster {
  readonly replicas: TestReplica[]
  mail: Message[] = []
  /** Messages for which it returns true are lost when they are sent. */
  isLost: (message: Message) => boolean = () => false

  constructor(
    count: number,
    options: ReplicaOptions = {},
    start: {
      readonly conf?: Partial<ConfState>
      readonly index?: number
      readonly term?: number
      /** The term that every replica has seen; that of its last entry when it is not given. */
      readonly currentTerm?: number
      readonly entries?: (id: number) => readonly Entry[]
    } = {},
  ) {
    const ids = Array.from({ length: count }, (_, i) => i + 1)
    const conf = { ...emptyConfState, voters: ids, ...start.conf }
    const { index = 1, term = 1 } = start
    const snapshot: Snapshot = { index, term, conf }
    this.replicas = ids.map(id => {
      const entries = start.entries?.(id) ?? []
      const last = entries.at(-1)
      const seen = start.currentTerm ?? Math.max(term, last?.term ?? 0)
      const hardState = { term: seen, vote: 0, commit: index }
      return new TestReplica(id, options, new MemoryLog({ hardState, snapshot, entries }))
    })
  }

  replica(id: number): TestReplica {
    const replica = this.replicas[id - 1]
    assert(replica !== undefined, `no replica ${id}`)
    return replica
  }

  get leader(): TestReplica {
    const leaders = this.replicas.filter(replica => replica.isLeader)
    leaders.sort((left, right) => right.status.term - left.status.term)
    assert(leaders[0] !== undefined, 'nobody leads')
    return leaders[0]
  }

  /** Elects a replica, and lets everything settle. */
  elect(id: number): TestReplica {
    this.replica(id).node.campaign()
    this.settle()
    assert(this.replica(id).isLeader, `${id} was not elected`)
    return this.replica(id)
  }

  propose(id: number, ...texts: string[]) {
    return this.replica(id).node.propose(texts.map(text => new TextEncoder().encode(text)))
  }

  /** Only these replicas hear each other; without any, all do. */
  partition(...groups: readonly (readonly number[])[]): void {
    const groupOf = (id: number) => groups.findIndex(group => group.includes(id))
    this.isLost = ({ from, to }) => groups.length > 0 && groupOf(from) !== groupOf(to)
  }

  /** Takes what a replica wants done, and sends what may leave. */
  perform(replica: TestReplica): void {
    for (let round = 0; replica.node.hasReady(); round++) {
      assert(round < roundsMax, `replica ${replica.id} never has enough`)
      this.send(replica.takeReady())
    }
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      assert(!isLocalThread(message.to), 'orders to storage stay with the replica')
      if (!this.isLost(message)) this.mail.push(message)
    }
  }

  /** Stores and applies all that a replica was told to. */
  finish(replica: TestReplica): void {
    this.perform(replica)
    for (let round = 0; replica.appendWork.length > 0 || replica.applyWork.length > 0; round++) {
      assert(round < roundsMax, `replica ${replica.id} always has more to store or to apply`)
      while (replica.appendWork.length > 0) this.send(replica.store())
      while (replica.applyWork.length > 0) replica.apply()
      this.perform(replica)
    }
  }

  /** Delivers everything until nobody has anything more to say. */
  settle(): void {
    for (let round = 0; round < roundsMax; round++) {
      for (const replica of this.replicas) this.finish(replica)
      if (this.mail.length === 0) return
      assert(this.mail.length < mailMax, 'the cluster talks more and more')
      this.deliver()
    }
    assert(false, 'the cluster does not come to rest')
  }

  /** Delivers what is in the mail now, or the part of it that the filter takes. */
  deliver(filter: (message: Message) => boolean = () => true): readonly Message[] {
    const taken = this.mail.filter(filter)
    this.mail = this.mail.filter(message => !filter(message))
    for (const message of taken) this.replica(message.to).node.step(message)
    return taken
  }

  tick(ticks: number, ...ids: number[]): void {
    for (let i = 0; i < ticks; i++) {
      for (const replica of this.replicas) {
        if (ids.length === 0 || ids.includes(replica.id)) replica.node.tick()
      }
      this.settle()
    }
  }
}

/** Entries of the given terms from an index on. */
export function entriesOf(terms: readonly number[], firstIndex: number): Entry[] {
  return terms.map((term, i) => ({
    term,
    index: firstIndex + i,
    type: 'normal',
    data: new TextEncoder().encode(`${term}/${firstIndex + i}`),
    change: null,
  }))
}

export function textOf(entry: Entry): string {
  return new TextDecoder().decode(entry.data)
}
