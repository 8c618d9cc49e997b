import type { Entry, Message } from '../../src/core/raft/index.ts'
import { type TestReplica, textOf } from './cluster.ts'

/** An entry that was seen to be committed: its name, and the term of whoever said so first. */
interface Committed {
  readonly entry: string
  readonly term: number
}

/** A log by index: the name of each entry, and its term. */
interface LogView {
  readonly names: ReadonlyMap<number, string>
  readonly lastIndex: number
  readonly lastTerm: number
}

/**
 * The properties of the Raft paper (figure 3) over a fixed set of voters, stated so strictly that they break as early
 * as possible: a committed entry is durable on a majority, and nobody who lacks it could win an election now.
 * Remembers what no replica remembers: who led, who voted, what was committed.
 */
export class RaftInvariants {
  private readonly leaders = new Map<number, number>()
  /** By term and replica. */
  private readonly votes = new Map<number, Map<number, number>>()
  private voters = 0
  private readonly committed = new Map<number, Committed>()
  /** By replica; a restart begins anew. */
  private readonly commits = new Map<number, number>()
  /** Found between two checks. */
  private fault: string | undefined

  get hasCommitted(): boolean {
    return this.committed.size > 0
  }

  /** A replica forgot what was not durable. */
  restarted(replica: TestReplica): void {
    this.commits.delete(replica.id)
  }

  /** A message leaves: a vote that it grants is given. */
  sent(replica: TestReplica, message: Message): void {
    if (message.type === 'MsgVoteResp' && !message.reject) this.voted(replica.id, message.term, message.to)
  }

  /** Says what is broken, or undefined. */
  check(replicas: readonly TestReplica[]): string | undefined {
    for (const replica of replicas) {
      const { term, vote } = replica.log.initialState().hardState
      if (vote !== 0) this.voted(replica.id, term, vote)
    }
    this.voters = replicas.length
    const views = new Map(
      replicas.map(replica => [replica, { held: heldBy(replica), stored: storedBy(replica) }]),
    )
    const found = [...replicas].map(replica => {
      const held = views.get(replica)?.held ?? emptyView
      return this.checkLeader(replica, held) ?? this.checkCommit(replica, held)
    })
    const held = Array.from(views, ([replica, view]) => [replica.id, view.held] as const)
    const stored = Array.from(views.values(), view => view.stored)
    return this.fault ?? found.find(Boolean) ?? checkMatching(held) ?? this.checkCommitted(held, stored)
  }

  private get majority(): number {
    return Math.floor(this.voters / 2) + 1
  }

  /** One vote per term (§5.2), over all restarts. */
  private voted(id: number, term: number, candidate: number): void {
    const votes = this.votes.get(term) ?? new Map<number, number>()
    this.votes.set(term, votes)
    const before = votes.get(id) ?? candidate
    votes.set(id, before)
    if (before !== candidate) this.fault = `${id} voted for ${before} and for ${candidate} in term ${term}`
  }

  /** Election safety. */
  private checkLeader({ id, status }: TestReplica, held: LogView): string | undefined {
    if (status.role !== 'leader') return undefined
    const { term } = status
    const before = this.leaders.get(term) ?? id
    this.leaders.set(term, before)
    if (before !== id) return `${before} and ${id} lead term ${term}`
    const votes = [...(this.votes.get(term) ?? [])].filter(([, candidate]) => candidate === id).length
    if (votes < this.majority) return `${id} leads term ${term} with ${votes} votes`
    // Leader completeness: what was committed in earlier terms is in its log.
    for (const [index, { entry, term: seen }] of this.committed) {
      if (seen < term && held.names.get(index) !== entry) return `leader ${id} of term ${term} lacks ${entry}`
    }
    return undefined
  }

  /** State machine safety: what is committed never changes, and commit indexes never go back. */
  private checkCommit({ id, status }: TestReplica, held: LogView): string | undefined {
    const { commit, term } = status
    const before = this.commits.get(id) ?? 0
    this.commits.set(id, commit)
    if (commit < before) return `the commit index of ${id} went back from ${before} to ${commit}`
    for (let index = before + 1; index <= commit; index++) {
      const entry = held.names.get(index)
      if (entry === undefined) continue
      const known = this.committed.get(index)
      if (known === undefined) this.committed.set(index, { entry, term })
      else if (known.entry !== entry) return `${known.entry} and ${entry} are both committed`
    }
    return undefined
  }

  /** What is committed stays: a majority has it durably, and nobody could be elected without it (§5.4.1). */
  private checkCommitted(
    held: readonly (readonly [number, LogView])[],
    stored: readonly LogView[],
  ): string | undefined {
    for (const [index, { entry }] of this.committed) {
      const keepers = stored.filter(({ names }) => names.get(index) === entry)
      if (keepers.length < this.majority) return `${entry} is committed and durable on ${keepers.length} only`
      for (const [id, log] of held) {
        if (log.names.get(index) === entry) continue
        const voters = stored.filter(voter => isUpToDate(log, voter))
        if (voters.length >= this.majority) return `${id} could be elected without the committed ${entry}`
      }
    }
    return undefined
  }
}

/** Log matching: two logs that hold one entry at one index are the same up to there. */
function checkMatching(logs: readonly (readonly [number, LogView])[]): string | undefined {
  for (const [id, log] of logs) {
    for (const [other, { names }] of logs) {
      if (other <= id) continue
      let isSame = true
      for (const [index, entry] of log.names) {
        const theirs = names.get(index)
        if (theirs === undefined) break
        if (!isSame && theirs === entry) return `${id} and ${other} agree on ${entry} and differ before it`
        isSame = theirs === entry
      }
    }
  }
  return undefined
}

/** Whether `log` gets the vote of whoever has the log `voter` (Raft paper §5.4.1). */
function isUpToDate(log: LogView, voter: LogView): boolean {
  return (
    log.lastTerm > voter.lastTerm || (log.lastTerm === voter.lastTerm && log.lastIndex >= voter.lastIndex)
  )
}

const emptyView: LogView = { names: new Map(), lastIndex: 0, lastTerm: 0 }

/** The log by which the replica acts, durable or not. */
function heldBy({ node }: TestReplica): LogView {
  const { log } = node.raft
  return viewOf(node.entries(log.firstIndex(), log.lastIndex() + 1, Number.POSITIVE_INFINITY))
}

/** What would be left of it after a crash. */
function storedBy({ log }: TestReplica): LogView {
  return viewOf(log.entries(log.firstIndex(), log.lastIndex() + 1, Number.POSITIVE_INFINITY))
}

function viewOf(entries: Iterable<Entry> | string): LogView {
  const list = typeof entries === 'string' ? [] : [...entries]
  const last = list.at(-1)
  return {
    names: new Map(
      list.map(entry => [entry.index, `entry ${entry.index} of term ${entry.term} ${textOf(entry)}`]),
    ),
    lastIndex: last?.index ?? 1,
    lastTerm: last?.term ?? 1,
  }
}
