/**
 * Time for the engine, so that it knows no environment: real in hosts, virtual in tests and the simulator.
 * The callbacks never run inside the call that asked for them.
 */
export interface Clock {
  /** Milliseconds from any origin; never goes back. */
  now(): number
  /** Milliseconds since 1970 by the clock on the wall, which people set: it may go back, and ahead. */
  wall(): number
  /** Calls back once, `ms` from now. The returned function cancels it. */
  after(ms: number, callback: () => void): () => void
  /** Calls back as soon as what is already due has run: after pending input, before any later timer. */
  soon(callback: () => void): void
}
