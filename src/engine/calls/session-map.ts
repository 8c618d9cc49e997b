import { SequenceMap } from '../../base/sequence-map.ts'
import type { SessionId } from '../../core/machine/command.ts'

/** With fewer sessions than this nobody looks for those without a value. */
const sessionsMany = 64

/** Values by session and number, of commands that are under way. */
export class SessionMap<Value> {
  /** Kept while it is empty: its next command mostly comes at once. */
  private readonly sessions = new Map<SessionId, SequenceMap<Value>>()
  private count = 0
  /** How many sessions there are when those without a value are let go. */
  private sweepAt = sessionsMany

  get size(): number {
    return this.count
  }

  get(session: SessionId, seq: number): Value | undefined {
    return this.sessions.get(session)?.get(seq)
  }

  set(session: SessionId, seq: number, value: Value): void {
    const ofSession = this.sessions.get(session) ?? this.begin(session)
    if (ofSession.get(seq) === undefined) this.count += 1
    ofSession.set(seq, value)
  }

  delete(session: SessionId, seq: number): void {
    if (this.sessions.get(session)?.delete(seq)) this.count -= 1
  }

  clear(): void {
    this.sessions.clear()
    this.count = 0
    this.sweepAt = sessionsMany
  }

  /** Session by session, each as its map gives them. */
  *values(): Generator<Value> {
    for (const ofSession of this.sessions.values()) yield* ofSession.values()
  }

  private begin(session: SessionId): SequenceMap<Value> {
    if (this.sessions.size >= this.sweepAt) {
      for (const [id, ofSession] of this.sessions) if (ofSession.size === 0) this.sessions.delete(id)
      // So that a look at all of them is paid for by as many that came since the last one.
      this.sweepAt = Math.max(sessionsMany, 2 * this.sessions.size)
    }
    const ofSession = new SequenceMap<Value>()
    this.sessions.set(session, ofSession)
    return ofSession
  }
}
