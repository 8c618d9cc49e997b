/** A rate with bursts: `perSecond` tokens flow in, up to `burst` are kept. A debt is allowed, and waited off. */
export class TokenBucket {
  private readonly perSecond: number
  private readonly burst: number
  private tokens: number
  private filledAtMs: number

  constructor(options: { readonly perSecond: number; readonly burst: number; readonly nowMs: number }) {
    this.perSecond = options.perSecond
    this.burst = options.burst
    this.tokens = options.burst
    this.filledAtMs = options.nowMs
  }

  /** Takes tokens and says how long to wait before the next ones are taken; 0 when there is no debt. */
  take(count: number, nowMs: number): number {
    this.tokens = Math.min(this.burst, this.tokens + ((nowMs - this.filledAtMs) * this.perSecond) / 1000)
    this.filledAtMs = nowMs
    this.tokens -= count
    return this.tokens >= 0 ? 0 : (-this.tokens * 1000) / this.perSecond
  }
}
