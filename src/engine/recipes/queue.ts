import { isQuorateError, QuorateError } from '../../core/error.ts'
import type { Change } from '../../core/machine/item.ts'
import type { Revision } from '../../core/types.ts'
import type { Call } from '../calls/call.ts'
import { checkOptions } from '../calls/check-options.ts'
import type { CallOptions, WriteOptions, Written } from '../types.ts'
import { changesFrom } from './follow.ts'
import { Holding } from './holding.ts'
import { confirm, grant, type HeldPlace, type HoldOptions, watchOver, withLease } from './line.ts'
import { type Means, rest, scan, startOf, step } from './means.ts'
import {
  checkSaid,
  claimMark,
  itemMark,
  placeOf,
  pushCommand,
  type Taken,
  type Taking,
  takeCommand,
} from './places.ts'

/** An item that was received and is still in the queue, hidden from others until it is acknowledged or comes back. */
export class Message<Value = unknown> extends Holding {
  readonly value: Value
  private readonly item: string

  /** @internal */
  constructor(place: HeldPlace, item: string, value: Value) {
    super(place)
    this.item = item
    this.value = value
  }

  /**
   * Removes it for good: done. Rejects with FENCED where the claim to it was lost: it came back, and others have it or
   * will. With `release` instead it comes back at once.
   */
  async acknowledge(options: CallOptions = {}): Promise<void> {
    checkOptions(options)
    await this.place.means.calls.execute({ type: 'delete', key: this.item }, { ...options, fence: this })
    await this[Symbol.asyncDispose]()
  }
}

/**
 * First in, first out, for many who push and many who take: each item goes to one of them. Who waits for an item is
 * told of it and asks no one meanwhile.
 */
export class Queue<Value = unknown> {
  private readonly means: Means
  private readonly name: string
  private readonly prefix: string

  /** @internal */
  constructor(means: Means, name: string) {
    this.means = means
    this.name = name
    this.prefix = placeOf('$queue', name)
  }

  /** Puts a value at the end, once. */
  async push(value: Value, options: WriteOptions = {}): Promise<Written> {
    checkSaid(value)
    const { revision } = await this.means.calls.run(pushCommand, [this.name, value], options)
    return { revision }
  }

  /**
   * Removes the first item and gives its value; waits for one as long as `deadlineMs` says (TIMEOUT; default: as long
   * as it takes). The signal ends the wait, and takes back no taking: where an item was asked for already, and is
   * given, it comes all the same, a moment later. So an abort loses nothing, and none was taken where it rejects with
   * the signal's reason. Each item is given out once at most: one whose taker is gone before it heard of it, or had
   * OUTCOME_UNKNOWN, is lost. `receive` is for what must be done at least once. An item that cannot be read (a broken
   * host wrote it) is removed, and whoever asked for it gets UNSUPPORTED, from `receive`, too.
   */
  async take(options: CallOptions = {}): Promise<Value> {
    const call = startOf(this.means, options)
    const taking = { ...call, signal: undefined }
    const [, , value] = await this.first(call, () => this.takeOne(null, step(this.means, options, taking)))
    return value as Value
  }

  /**
   * Gives the first item that nobody else has, and keeps it for this one until it is acknowledged. Where it is not, and
   * the lease ends (`ttlMs`, see `store.lock`) because this host is gone, it comes back to its place in front.
   */
  async receive(options: HoldOptions = {}): Promise<Message<Value>> {
    const call = startOf(this.means, options)
    return this.first(call, async () => {
      const lease = await grant(this.means, options, call)
      return withLease(this.means, lease, options, async () => {
        const words = step(this.means, options, { ...call, signal: lease.signal })
        const taken = await this.takeOne(lease.id, words)
        if (taken === undefined) return undefined
        const [item, claim, value, token] = taken
        const place = { means: this.means, key: this.inStore(claim), token, lease }
        watchOver(place)
        confirm(this.means, lease)
        return new Message(place, this.inStore(item), value as Value)
      })
    })
  }

  /** How many items are in it, those that were received and not acknowledged among them. */
  async size(options: CallOptions = {}): Promise<number> {
    const query = { type: 'count', bounds: { prefix: this.prefix + itemMark } } as const
    return (await this.means.calls.read(query, options)).count
  }

  /** Tries until there was something; looks before it writes, so that waiting at an empty queue is not in the log. */
  private async first<Found>(call: Call, tryOnce: () => Promise<Found | undefined>): Promise<Found> {
    const { calls } = this.means
    const bounds = { prefix: this.prefix + itemMark }
    for (;;) {
      const { items, revision } = await scan(calls, bounds, rest(calls, call), { limit: 1 })
      const found = items.length > 0 ? await tryOnce() : undefined
      if (found !== undefined) return found
      await this.freed(revision, call)
    }
  }

  /** Waits until an item comes or comes back, without reading those that are there and are others'. */
  private async freed(since: Revision, call: Call): Promise<void> {
    const { calls } = this.means
    const items = this.prefix + itemMark
    const claims = this.prefix + claimMark
    const done = new Set<string>()
    let isFree = false
    const take = ({ type, key }: Change) => {
      if (key.startsWith(items)) {
        if (type === 'delete') done.add(key.slice(items.length))
        else isFree = true
      } else if (type === 'delete' && !done.delete(key.slice(claims.length))) isFree = true
    }
    try {
      for await (const _ of changesFrom(calls, { prefix: this.prefix }, since + 1, take, call))
        if (isFree) return
    } catch (error) {
      // Whatever happened meanwhile, the next look shows.
      if (!isQuorateError(error, 'COMPACTED')) throw error
    }
  }

  private async takeOne(lease: number | null, options: CallOptions) {
    const args: Taking = [this.name, lease]
    const { value, revision } = await this.means.calls.run(takeCommand, args, options)
    const taken = value as Taken
    if (taken === null) return undefined
    if (taken.length === 1) {
      const message = 'an item of the queue is of a form that this version does not read; it was removed'
      throw new QuorateError('UNSUPPORTED', message, { retryable: true, outcome: 'applied' })
    }
    return [...taken, revision] as const
  }

  private inStore(key: string): string {
    return this.prefix + key.slice(this.name.length + 1)
  }
}
