import { isQuorateError, QuorateError } from '../../core/error.ts'
import { leaseTtlMsDefault } from '../../core/limits.ts'
import type { Revision } from '../../core/types.ts'
import type { Call } from '../calls/call.ts'
import { keyInTable } from '../query/table-keys.ts'
import type { Lease } from '../store/lease.ts'
import type { CallOptions } from '../types.ts'
import { follow } from './follow.ts'
import { type Means, rest, scan, startOf, step, timeout } from './means.ts'
import { checkSaid, type Entered, type Entering, enterCommand, placeOf, type RecipeTable } from './places.ts'

/** How something is held, and how long one waits for it. */
export interface HoldOptions extends CallOptions {
  /**
   * Milliseconds after which it is somebody else's, from one second to a day, once this host is gone or cut off. It is
   * kept alive until then. Default: 15 seconds.
   */
  readonly ttlMs?: number
  /**
   * How long to wait for one's turn (TIMEOUT, and nothing is left behind). Default: as long as it takes; where the
   * group cannot be reached, until the host's `deadlineMs`, or in the line until its place is lost (LEASE_LOST).
   */
  readonly deadlineMs?: number
}

/** A place in a line: a key that goes with a lease of its own. */
export interface HeldPlace {
  readonly means: Means
  /** Of the store. */
  readonly key: string
  /** The revision that made the key: places are admitted in this order, and no two have the same. */
  readonly token: Revision
  readonly lease: Lease
}

/**
 * The general mechanism behind locks, semaphores, elections and presence: who enters puts a key with a lease, and keys
 * are in the order in which they came. The first `limit` of them hold, the others wait.
 *
 * - A place is admitted for good: later ones are behind it, so it holds for as long as its key exists. A fence on that
 *   key fails from the moment on in which somebody else may hold.
 * - Each place has a lease of its own. Whoever gives up revokes it, whatever became of entering: an entry that is
 *   logged after that finds no lease. And no key is ever made a second time.
 * - Who waits watches one key, the one before it, where one holds; else only how many are before it.
 * - Losing the lease in line ends the wait (LEASE_LOST), and what was waited for is not taken for granted: the place is
 *   read anew before it is given out.
 */
export class Line {
  private readonly means: Means
  private readonly table: RecipeTable
  private readonly name: string
  private readonly limit: number | null
  /** What its keys begin with in the store. */
  readonly prefix: string

  /** `limit`: how many may hold at once; null: all. */
  constructor(means: Means, table: RecipeTable, name: string, limit: number | null) {
    this.means = means
    this.table = table
    this.name = name
    this.limit = limit
    this.prefix = placeOf(table, name)
  }

  /** Undefined where nothing is free and `waits` is false. */
  async enter(options: HoldOptions, value: unknown, waits: true): Promise<HeldPlace>
  async enter(options: HoldOptions, value: unknown, waits: boolean): Promise<HeldPlace | undefined>
  async enter(options: HoldOptions, value: unknown, waits: boolean): Promise<HeldPlace | undefined> {
    const { calls } = this.means
    const call = startOf(this.means, options)
    checkSaid(value, true)
    const lease = await grant(this.means, options, call)
    return withLease(this.means, lease, options, async () => {
      const held = await this.join(lease, { value, waits }, options, call)
      if (held !== undefined) confirm(this.means, lease)
      calls.check()
      return held
    })
  }

  private async join(
    lease: Lease,
    { value, waits }: { readonly value: unknown; readonly waits: boolean },
    options: HoldOptions,
    call: Call,
  ): Promise<HeldPlace | undefined> {
    const { means, table, name, limit } = this
    const args: Entering = [table, name, limit, value, lease.id, waits]
    const { value: entered, revision } = await means.calls.run(
      enterCommand,
      args,
      step(means, options, { ...call, signal: lease.signal }),
    )
    const place = entered as Entered
    if (place[0] === 'held') return undefined
    if (place[0] !== 'entered') throw refusalOf(place)
    const [, key, isAdmitted] = place
    const held = { means, key: this.prefix + key.slice(name.length + 1), token: revision, lease }
    watchOver(held)
    if (!isAdmitted && limit !== null) await this.admitted(held, limit, call.deadline)
    return held
  }

