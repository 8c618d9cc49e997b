import { assert } from '../../base/assert.ts'
import { Gate } from '../../base/gate.ts'
import type { Random } from '../../base/random.ts'
import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import { pendingProposalsBytesMax, sessionWindowMax } from '../../core/limits.ts'
import type { Command, Proposal, Result } from '../../core/machine/command.ts'
import type { HostId } from '../../core/types.ts'
import type { Answer } from '../replica/proposals.ts'
import { type Call, outcomeUnknown, Pending } from './call.ts'
import { SingleFlight } from './single-flight.ts'

export interface SessionParts {
  readonly hostId: HostId
  readonly random: Random
  readonly clock: Clock
  readonly submit: (proposal: Proposal, call: Call) => Promise<Answer>
}

/**
 * The client's end of a replicated session (Raft thesis §6.3): it numbers commands, and tells the group which results
 * it has, so that they can be forgotten. The session is opened with the first command, and again when it was evicted.
 */
export class ClientSession {
  private readonly parts: SessionParts
  private opened: OpenSession | undefined
  private readonly opening: SingleFlight<OpenSession>
  /** Commands that wait for a place in the window. */
  private readonly queue: Pending<void>[] = []
  /** How many of them were told to start, and have not yet. */
  private calledIn = 0
  private readonly gate = new Gate(pendingProposalsBytesMax)
  /** Of commands that wait for a session, or for that place. */
  private waitingBytes = 0

  constructor(parts: SessionParts) {
    this.parts = parts
    this.opening = new SingleFlight(parts.clock)
  }

  /**
   * Resolves with what `read` makes of the result of exactly one execution, or rejects with a typed error that says
   * what is known. Not an async function where a session is open: this is the way of every write, and each promise on
   * it costs.
   */
  execute<Value>(command: Command, call: Call, read: (result: Result) => Value): Promise<Value> {
    const session = this.opened
    if (session === undefined || this.queue.length > 0 || this.room(session) <= 0)
      return this.executeLater(command, call, read)
    return this.start(session, command, call, read)
  }

  /** Outside of the session: for what may be done more than once, and must not wait behind the writes of this host. */
  async apart(command: Command, { deadline, signal }: Call): Promise<Result> {
    const { random, submit } = this.parts
    const seq = 1 + Math.floor(random() * Number.MAX_SAFE_INTEGER)
    return (await submit({ session: 0, seq, acked: 0, command }, { deadline, signal })).result
  }

  private start<Value>(
    session: OpenSession,
    command: Command,
    call: Call,
    read: (result: Result) => Value,
  ): Promise<Value> {
    const seq = session.start()
    return this.parts.submit({ session: session.id, seq, acked: session.acked, command }, call).then(
      answer => {
        this.settle(session, seq)
        const result = this.conclude(session, answer)
        return result === undefined ? this.execute(command, call, read) : read(result)
      },
      error => {
        this.settle(session, seq)
        throw error
      },
    )
  }

  /** Ends what waited for a place in the window until its deadline. */
  tick(now: number): void {
    for (const pending of this.queue) {
      if (pending.isDue(now))
        pending.reject(
          new QuorateError('TIMEOUT', 'earlier writes are not confirmed yet', { retryable: true }),
        )
    }
  }

  close(error: QuorateError): void {
    for (const pending of this.queue) pending.reject(error)
    this.queue.length = 0
  }

  /** Opens a session, or waits for a place in the window. */
  private async executeLater<Value>(
    command: Command,
    call: Call,
    read: (result: Result) => Value,
  ): Promise<Value> {
    const bytes = sizeOf(command)
    if (!this.gate.admits(bytes, this.waitingBytes)) {
      throw new QuorateError('SYSTEM_BUSY', 'too many writes wait to be sent; nothing was written', {
        retryable: true,
      })
    }
    this.waitingBytes += bytes
    try {
      const session = this.opened ?? (await this.opening.run(call, () => this.open(call)))
      if (this.queue.length > 0 || this.room(session) <= 0) await this.place(session, call)
    } finally {
      this.waitingBytes -= bytes
    }
    const session = this.opened
    if (session === undefined) return this.execute(command, call, read)
    return this.start(session, command, call, read)
  }

  /** The result that the caller is to have; undefined: the command was not applied, and may be tried anew. */
  private conclude(session: OpenSession, { result, attempts }: Answer): Result | undefined {
    if (result.type === 'stale') throw outcomeUnknown('the session has forgotten the write')
    if (result.type !== 'session-expired') return result
    if (this.opened === session) this.opened = undefined
    // A single attempt that found no session was not applied; of several, an earlier one may have been.
    if (attempts > 1) throw outcomeUnknown('the session was evicted while the write was retried')
    return undefined
  }

  private settle(session: OpenSession, seq: number): void {
    session.settle(seq)
    if (this.queue.length > 0) this.callIn(session)
  }

  /** How many commands may start. Those that were called in have their places, and start in a moment. */
  private room(session: OpenSession): number {
    return sessionWindowMax - session.span - this.calledIn
  }

  private async place(session: OpenSession, call: Call): Promise<void> {
    const pending = new Pending<void>(call)
    this.queue.push(pending)
    this.callIn(session)
    await pending.promise
    this.calledIn -= 1
  }

  /** As many as there is room for: the oldest command may have held up a whole window. */
  private callIn(session: OpenSession): void {
    while (this.queue.length > 0 && this.room(session) > 0) {
      const next = this.queue.shift()
      if (next === undefined || next.isSettled) continue
      this.calledIn += 1
      next.resolve()
    }
  }

  private async open(call: Call): Promise<OpenSession> {
    // Opening has no session to make it count once. Doing it twice leaves a session that nobody uses, to be evicted.
    const result = await this.apart({ type: 'open-session', host: this.parts.hostId }, call).catch(
      asNothingWritten,
    )
    assert(result.type === 'session', 'opening a session gives a session')
    this.opened = new OpenSession(result.session)
    return this.opened
  }
}

/** What a waiting command takes: its bytes, and what the call and its promises cost in any case. */
function sizeOf(command: Command): number {
  let bytes = callOverheadBytes
  for (const field of Object.values(command)) {
    if (typeof field === 'string' || field instanceof Uint8Array) bytes += field.length
  }
  return command.type === 'fenced' ? bytes + sizeOf(command.command) : bytes
}

const callOverheadBytes = 1024

/** Whatever became of the opening, the command that wanted it was not handed on. */
function asNothingWritten(error: unknown): never {
  if (!(error instanceof QuorateError) || error.outcome === 'none') throw error
  const { code, message, retryable } = error
  // Removed or closed, it says so: only what merely took too long may be tried again.
  if (code !== 'OUTCOME_UNKNOWN') throw new QuorateError(code, message, { retryable, cause: error })
  throw new QuorateError('TIMEOUT', 'no session could be opened before the deadline; nothing was written', {
    retryable: true,
    cause: error,
  })
}

class OpenSession {
  readonly id: number
  /** Every command up to this one is settled. */
  acked = 0
  private last = 0
  private readonly settledAbove = new Set<number>()

  constructor(id: number) {
    this.id = id
  }

  /** Numbers from the first that is not settled to the last that was given: replicas remember a span, too. */
  get span(): number {
    return this.last - this.acked
  }

  start(): number {
    this.last += 1
    return this.last
  }

  settle(seq: number): void {
    if (seq !== this.acked + 1) {
      this.settledAbove.add(seq)
      return
    }
    this.acked = seq
    while (this.settledAbove.size > 0 && this.settledAbove.delete(this.acked + 1)) this.acked += 1
  }
}
