import { Gate } from '../../base/gate.ts'
import { SequenceMap } from '../../base/sequence-map.ts'
import type { Clock } from '../../clock/clock.ts'
import { type ErrorCode, type Outcome, QuorateError } from '../../core/error.ts'
import { deadlineMsMax, requestsMax } from '../../core/limits.ts'
import type { HostId } from '../../core/types.ts'
import { asArray, asBoolean, asNatural, asText } from '../../wire/guards.ts'
import { type Call, outcomeUnknown, Pending } from '../calls/call.ts'
import { wireMessage } from '../calls/message-of.ts'
import type { HostParts } from '../parts.ts'
import { ReplayGuard } from './replay-guard.ts'
import type { Sender } from './sender.ts'

/** Serves one kind of request. What it throws or rejects with goes back to the asker. */
export type Serve = (from: HostId, body: unknown, call: Call) => Promise<unknown>

/**
 * What an answer that does not come leaves unknown: nothing; whether it was done, which may be asked for again
 * ('repeatable'); or that, and it must not be asked for twice ('once'): then OUTCOME_UNKNOWN, which is final, says so,
 * and what is retryable beside that did not happen.
 */
export type Effect = 'none' | 'repeatable' | 'once'

interface Asked {
  readonly id: number
  readonly to: HostId
  readonly effect: Effect
  readonly read: (answer: unknown) => unknown
  readonly pending: Pending<unknown>
}

/** A question to another host. */
export interface Question<Value> {
  readonly method: string
  readonly body: unknown
  /** Throws MalformedError on what is no answer. */
  readonly read: (answer: unknown) => Value
  /** Default 'none'. */
  readonly effect?: Effect
}

/** Frames get lost, and the one who was asked may have lost its leader: after so long it is asked again, or another. */
export const attemptMs = 3000

/** Time for an answer to be noticed as due, and to come back. */
const answerMs = 400

/** What ended the asked host, or its replica, and not us: another host may well answer. */
export const endingCodes: readonly ErrorCode[] = ['CLOSED', 'REMOVED', 'STORAGE_FAILED']

/**
 * Questions and answers between hosts, over unreliable frames: an answer that does not come is an error at the asker's
 * deadline or when the peer is lost. It may have been served even so: what must not happen twice needs a session.
 */
export class Requests {
  private readonly sender: Sender
  private readonly clock: Clock
  private readonly asked = new SequenceMap<Asked>()
  private readonly askedGate = new Gate(requestsMax)
  private readonly served = new Map<string, Serve>()
  private readonly servedGate = new Gate(requestsMax)
  private readonly guard = new ReplayGuard()
  /** How many are being served. */
  private serving = 0
  /** Begins at random: an answer to an earlier life of this host must not be taken for one to a question of ours. */
  private lastId: number
  private ending: ((outcome: 'none' | 'unknown') => QuorateError) | undefined

  constructor(sender: Sender, { clock, random }: Pick<HostParts, 'clock' | 'random'>) {
    this.sender = sender
    this.clock = clock
    this.lastId = Math.floor(random() * 2 ** 45)
  }

  serve(method: string, serve: Serve): void {
    this.served.set(method, serve)
  }

  /** Rejects with UNREACHABLE when the peer is lost, TIMEOUT at the deadline, else with the peer's own error. */
  ask<Value>(to: HostId, question: Question<Value>, call: Call): Promise<Value> {
    const { method, body, read, effect = 'none' } = question
    if (this.ending !== undefined) return Promise.reject(this.ending('none'))
    if (!this.askedGate.admits(1, this.asked.size)) return Promise.reject(busy('asked of others'))
    const id = ++this.lastId
    // What is asked once has its answer as long as there is somebody who waits for it.
    const deadline = effect === 'once' ? (call.askerDeadline ?? call.deadline) : call.deadline
    const pending = new Pending<unknown>({ ...call, deadline }, () => this.asked.delete(id))
    // It is resolved by what `read` gives, and by nothing else.
    const promise = pending.promise as Promise<Value>
    if (pending.isSettled) return promise
    this.asked.set(id, { id, to, effect, read, pending })
    const waitMs = Math.max(1, Math.ceil(deadline - this.clock.now()))
    try {
      if (this.sender.send(to, 'log', 'request', [id, method, waitMs, body])) return promise
      pending.reject(unreachable(to))
    } catch (error) {
      // What cannot be encoded is not asked: its asker hears of it here, and not at some deadline.
      pending.reject(error)
    }
    this.asked.delete(id)
    return promise
  }

