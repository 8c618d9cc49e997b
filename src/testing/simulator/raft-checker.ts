import { equalBytes } from '../../base/bytes.ts'
import type { Members } from '../../core/machine/members.ts'
import { hashState } from '../../core/machine/state-hash.ts'
import type { Message } from '../../core/raft/message.ts'
import type { Raft } from '../../core/raft/raft.ts'
import type { ConfState, Entry } from '../../core/raft/types.ts'
import type { GroupId, Index, ReplicaId, Term } from '../../core/types.ts'
import type { Replica } from '../../engine/replica/replica.ts'
import type { GroupWrite } from '../../storage/storage.ts'
import type { LogMirror } from './log-mirror.ts'
import type { Report } from './violation.ts'

/** How a replica was at the last look. */
interface Seen {
  term: Term
  vote: ReplicaId
  commit: Index
  applied: Index
  /** The last index of its log. */
  last: Index
  isLeader: boolean
  conf: ConfState
}

interface Known {
  readonly entry: Entry
  readonly previousTerm: Term | undefined
}

/** Terms and indexes of a simulation stay far below; their pair is one safe integer. */
const indexesMax = 2 ** 26

/**
 * The rules of Raft (paper, figure 3) over all replicas of a group, looked after once per event, and what this system
 * promises beyond them: a vote or an acknowledgement leaves only when what it promises is durable, a leader commits
 * what a quorum has on disk, and equal logs make equal states.
 */
export class RaftChecker {
  commitMax: Index = 0
  /** The configuration and the members that the replica with the latest state knows. */
  latest: { readonly applied: Index; readonly conf: ConfState; readonly members: Members } | undefined
  /** What the disks hold, by replica. A disk that is wiped leaves its last state here. */
  readonly durable = new Map<ReplicaId, LogMirror>()
  private readonly group: GroupId
  private readonly report: Report
  private readonly hashEvery: number
  private readonly seen = new WeakMap<Replica, Seen>()
  private readonly leaders = new Map<Term, ReplicaId>()
  /** By term and voter: who got the vote. */
  private readonly grants = new Map<number, ReplicaId>()
  private readonly committed: (Entry | undefined)[] = []
  /** By index: the term in which its commit was first seen. */
  private readonly commitTerms: Term[] = []
  private readonly known = new Map<number, Known>()
  private readonly hashes = new Map<Index, number>()
  /** Hears of each entry when its leader logs it. */
  logged: ((entry: Entry) => void) | undefined

  constructor(group: GroupId, report: Report, hashEvery: number) {
    this.group = group
    this.report = report
    this.hashEvery = hashEvery
  }

  /** A disk says whose it is. */
  named(mirror: LogMirror): void {
    if (mirror.replica === 0) return
    const earlier = this.durable.get(mirror.replica)
    if (earlier !== undefined && earlier !== mirror)
      this.fail('replica-id', `${mirror.replica} is used twice`)
    this.durable.set(mirror.replica, mirror)
  }

  /** Log matching: an entry of this index and term is the same everywhere, and follows the same one. */
  writing({ entries, snapshot }: GroupWrite, written: LogMirror): void {
    const before = (entries?.first ?? 0) - 1
    // A snapshot of the same write comes first, and may take the place of an entry of another leader.
    let previousTerm = snapshot?.index === before ? snapshot.term : written.termAt(before)
    for (const entry of entries ?? []) {
      const key = entry.term * indexesMax + entry.index
      const known = this.known.get(key)
      if (known === undefined || known.entry.type === 'stripped') this.known.set(key, { entry, previousTerm })
      else if (!isSame(known.entry, entry) || differ(known.previousTerm, previousTerm)) {
        this.fail('log-matching', `${entry.index} of term ${entry.term} is not the same everywhere`)
      }
      if (this.isOverwritten(entry, written)) {
        this.fail('committed-changed', `replica ${written.replica} overwrites committed entry ${entry.index}`)
      }
      previousTerm = entry.term
    }
  }

