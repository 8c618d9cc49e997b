import { QuorateError } from '../../core/error.ts'
import { leaseTtlMsMax, leaseTtlMsMin } from '../../core/limits.ts'
import type { LeaseId } from '../../core/machine/command.ts'
import type { CallOptions } from '../types.ts'
import { Lease } from './lease.ts'
import { expectType, type StoreCalls } from './store-calls.ts'

interface Kept {
  readonly lease: Lease
  /** By the clock of this host: counted from before the request left, so it ends here before it ends in the group. */
  heldUntil: number
  keepAt: number
}

/** Of its time, how much a lease is held here: the clock of this host may be a tenth slower than the leader's. */
const heldPart = 0.9

/** A lease is kept alive this many times within its time: one loss, or a slow election, does not end it. */
const keepsPerTtl = 3

/** The leases of one store, kept alive together: one command for all that are due. */
export class LeaseKeeper {
  private readonly calls: StoreCalls
  private readonly kept = new Map<LeaseId, Kept>()
  /** Revokes that did not arrive, and until when they are repeated: the leases are over by themselves then. */
  private readonly owed = new Map<Lease, number>()
  private isKeeping = false

  constructor(calls: StoreCalls) {
    this.calls = calls
  }

  async grant(ttlMs: number, options: CallOptions): Promise<Lease> {
    if (!Number.isSafeInteger(ttlMs) || ttlMs < leaseTtlMsMin || ttlMs > leaseTtlMsMax)
      throw new TypeError(`a lease lasts from ${leaseTtlMsMin} to ${leaseTtlMsMax} ms`)
    const sentAt = this.calls.clock.now()
    const result = await this.calls.execute({ type: 'lease-grant', ttlMs, clock: 0 }, options)
    if (result.type === 'failed')
      throw new QuorateError('SYSTEM_BUSY', 'the group has too many leases', { retryable: true })
    const id = expectType(result, 'written').revision
    const lease = new Lease(id, ttlMs, lease => this.revoke(lease))
    this.kept.set(id, { lease, heldUntil: sentAt + ttlMs * heldPart, keepAt: sentAt + ttlMs / keepsPerTtl })
    return lease
  }

  tick(now: number): void {
    for (const [lease, until] of this.owed) {
      if (now < until) this.end(lease, until).catch(() => {})
      else this.owed.delete(lease)
    }
    if (this.kept.size === 0) return
    const due: Kept[] = []
    for (const one of [...this.kept.values()]) {
      if (now >= one.heldUntil) this.lose(one, 'the lease could not be kept alive in time')
      else if (now >= one.keepAt) due.push(one)
    }
    if (due.length > 0 && !this.isKeeping) void this.keep(due, now)
  }

  /** The store is closed: what it held ends by itself in the group. */
  close(): void {
    for (const one of [...this.kept.values()]) this.lose(one, 'the store was closed')
  }

  private async keep(due: readonly Kept[], now: number): Promise<void> {
    this.isKeeping = true
    const deadlineMs = Math.max(...due.map(one => one.heldUntil)) - now
    const leases = due.map(one => one.lease.id)
    try {
      const command = { type: 'lease-keep-alive', leases, clock: 0 } as const
      const result = await this.calls.executeApart(command, { deadlineMs })
      const gone = new Set(expectType(result, 'kept').gone)
      for (const one of due) {
        if (gone.has(one.lease.id)) this.lose(one, 'the lease is over')
        // From before it left: so it ends here before it ends in the group.
        one.heldUntil = now + one.lease.ttlMs * heldPart
        one.keepAt = now + one.lease.ttlMs / keepsPerTtl
      }
    } catch {
      // Tried again with the next tick, until it is too late.
    } finally {
      this.isKeeping = false
    }
  }

  private async revoke(lease: Lease): Promise<void> {
    const one = this.kept.get(lease.id)
    if (one !== undefined) this.lose(one, 'the lease was revoked')
    await this.end(lease, this.calls.clock.now() + lease.ttlMs)
  }

  private async end(lease: Lease, until: number): Promise<void> {
    this.owed.delete(lease)
    try {
      await this.calls.execute({ type: 'lease-revoke', lease: lease.id }, {})
    } catch (error) {
      if (!this.calls.isEnded) this.owed.set(lease, until)
      throw error
    }
  }

  private lose({ lease }: Kept, why: string): void {
    if (this.kept.delete(lease.id)) lease.lost(why)
  }
}
