/**
 * The time that an adapter needs, handed in so that tests and the simulator can own it. The engine's clock fits.
 * The callbacks never run inside the call that asked for them.
 */
export interface Timers {
  /** Milliseconds from any origin; never goes back. */
  now(): number
  /** Calls back once, `ms` from now. The returned function cancels it; cancelling late or twice is harmless. */
  after(ms: number, callback: () => void): () => void
}