  /** A replica says something to a peer: it must be true of its disk. */
  saying(message: Message): void {
    const { type, from, to, term, index } = message
    if (message.reject || (type !== 'MsgVote' && type !== 'MsgVoteResp' && type !== 'MsgAppResp')) return
    const mirror = this.durable.get(from)
    if (mirror === undefined) return this.fail('durable-first', `replica ${from} speaks before it is stored`)
    // A candidate votes for itself. What it says of its log is no promise: another leader may have taken its end since.
    const vote = type === 'MsgVote' ? from : to
    if (type !== 'MsgAppResp') this.grant(term, from, vote)
    const { hardState, last } = mirror
    if (hardState.term > term) return
    const isLogStored = type !== 'MsgAppResp' || last >= index
    const isVoteStored = type === 'MsgAppResp' || hardState.vote === vote
    if (hardState.term === term && isVoteStored && isLogStored) return
    const what = type === 'MsgAppResp' ? `acknowledges ${index}` : `votes for ${vote}`
    this.fail('durable-first', `replica ${from} ${what} in term ${term} before it is durable`)
  }

  /** Looks at a replica after an event that may have moved it. True when it changed. */
  observe(replica: Replica): boolean {
    const { raft } = replica.node
    const seen = this.seen.get(replica) ?? this.first(replica, raft)
    const applied = replica.machine.appliedIndex
    const isLeader = raft.role === 'leader'
    const { committed } = raft.log
    const isSameTerm = raft.term === seen.term
    if (this.logged !== undefined) this.tellLogged(raft, seen, this.logged)
    if (isSameTerm && raft.vote === seen.vote && committed === seen.commit && applied === seen.applied) {
      if (isLeader === seen.isLeader && raft.conf === seen.conf) return false
    }
    if (raft.term < seen.term) this.fail('monotonic', `term of ${raft.id} went back to ${raft.term}`)
    if (isSameTerm && seen.vote !== 0 && raft.vote !== seen.vote) {
      this.fail('one-vote', `${raft.id} voted for ${seen.vote} and ${raft.vote} in term ${raft.term}`)
    }
    if (committed < seen.commit) this.fail('monotonic', `commit of ${raft.id} went back to ${committed}`)
    if (applied < seen.applied) this.fail('monotonic', `applied of ${raft.id} went back to ${applied}`)
    if (applied > committed) this.fail('monotonic', `${raft.id} applied ${applied} beyond ${committed}`)
    if (isLeader && !(seen.isLeader && isSameTerm)) this.elected(raft, seen)
    if (committed > seen.commit) this.advanced(raft, seen)
    if (applied !== seen.applied) this.applied(replica, applied)
    if (applied > (this.latest?.applied ?? 0)) {
      this.latest = { applied, conf: raft.conf, members: replica.machine.members }
    }
    seen.term = raft.term
    seen.vote = raft.vote
    seen.commit = committed
    seen.applied = applied
    seen.isLeader = isLeader
    seen.conf = raft.conf
    return true
  }

  /** The committed entry, where it is known. */
  entryAt(index: Index): Entry | undefined {
    return this.committed[index]
  }

  /** Equal states: asked for at the end, when all replicas should be alike. */
  compare(replica: Replica): void {
    this.hash(replica, replica.machine.appliedIndex)
  }

  private first(replica: Replica, raft: Raft): Seen {
    const mirror = this.durable.get(raft.id)
    const { term, vote } = mirror?.hardState ?? { term: 0, vote: 0 }
    const { conf } = raft
    const commit = raft.log.committed
    const seen = { term, vote, commit: 0, applied: 0, last: raft.log.lastIndex(), isLeader: false, conf }
    if (commit > Math.max(this.commitMax, 1))
      this.fail('commit', `${raft.id} starts beyond all commits: ${commit}`)
    this.seen.set(replica, seen)
    return seen
  }

  private tellLogged({ log, role, term }: Raft, seen: Seen, logged: (entry: Entry) => void): void {
    const last = log.lastIndex()
    const from = Math.max(seen.last + 1, log.firstIndex())
    const entries =
      role === 'leader' && from <= last ? log.slice(from, last + 1, Number.POSITIVE_INFINITY) : []
    if (entries !== 'compacted') for (const entry of entries) if (entry.term === term) logged(entry)
    seen.last = last
  }

  private elected(raft: Raft, seen: Seen): void {
    const { id, term } = raft
    const other = this.leaders.get(term) ?? id
    if (other !== id) this.fail('election-safety', `${other} and ${id} lead term ${term}`)
    this.leaders.set(term, id)
    this.grant(term, id, id)
    const hasVote = (voter: ReplicaId) => this.grants.get(term * indexesMax + voter) === id
    if (!isQuorum(raft.conf, hasVote) && !isQuorum(seen.conf, hasVote)) {
      this.fail('election-quorum', `${id} leads term ${term} without a majority of votes`)
    }
    for (let index = raft.log.firstIndex(); index <= this.commitMax; index++) {
      const entry = this.committed[index]
      if (entry === undefined || (this.commitTerms[index] ?? 0) >= term) continue
      if (raft.log.term(index) === entry.term) continue
      this.fail('leader-completeness', `${id} leads term ${term} without committed entry ${index}`)
    }
  }

