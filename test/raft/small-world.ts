import { createHash } from 'node:crypto'
import { AssertionError, assert, unreachable } from '../../src/base/assert.ts'
import type { Entry, Message } from '../../src/core/raft/index.ts'
import { Cluster, entriesOf, type TestReplica, textOf } from './cluster.ts'
import { RaftInvariants } from './raft-invariants.ts'

/** What may happen in a small world, and how often. */
export interface WorldOptions {
  /** Terms of the entries that replicas 1, 2 and 3 hold at the start, behind a first one that all have. */
  readonly logs: readonly (readonly number[])[]
  /** The term that all have seen. */
  readonly term: number
  /** Who was elected before anything else happens; that costs no action. 0: nobody. */
  readonly leader: number
  /** To whom nothing was delivered until then, so that it lies in the mail. 0: nobody. */
  readonly late: number
  /** Campaigns begin with the question whether they could be won (Raft thesis §9.6). */
  readonly preVote?: boolean
  readonly campaigns: number
  readonly proposals: number
  /** Crashes lose what was not stored. */
  readonly crashes: number
  /** Messages delivered that stay in the mail. */
  readonly duplicates: number
  /** Whether storing is an action of its own. If not, it happens at once. */
  readonly isStorageSlow: boolean
  /** Breaks the rule that a promise waits until it is durable, to see that the invariants notice. */
  readonly isHasty?: boolean
}

/** One thing that may happen next. */
export type Action =
  | { readonly type: 'campaign' | 'propose' | 'crash' | 'store'; readonly id: number }
  /** By position in the mail. */
  | { readonly type: 'deliver' | 'duplicate'; readonly at: number }

/**
 * Three replicas, their mail and their disks. Nothing happens but by `perform`. There is no time: nobody is in a hurry,
 * and a leader that is not answered asks again only when somebody answers it.
 */
export class SmallWorld {
  /** Which invariant did not hold, the first time that one did not. */
  violation: string | undefined
  private readonly cluster: Cluster
  private readonly invariants = new RaftInvariants()
  private readonly options: WorldOptions
  private readonly left: Record<'campaigns' | 'proposals' | 'crashes' | 'duplicates', number>

  constructor(options: WorldOptions) {
    const { logs, term, leader, preVote = false, campaigns, proposals, crashes, duplicates } = options
    const entries = (id: number): Entry[] => entriesOf(logs[id - 1] ?? [], 2)
    // One entry a message, so that a log may arrive in parts.
    const limits = { appendBytesMax: 0, inflightMessagesMax: 2, random: () => 0, preVote }
    this.cluster = new Cluster(3, limits, { currentTerm: term, entries })
    this.options = options
    this.left = { campaigns, proposals, crashes, duplicates }
    if (leader !== 0) this.elect(leader, options.late)
    this.violation = this.invariants.check(this.cluster.replicas)
  }

  /** Whether an entry is known to be committed: what most invariants are about. */
  get hasCommitted(): boolean {
    return this.invariants.hasCommitted
  }

  /** All that may happen now, in an order that depends on the world alone. */
  actions(): Action[] {
    const { left, cluster } = this
    const actions: Action[] = []
    for (const { id, isLeader, appendWork } of cluster.replicas) {
      // Where all begin alike, whoever campaigns first may be called 1.
      const isCandidate = id === 1 || left.campaigns < this.options.campaigns || !this.isAlike
      if (left.campaigns > 0 && !isLeader && isCandidate) actions.push({ type: 'campaign', id })
      if (left.proposals > 0 && isLeader) actions.push({ type: 'propose', id })
      if (left.crashes > 0) actions.push({ type: 'crash', id })
      if (appendWork.length > 0) actions.push({ type: 'store', id })
    }
    const texts = cluster.mail.map(textOfState)
    for (const [at, text] of texts.entries()) {
      // Of equal messages one is as good as the other.
      if (texts.indexOf(text) < at) continue
      actions.push({ type: 'deliver', at })
      if (left.duplicates > 0) actions.push({ type: 'duplicate', at })
    }
    return actions
  }

  perform(action: Action): void {
    try {
      this.carryOut(action)
      this.violation ??= this.invariants.check(this.cluster.replicas)
    } catch (error) {
      // A replica noticed by itself.
      if (!(error instanceof AssertionError)) throw error
      this.violation ??= error.message
    }
  }

