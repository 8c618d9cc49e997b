import type { Random } from '../../base/random.ts'
import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import type { Command, Fenced, Result } from '../../core/machine/command.ts'
import type { Item } from '../../core/machine/item.ts'
import type { Revision } from '../../core/types.ts'
import { decodeValue } from '../../wire/value.ts'
import type { Backend, Freshness, Reader, ReadResult } from '../backend.ts'
import { type Call, startCall } from '../calls/call.ts'
import { checkNoNull } from '../calls/check-options.ts'
import { ClientSession } from '../calls/session.ts'
import type { HostParts } from '../parts.ts'
import { checkKey } from '../query/key-filter.ts'
import type { ReadQuery } from '../query/read-query.ts'
import { decodeCall, encodeArgs } from '../transactions/command.ts'
import type { CallOptions, Fence, ReadOptions, WriteOptions, Written } from '../types.ts'

/**
 * The calls of one store, whichever of its faces makes them: its session, what it has seen, and how it ends. Writes and
 * reads are of the keys of the store; tables translate.
 */
export class StoreCalls {
  readonly backend: Backend
  readonly clock: Clock
  readonly random: Random
  private readonly deadlineMs: number
  private readonly session: ClientSession
  /** The latest revision that this store wrote or read: what 'session' reads must not go back behind. */
  private seen: Revision = 0
  private ending: QuorateError | undefined
  private readonly endings = new Set<(error: QuorateError) => void>()

  constructor(options: {
    readonly backend: Backend
    readonly parts: HostParts
    readonly deadlineMs: number
  }) {
    const { id, random, clock } = options.parts
    this.backend = options.backend
    this.clock = clock
    this.random = random
    this.deadlineMs = options.deadlineMs
    this.session = new ClientSession({
      hostId: id,
      random,
      clock,
      submit: (proposal, call) => this.backend.submit(proposal, call),
    })
  }

  /** What this store has seen: nobody may be told of an older state as a later one. */
  get latest(): Revision {
    return this.seen
  }

  get isEnded(): boolean {
    return this.ending !== undefined
  }

  /** Throws why nothing works any more. */
  check(): void {
    if (this.ending !== undefined) throw this.ending
  }

  /** Fails what waits in here. */
  end(error: QuorateError): void {
    this.ending = error
    this.session.close(error)
    for (const ended of this.endings) ended(error)
  }

  /** Has what waits outside told of the end. Returns how to take it back. */
  onEnd(ended: (error: QuorateError) => void): () => void {
    this.endings.add(ended)
    return () => this.endings.delete(ended)
  }

  tick(now: number): void {
    this.session.tick(now)
  }

  start(options: CallOptions): Call {
    this.check()
    return startCall(this.clock, options, this.deadlineMs)
  }