  private advanced(raft: Raft, seen: Seen): void {
    const { log, id } = raft
    const to = log.committed
    // One that leads no more may have ended with its own decision: it was removed, say, or heard of its successor.
    const term = seen.isLeader ? seen.term : raft.term
    const from = Math.max(seen.commit + 1, log.firstIndex())
    const entries = from > to ? [] : log.slice(from, to + 1, Number.POSITIVE_INFINITY)
    if (entries === 'compacted') return
    for (const entry of entries) this.commit(id, entry, term)
    if (to <= this.commitMax) return
    if (!seen.isLeader && raft.role !== 'leader' && this.commitMax > 0) {
      this.fail('commit', `${id} takes ${to} for committed, which no leader has decided`)
    }
    this.commitMax = to
    if (!seen.isLeader) return
    const entryTerm = log.term(to)
    if (entryTerm !== term)
      this.fail('commit', `leader ${id} of term ${term} counts entry ${to} of ${entryTerm}`)
    const isStored = (voter: ReplicaId) => this.durable.get(voter)?.holds(to, term) === true
    if (!isQuorum(raft.conf, isStored) && !isQuorum(seen.conf, isStored)) {
      this.fail('commit-quorum', `${id} commits ${to}, which no majority of disks holds`)
    }
  }

  private commit(by: ReplicaId, entry: Entry, term: Term): void {
    const known = this.committed[entry.index]
    if (known === undefined || known.type === 'stripped') {
      this.committed[entry.index] = entry
      this.commitTerms[entry.index] ??= term
    } else if (!isSame(known, entry)) {
      this.fail('committed-changed', `${by} commits another entry at ${entry.index} of term ${entry.term}`)
    }
  }

  private applied(replica: Replica, index: Index): void {
    if (index % this.hashEvery === 0 && !replica.isWitness) this.hash(replica, index)
  }

  private hash(replica: Replica, index: Index): void {
    if (replica.isWitness) return
    const { votersOutgoing, voters } = replica.conf
    const hash = hashState(replica.machine) * 64 + voters.length * 8 + votersOutgoing.length
    const other = this.hashes.get(index) ?? hash
    this.hashes.set(index, other)
    if (hash !== other) this.fail('state-machine-safety', `${replica.id} has another state at ${index}`)
  }

  private grant(term: Term, voter: ReplicaId, candidate: ReplicaId): void {
    const key = term * indexesMax + voter
    const earlier = this.grants.get(key) ?? candidate
    this.grants.set(key, earlier)
    if (earlier !== candidate) {
      this.fail('one-vote', `replica ${voter} votes for ${earlier} and ${candidate} in term ${term}`)
    }
  }

  private isOverwritten(entry: Entry, written: LogMirror): boolean {
    const committed = this.committed[entry.index]
    const before = written.termAt(entry.index)
    return committed !== undefined && before === committed.term && before !== entry.term
  }

  private fail(rule: string, message: string): void {
    this.report(rule, `${this.group}: ${message}`)
  }
}

/** The same entry, or what a witness has of it. */
function isSame(left: Entry, right: Entry): boolean {
  return left === right || (left.term === right.term && isSameContent(left, right))
}

/** Of a witness's entry only the position is known. */
function isSameContent(left: Entry, right: Entry): boolean {
  if (left.type === 'stripped' || right.type === 'stripped') return true
  return left.type === right.type && equalBytes(left.data, right.data)
}

function differ(left: Term | undefined, right: Term | undefined): boolean {
  return left !== undefined && right !== undefined && left !== right
}

/**
 * A set that decides, or more than half of the voters, of both configurations while a change is under way. Counted
 * apart from the core.
 */
function isQuorum(conf: ConfState, agrees: (voter: ReplicaId) => boolean): boolean {
  const decides = (half: readonly ReplicaId[], sets: ConfState['quorums']) => {
    if (sets !== undefined) return sets.some(set => set.every(agrees))
    return half.length === 0 || 2 * half.filter(agrees).length > half.length
  }
  return decides(conf.voters, conf.quorums) && decides(conf.votersOutgoing, conf.quorumsOutgoing)
}
