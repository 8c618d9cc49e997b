import { QuorateError } from '../../core/error.ts'
import type { LeaseId } from '../../core/machine/command.ts'

/**
 * Time for which something holds (Gray and Cheriton 1989). Keys that are put with it, by its `id`, are deleted at one
 * revision when it is over. The store keeps it alive until it is revoked; it is over when that did not reach a quorum
 * for `ttlMs` of the leader's time, because this host was suspended or cut off, say. Time without a leader does not
 * count. This host takes it for lost at nine tenths of that: it does not end early, not for a change of leaders, nor
 * for clocks that differ by less than a tenth.
 */
export class Lease {
  readonly id: LeaseId
  readonly ttlMs: number
  private readonly controller = new AbortController()
  private readonly end: (lease: Lease) => Promise<void>
  private revoking: Promise<void> | undefined

  /** @internal */
  constructor(id: LeaseId, ttlMs: number, end: (lease: Lease) => Promise<void>) {
    this.id = id
    this.ttlMs = ttlMs
    this.end = end
  }

  /** Aborted, with LEASE_LOST, as soon as this host does not know any more that the lease holds. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /**
   * Ends it, and deletes its keys. Idempotent. Where it rejects, it is tried again in the background for `ttlMs`; or by
   * calling it again.
   */
  revoke(): Promise<void> {
    this.revoking ??= this.end(this).catch(error => {
      this.revoking = undefined
      throw error
    })
    return this.revoking
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.revoke()
  }

  /** @internal */
  lost(why: string): void {
    this.controller.abort(new QuorateError('LEASE_LOST', why))
  }
}