  /** A request came in. */
  receive(from: HostId, body: unknown): void {
    const fields = asArray(body, 4)
    const id = asNatural(fields[0])
    if (this.guard.isRepeated(from, id)) return
    const serve = this.served.get(asText(fields[1]))
    const waitMs = Math.min(asNatural(fields[2]), deadlineMsMax)
    const askerDeadline = this.clock.now() + waitMs
    // A little earlier than the asker gives up: the reason is to arrive, and says more than that time is over.
    const deadline = askerDeadline - Math.min(answerMs, waitMs / 4)
    const call: Call = { deadline, askerDeadline, signal: undefined }
    const answer = (ok: boolean, result: unknown) =>
      this.sender.send(from, 'log', 'response', [id, ok, result])
    if (serve === undefined) {
      answer(false, errorBody(new QuorateError('UNSUPPORTED', 'this host does not know such a request')))
      return
    }
    if (!this.servedGate.admits(1, this.serving)) {
      answer(false, errorBody(busy('served for others')))
      return
    }
    this.serving += 1
    // Begun at once, not behind the turn: a peer that went in the same turn must find here what it is to end.
    new Promise(resolve => resolve(serve(from, fields[3], call)))
      .then(result => answer(true, result))
      .catch(error => answer(false, errorBody(error)))
      .finally(() => {
        this.serving -= 1
      })
  }

  /** An answer came in. One that nobody waits for is late, and dropped. */
  answered(from: HostId, body: unknown): void {
    const fields = asArray(body, 3)
    const id = asNatural(fields[0])
    const asked = this.asked.get(id)
    if (asked === undefined || asked.to !== from) return
    // Read first: what cannot be read is no answer, and who asked goes on waiting.
    if (asBoolean(fields[1])) asked.pending.resolve(asked.read(fields[2]))
    else asked.pending.reject(finalWhereOnce(asked, errorOf(from, fields[2])))
    this.asked.delete(id)
  }

  disconnected(peer: HostId): void {
    this.guard.forget(peer)
    for (const asked of [...this.asked.values()]) {
      if (asked.to !== peer) continue
      this.asked.delete(asked.id)
      asked.pending.reject(finalWhereOnce(asked, unreachable(peer, outcomeOf(asked))))
    }
  }

  tick(now: number): void {
    for (const asked of [...this.asked.values()]) {
      if (!asked.pending.isDue(now)) continue
      this.asked.delete(asked.id)
      const outcome = outcomeOf(asked)
      const error = new QuorateError('TIMEOUT', 'no answer came before the deadline', {
        retryable: true,
        outcome,
      })
      asked.pending.reject(finalWhereOnce(asked, error))
    }
  }

  /** What was asked may have been done; what is asked from now on is not even sent. */
  close(error: (outcome: 'none' | 'unknown') => QuorateError): void {
    this.ending = error
    for (const asked of [...this.asked.values()]) {
      this.asked.delete(asked.id)
      asked.pending.reject(error('unknown'))
    }
  }
}

/** Of what was asked and not answered. */
function outcomeOf({ effect }: Asked): Outcome {
  return effect === 'none' ? 'none' : 'unknown'
}

function finalWhereOnce({ effect }: Asked, error: QuorateError): QuorateError {
  const isUnsure = effect === 'once' && error.retryable && error.outcome !== 'none'
  return isUnsure ? outcomeUnknown(error.message, error) : error
}

function busy(what: string): QuorateError {
  return new QuorateError('SYSTEM_BUSY', `too much is ${what} at once`, { retryable: true })
}

function unreachable(peer: HostId, outcome: Outcome = 'none'): QuorateError {
  const message = `the connection to host ${peer} was lost`
  return new QuorateError('UNREACHABLE', message, { retryable: true, outcome })
}

function errorBody(error: unknown): unknown {
  if (error instanceof QuorateError) {
    return [error.code, wireMessage(error.message), error.retryable, error.outcome]
  }
  const message = error instanceof Error ? error.message : 'the host failed to serve the request'
  return ['INTERNAL', wireMessage(message), false, 'none']
}

function errorOf(peer: HostId, body: unknown): QuorateError {
  const [codeField, messageField, retryable, outcomeField] = asArray(body, 4)
  const code = asText(codeField) as ErrorCode
  const message = asText(messageField)
  const outcome = asText(outcomeField) as Outcome
  if (endingCodes.includes(code)) {
    return new QuorateError('UNREACHABLE', `host ${peer} ended: ${message}`, { retryable: true, outcome })
  }
  return new QuorateError(code, message, { retryable: asBoolean(retryable), outcome })
}