  /** Of put, barrier and broadcast. No async function, which costs two promises more: see ClientSession.execute. */
  write(command: Unfenced, options: WriteOptions): Promise<Written> {
    try {
      return this.submit(command, options, this.written)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async execute(command: Unfenced, options: WriteOptions): Promise<Result> {
    const result = await this.submit(command, options, result => result)
    if (result.type === 'fenced') throw fenced()
    if ('revision' in result) this.see(result.revision)
    return result
  }

  /** Beside all writes of this store, and perhaps more than once. */
  async executeApart(command: Unfenced, options: CallOptions): Promise<Result> {
    return this.session.apart(command, this.start(options))
  }

  private submit<Value>(
    command: Unfenced,
    options: WriteOptions,
    answerOf: (result: Result) => Value,
  ): Promise<Value> {
    const call = this.withCommitted(this.start(options), options)
    const { fence } = options
    if (fence === undefined) return this.session.execute(command, call, answerOf)
    return this.session.execute({ type: 'fenced', ...checkFence(fence), command }, call, answerOf)
  }

  private readonly written = (result: Result): Written => {
    if (result.type === 'fenced') throw fenced()
    const { revision } = expectType(result, 'written')
    this.see(revision)
    return { revision }
  }

  /** Runs a registered command, and gives what it gave. */
  async run(
    name: string,
    args: unknown,
    options: WriteOptions,
  ): Promise<{ readonly value: unknown; readonly revision: Revision }> {
    const result = await this.execute({ type: 'call', name, args: encodeArgs(args), now: 0 }, options)
    if (result.type === 'failed') throw commandFailed(name, result)
    const { value, revision } = expectType(result, 'called')
    return { value: decodeCall(value), revision }
  }

  /** What `show` makes of a key's item. No async function: where the item is here already, it is one promise. */
  get<Shown>(key: string, options: ReadOptions, show: (item: Item | null) => Shown): Promise<Shown> {
    try {
      const call = this.start(options)
      const freshness = this.freshness(options)
      const here = this.backend.present(freshness)
      if (here === undefined) {
        return this.backend
          .read({ type: 'get', keys: [key] }, freshness, call)
          .then(({ items, revision }) => {
            this.see(revision)
            return show(items[0] ?? null)
          })
      }
      this.see(here.appliedIndex)
      return Promise.resolve(show(here.get(key) ?? null))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async read(query: ReadQuery, options: ReadOptions): Promise<ReadResult> {
    const call = this.start(options)
    const result = await this.backend.read(query, this.freshness(options), call)
    this.see(result.revision)
    return result
  }

  async view(options: ReadOptions): Promise<Reader> {
    const call = this.start(options)
    const reader = await this.backend.view(this.freshness(options), call)
    this.see(reader.revision)
    return reader
  }

  /** What a listener threw: the platform reports it as uncaught. */
  throwLater(error: unknown): void {
    this.clock.soon(() => {
      throw error
    })
  }

  private see(revision: Revision): void {
    this.seen = Math.max(this.seen, revision)
  }

  private freshness({ consistency = 'linearizable' }: ReadOptions): Freshness {
    switch (consistency) {
      case 'linearizable':
      case 'lease':
      case 'session':
      case 'stale':
        return { consistency, atLeast: this.seen }
      default:
        throw new TypeError("consistency is 'linearizable', 'lease', 'session' or 'stale'")
    }
  }

  private withCommitted(call: Call, { onCommitted }: WriteOptions): Call {
    if (onCommitted === undefined) return call
    if (typeof onCommitted !== 'function') throw new TypeError('onCommitted is a function')
    let isTold = false
    const committed = (revision: Revision) => {
      if (isTold) return
      isTold = true
      try {
        onCommitted(revision)
      } catch (error) {
        this.throwLater(error)
      }
    }
    return { ...call, committed }
  }
}

type Unfenced = Exclude<Command, Fenced>

function fenced(): QuorateError {
  return new QuorateError('FENCED', 'the lock is lost or somebody else has it; nothing was written')
}

export function expectType<Type extends Result['type']>(
  result: Result,
  type: Type,
): Extract<Result, { type: Type }> {
  if (result.type === type) return result as Extract<Result, { type: Type }>
  throw new QuorateError('INTERNAL', `a command was answered by a result of another kind: ${result.type}`)
}

function checkFence(fence: Fence): { readonly key: string; readonly createRevision: Revision } {
  checkNoNull(fence, 'fence')
  const { key, token } = fence
  checkKey(key, 'key of a fence')
  if (!Number.isSafeInteger(token) || token < 1) throw new TypeError('the token of a fence is a revision')
  return { key, createRevision: token }
}

/** What a command threw, to its caller. Nothing was written. */
function commandFailed(name: string, { code, detail }: Extract<Result, { type: 'failed' }>): QuorateError {
  // What a command threw itself has data, null at the least, and may be called as it likes.
  if (detail === null && code === 'TOO_LARGE')
    return new QuorateError(code, `what ${name} takes, reads, writes or gives is too large for one entry`)
  if (detail === null && code === 'LEASE_NOT_FOUND')
    return new QuorateError(code, 'the lease is over, or never was')
  const data = detail === null ? undefined : decodeValue(detail)
  return new QuorateError('COMMAND_FAILED', `the command ${name} failed: ${code}`, { detail: { code, data } })
}
