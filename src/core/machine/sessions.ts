import { type ReadonlySequenceWindow, SequenceWindow } from '../../base/sequence-window.ts'
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

  constructor(limits: SessionLimits, sessions: Iterable<Session> = []) {
    this.limits = limits
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
    const session: Session = { id: index, host, floor: 0, usedAt: index, results: noResults }
    this.table.set(index, new LiveSession(session, this.epoch))
    return index
  }

  close(id: SessionId): void {
    this.table.delete(id)
  }

  /** Marks the session as used and forgets what its client has; undefined when there is no such session. */
  use(index: Index, id: SessionId, acked: number): LiveSession | undefined {
    let session = this.table.get(id)
    if (session === undefined) return undefined
    if (session.epoch !== this.epoch) {
      session = new LiveSession(session, this.epoch)
      this.table.set(id, session)
    }
    session.usedAt = index
    session.forgetTo(acked)
    return session
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
export class LiveSession implements Session {
  readonly id: SessionId
  readonly host: HostId
  readonly epoch: number
  readonly results: SequenceWindow<Result>
  floor: number
  usedAt: Index
  private bytes = 0

  constructor(session: Session, epoch: number) {
    this.id = session.id
    this.host = session.host
    this.floor = session.floor
    this.usedAt = session.usedAt
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

/** Only values are counted: the number of results has a bound of its own. */
function footprint(result: Result): number {
  return result.type === 'checked' && result.value !== null ? result.value.length : 0
}