  /** Waits until so few are before it that it holds. */
  private async admitted({ key, lease }: HeldPlace, limit: number, deadline: number): Promise<void> {
    const { calls } = this.means
    const call = { deadline, signal: lease.signal }
    for (;;) {
      const bounds = { gte: this.prefix, lte: key }
      const nearest = { limit: limit + 1, reverse: true }
      const [mine, before, ...others] = (await scan(calls, bounds, rest(calls, call), nearest)).items
      if (mine?.key !== key) throw new QuorateError('LEASE_LOST', 'the place in the line is lost')
      const ahead = others.length + (before === undefined ? 0 : 1)
      if (before === undefined || ahead < limit) return
      // Where one holds, the one before is the last to go: only who is next hears of a change.
      const heard = limit === 1 ? { gte: before.key, lte: before.key } : { gte: this.prefix, lt: key }
      for await (const present of follow(calls, heard, call)) if (present.size < limit) break
    }
  }
}

/** A lease that nobody heard of holds nothing, and runs out. */
export function grant(means: Means, options: HoldOptions, call: Call): Promise<Lease> {
  const { ttlMs = leaseTtlMsDefault } = options
  return means.leases.grant(ttlMs, step(means, options, call)).catch(nothingHeld)
}

/**
 * Does what needs a lease. Where nothing comes of it, or the caller goes, the lease is given up in the background: what
 * was or will yet be put with it is gone then, or is refused. Where even that does not arrive, it runs out.
 */
export async function withLease<Value>(
  { calls }: Means,
  lease: Lease,
  { signal }: CallOptions,
  act: () => Promise<Value | undefined>,
): Promise<Value | undefined> {
  let isOver = false
  const giveUp = () => {
    if (!isOver) lease.revoke().catch(() => {})
    isOver = true
  }
  if (signal?.aborted) giveUp()
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    const value = await act()
    if (value === undefined || isOver) giveUp()
    signal?.throwIfAborted()
    return value
  } catch (error) {
    giveUp()
    signal?.throwIfAborted()
    calls.check()
    // Whatever was done is undone by the end of the lease.
    return nothingHeld(error)
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

function nothingHeld(error: unknown): never {
  throw isQuorateError(error) && error.outcome === 'unknown' ? timeout(error) : error
}

/** Throws LEASE_LOST where the time of the lease is over by now: a host that stood still has not been told. */
export function confirm({ calls, leases }: Means, lease: Lease): void {
  leases.tick(calls.clock.now())
  lease.signal.throwIfAborted()
}

/** The lease is lost as soon as the key is seen to be gone: before this host would hear of it by keeping it alive. */
export function watchOver({ means: { calls }, key, token, lease }: HeldPlace): void {
  try {
    const feed = calls.backend.watch({ key }, token + 1, {
      changes: changes => {
        if (changes.some(change => change.type === 'delete')) lease.lost('the key that it held is gone')
      },
      end: () => {},
    })
    const stop = () => feed.stop()
    if (lease.signal.aborted) stop()
    else lease.signal.addEventListener('abort', stop, { once: true })
  } catch (error) {
    if (!isQuorateError(error, 'COMPACTED')) throw error
  }
}

function refusalOf([why, limit]: Exclude<Entered, readonly ['entered', ...unknown[]]>): QuorateError {
  if (why !== 'limit')
    return new QuorateError('SYSTEM_BUSY', 'too many wait in this line', { retryable: true })
  return new QuorateError('LIMIT_MISMATCH', `it is held with a limit of ${limit}`, { detail: { limit } })
}

/** The key in its table, as commands name it. */
export function keyHere(key: string): string {
  return keyInTable(key).key
}
