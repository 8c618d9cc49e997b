import type { TransportCounters } from './transport.ts'

/** Counts reasons. The set of reasons is fixed by the code, never by what a peer sends, so it stays small. */
export class Counters {
  private readonly counts = new Map<string, number>()

  add(reason: string, by = 1): void {
    this.counts.set(reason, (this.counts.get(reason) ?? 0) + by)
  }

  get(reason: string): number {
    return this.counts.get(reason) ?? 0
  }

  snapshot(): TransportCounters {
    return Object.fromEntries(this.counts)
  }
}
