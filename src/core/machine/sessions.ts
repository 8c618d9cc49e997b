import { type ReadonlySequenceWindow, SequenceWindow } from '../../base/sequence-window.ts'
import { clockStampMs } from '../limits.ts'
import type { HostId, Index } from '../types.ts'
import type { Result, SessionId } from './command.ts'

/** What the group remembers of a client, so that no retry is applied twice (Raft thesis §6.3). */
export interface Session {
  readonly id: SessionId
  readonly host: HostId
  /** Results up to and including this number are forgotten. Never goes back. */
  readonly floor: number
  /** The index of its last command, by which the least recently used session is found. */
  readonly usedAt: Index
  /** The group's clock at that command, or as it was last stamped before. */
  readonly usedClock: number
  /** By number, all greater than `floor`, within a window of `sessionWindowMax`. */
  readonly results: ReadonlySequenceWindow<Result>
}

export interface SessionLimits {
  readonly sessionsMax: number
  readonly sessionWindowMax: number
  readonly sessionWindowBytesMax: number
}

/**
 * The sessions of a group. Everything here is replicated state: it changes by entries of the log only, never
 * by time, so that every replica forgets the same session at the same index.
 */
export class Sessions {
  private readonly limits: SessionLimits
  /** In the order of their ids, which is that of their opening. */
  private readonly table = new Map<SessionId, LiveSession>()
  /** Sessions of an earlier epoch belong to a snapshot as well, and are copied before they change. */
  private epoch = 0
  /** The group's, as it was stamped last. */
  private clock: number

  constructor(limits: SessionLimits, sessions: Iterable<Session>, clock: number) {
    this.limits = limits
    this.clock = clock
    for (const session of sessions) this.table.set(session.id, new LiveSession(session, this.epoch))
  }

  get size(): number {
    return this.table.size
  }

  /** The present sessions, of which there are few; what is done later does not show. */
  snapshot(): ReadonlyMap<SessionId, Session> {
    this.epoch++
    return new Map(this.table)
  }

  all(): Iterable<Session> {
    return this.table.values()
  }

  get(id: SessionId): Session | undefined {
    return this.table.get(id)
  }

  open(index: Index, host: HostId): SessionId {
    if (this.table.size >= this.limits.sessionsMax) this.evict()
    const session: Session = {
      id: index,
      host,
      floor: 0,
      usedAt: index,
      usedClock: this.clock,
      results: noResults,
    }
    this.table.set(index, new LiveSession(session, this.epoch))
    return index
  }

  close(id: SessionId): void {
    this.table.delete(id)
  }

  /**
   * A group in which nothing happens is not stamped, and its clock may leap. Whoever was used since it was stamped last
   * may have been at any time until now: just now, then, lest a session end in the midst of its use. But not by more
   * than once for a use: hence the one less, by which it is told from those that are used from now on.
   */
  clockWentOn(to: number): void {
    const from = this.clock
    this.clock = to
    if (to - from <= clockStampMs) return
    for (const session of [...this.table.values()])
      if (session.usedClock === from) this.own(session).usedClock = to - 1
  }

  /** Forgets those that nobody has used since then. */
  expire(before: number): void {
    const idle = [...this.table.values()].filter(session => session.usedClock < before)
    for (const { id } of idle) this.table.delete(id)
  }

  /** Marks the session as used and forgets what its client has; undefined when there is no such session. */
  use(index: Index, id: SessionId, acked: number): LiveSession | undefined {
    const present = this.table.get(id)
    if (present === undefined) return undefined
    const session = this.own(present)
    session.usedAt = index
    session.usedClock = this.clock
    session.forgetTo(acked)
    return session
  }

  /** The session as it may be changed. */
  private own(session: LiveSession): LiveSession {
    if (session.epoch === this.epoch) return session
    const copy = new LiveSession(session, this.epoch)
    this.table.set(session.id, copy)
    return copy
  }

  /**
   * Evicts the least recently used session. A scan, because it happens only when a session is opened in a
   * full table, while an index by use would cost every single command.
   */
  private evict(): void {
    let oldest: Session | undefined
    for (const session of this.table.values()) {
      if (oldest === undefined || session.usedAt < oldest.usedAt) oldest = session
    }
    if (oldest !== undefined) this.table.delete(oldest.id)
  }
}

/** A session that can still change. */
class LiveSession implements Session {
  readonly id: SessionId
  readonly host: HostId
  readonly epoch: number
  readonly results: SequenceWindow<Result>
  floor: number
  usedAt: Index
  usedClock: number
  private bytes = 0

  constructor(session: Session, epoch: number) {
    this.id = session.id
    this.host = session.host
    this.floor = session.floor
    this.usedAt = session.usedAt
    this.usedClock = session.usedClock
    this.results = new SequenceWindow(session.floor)
    this.epoch = epoch
    for (const [seq, result] of session.results) {
      this.results.set(seq, result)
      this.bytes += footprint(result)
    }
  }

  /**
   * Keeps the result until its client acknowledges it. The window slides as that of IPsec does (RFC 4303
   * §3.4.3): it ends at the highest number seen, and what falls out of it at the low end is forgotten and
   * never applied again. To refuse the new command instead would not be safe: its retry may find room and be
   * applied after all.
   */
  record(seq: number, result: Result, limits: SessionLimits): void {
    this.forgetTo(seq - limits.sessionWindowMax)
    this.results.set(seq, result)
    this.bytes += footprint(result)
    while (this.bytes > limits.sessionWindowBytesMax) this.forgetTo(this.floor + 1)
  }

  forgetTo(floor: number): void {
    if (floor <= this.floor) return
    if (this.bytes === 0) this.results.dropTo(floor)
    else
      this.results.dropTo(floor, result => {
        this.bytes -= footprint(result)
      })
    this.floor = floor
  }
}

const noResults = new SequenceWindow<Result>(0)

/** Only what has no small bound is counted, values and lists: the number of results has a bound of its own. */
function footprint(result: Result): number {
  if (result.type === 'kept') return 8 * result.gone.length
  if (result.type === 'checked' || result.type === 'called') return result.value?.length ?? 0
  return result.type === 'failed' ? (result.detail?.length ?? 0) : 0
}