  /** Equal for equal worlds, with what can still happen in them; of others, equal by a chance of one in 2^128. */
  fingerprint(): string {
    const { cluster, invariants, left } = this
    const replicas = cluster.replicas.map(({ node, log, appendWork, commit }) => [
      node.raft,
      log,
      appendWork,
      commit,
    ])
    const text = textOfState([replicas, cluster.mail.map(textOfState).sort(), invariants, left])
    return createHash('md5').update(text).digest('base64')
  }

  /** An action in words, before it is performed. */
  describe(action: Action): string {
    if ('id' in action) return `${action.type} ${action.id}`
    const { type, from, to, term, index, logTerm, commit, reject, entries } = this.mailAt(action.at)
    const parts = [`${type} of term ${term} from ${from} to ${to}`]
    if (type === 'MsgApp') parts.push(`after ${index} of term ${logTerm}, commit ${commit}`)
    if (type === 'MsgAppResp') parts.push(`up to ${index}`)
    for (const entry of entries) parts.push(`entry ${entry.index} of term ${entry.term} ${textOf(entry)}`)
    if (reject) parts.push('refused')
    return `${action.type} ${parts.join(', ')}`
  }

  private carryOut(action: Action): void {
    const { cluster, left } = this
    switch (action.type) {
      case 'campaign':
        left.campaigns--
        cluster.replica(action.id).node.campaign()
        break
      case 'propose':
        left.proposals--
        cluster.propose(action.id, 'x')
        break
      case 'crash':
        left.crashes--
        cluster.replica(action.id).crash()
        this.invariants.restarted(cluster.replica(action.id))
        break
      case 'store':
        this.store(cluster.replica(action.id))
        break
      case 'duplicate':
        left.duplicates--
        this.receive(this.mailAt(action.at))
        break
      case 'deliver': {
        const message = this.mailAt(action.at)
        cluster.mail.splice(action.at, 1)
        this.receive(message)
        break
      }
      default:
        unreachable(action)
    }
    for (const replica of cluster.replicas) this.finish(replica)
  }

  private elect(id: number, late: number): void {
    const { cluster } = this
    const kept: Message[] = []
    cluster.isLost = message => {
      const isLate = message.to === late
      if (isLate) kept.push(message)
      return isLate
    }
    cluster.elect(id)
    cluster.isLost = () => false
    cluster.mail.push(...kept)
  }

  private get isAlike(): boolean {
    const { leader, logs } = this.options
    return leader === 0 && logs.every(terms => terms.length === 0)
  }

  private mailAt(at: number): Message {
    const message = this.cluster.mail[at]
    assert(message !== undefined, 'the action was possible')
    return message
  }

  private receive(message: Message): void {
    this.cluster.replica(message.to).node.step(message)
  }

  private store(replica: TestReplica): void {
    this.send(replica, replica.store())
  }

  /** Takes what the replica wants done. Committed entries are applied at once: nothing depends on when. */
  private finish(replica: TestReplica): void {
    while (replica.node.hasReady() || replica.applyWork.length > 0 || this.mustStore(replica)) {
      while (replica.node.hasReady()) {
        this.send(replica, replica.takeReady())
        if (this.options.isHasty) this.promiseEarly(replica)
      }
      while (replica.applyWork.length > 0) replica.apply()
      if (this.mustStore(replica)) this.store(replica)
    }
  }

  private mustStore(replica: TestReplica): boolean {
    return !this.options.isStorageSlow && replica.appendWork.length > 0
  }

  private promiseEarly(replica: TestReplica): void {
    const isOwn = ({ to }: Message) => to === replica.id
    replica.appendWork = replica.appendWork.map(work => {
      this.send(
        replica,
        work.responses.filter(response => !isOwn(response)),
      )
      return { ...work, responses: work.responses.filter(isOwn) }
    })
  }

  private send(replica: TestReplica, messages: readonly Message[]): void {
    for (const message of messages) this.invariants.sent(replica, message)
    this.cluster.send(messages)
  }
}

/** What no behaviour depends on, or what never changes. */
const unseen = new Set(['config', 'storage', 'recent', 'window', 'conf'])

/** All that an object holds, as text. A field that a replica gets one day is in it by itself. */
function textOfState(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Map) return textOfState([...value])
  if (Array.isArray(value)) return `[${value.map(textOfState).join()}]`
  if (value instanceof Uint8Array) return `<${value}>`
  let text = '{'
  for (const [name, part] of Object.entries(value)) {
    if (!unseen.has(name) && typeof part !== 'function') text += `${textOfState(part)};`
  }
  return `${text}}`
}
