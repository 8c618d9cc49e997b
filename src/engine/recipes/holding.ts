import { QuorateError } from '../../core/error.ts'
import type { Revision } from '../../core/types.ts'
import { checkOptions } from '../calls/check-options.ts'
import type { CallOptions, Fence } from '../types.ts'
import { type HeldPlace, keyHere } from './line.ts'
import { checkSaid, type RecipeTable, setCommand } from './places.ts'

/**
 * A lock, a permit, leadership of an election, presence, a message: held until it is released or its lease is lost.
 *
 * No lock that ends by time can keep a holder from acting late: one that was suspended wakes up and goes on, and the
 * signal comes after that. What must not happen then is written with `fence`: `store.put(key, value, { fence: lock })`
 * does nothing from the moment on in which another one may hold. Or hand `token` on to what is outside, and have that
 * refuse a token that is less than one it has seen (a sequencer: Burrows 2006, §2.4).
 */
export class Holding implements Fence {
  /** Where it stands in the store: for `fence`. */
  readonly key: string
  /** The fencing token: greater than that of every earlier holder of the same name. */
  readonly token: Revision
  /** @internal */
  readonly place: HeldPlace
  private hasReleased = false

  /** @internal */
  constructor(place: HeldPlace) {
    this.key = place.key
    this.token = place.token
    this.place = place
  }

  /** Aborted, with LEASE_LOST, as soon as this host does not know any more that it holds; and by `release`. */
  get signal(): AbortSignal {
    return this.place.lease.signal
  }

  /** True after `release`. */
  get isReleased(): boolean {
    return this.hasReleased
  }

  /**
   * Lets go of it; the next one in line has it. Idempotent. Where it rejects, it is tried again in the background until
   * the lease has run out by itself; or by calling it again.
   */
  release(): Promise<void> {
    this.hasReleased = true
    return this.place.lease.revoke()
  }

  /** As `release`, but never rejects: what was done while it was held is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => {})
  }

  /** @internal Changes what it says. */
  protected async set(table: RecipeTable, value: unknown, options: CallOptions): Promise<Revision> {
    checkOptions(options)
    const { calls } = this.place.means
    checkSaid(value, true)
    const args = [table, keyHere(this.key), value]
    return (await calls.run(setCommand, args, { ...options, fence: this })).revision
  }
}

/** Runs what needs the holding, and releases it whatever comes of that. */
export async function holding<Held extends Holding, Value>(
  held: Held,
  run: (held: Held) => Value | Promise<Value>,
): Promise<Value> {
  try {
    const value = await run(held)
    // A host that stood still meanwhile has not been told.
    const { calls, leases } = held.place.means
    leases.tick(calls.clock.now())
    if (held.signal.aborted && !held.isReleased) throw lostMeanwhile(held.signal.reason)
    return value
  } finally {
    await held[Symbol.asyncDispose]()
  }
}

function lostMeanwhile(cause: unknown): QuorateError {
  return new QuorateError('LEASE_LOST', 'it was lost while the callback ran', { outcome: 'unknown', cause })
}
