import type { Clock } from '../../clock/clock.ts'
import type { VirtualTimers } from './virtual-timers.ts'

/**
 * The clock of one simulated process, and its breath: a host that is suspended is called back by nobody, neither timer
 * nor disk nor network, and gets all of it when it goes on; one that has crashed, never again.
 */
export class HostClock implements Clock {
  private readonly timers: VirtualTimers
  /** Called before the host's own code runs. */
  private readonly touched: () => void
  private rate = 1
  private throttleMs = 0
  /** The host's time at the world's time `sinceMs`. */
  private baseMs = 0
  private sinceMs: number
  private held: (() => void)[] | undefined
  private isDead = false
  private wallMs = 1_700_000_000_000
  /** The slowest that it ever went. */
  slowest = 1
  private disturbedAt = Number.NEGATIVE_INFINITY

  constructor(timers: VirtualTimers, touched: () => void = () => {}) {
    this.timers = timers
    this.touched = touched
    this.sinceMs = timers.now()
  }

  now(): number {
    return this.baseMs + (this.timers.now() - this.sinceMs) * this.rate
  }

  /** Whole ms, as a platform's. */
  wall(): number {
    return Math.floor(this.wallMs + this.now())
  }

  after(ms: number, callback: () => void): () => void {
    const { throttleMs } = this
    // A little late, as timers are: one that rang before its time would be asked for again and again without an end.
    let wait = Math.max(0, ms) / this.rate + 0.001
    // A hidden tab: its timers ring together, once a second, say.
    if (throttleMs > 0) wait += throttleMs - ((this.timers.now() + wait) % throttleMs)
    return this.ring(wait, callback)
  }

  soon(callback: () => void): void {
    this.ring(0, callback)
  }

  /** Calls back in the world's time, as a disk does, whatever the host's clock says. */
  ring(worldMs: number, callback: () => void): () => void {
    let isCancelled = false
    const cancel = this.timers.after(worldMs, () => this.enter(() => isCancelled || callback()))
    return () => {
      isCancelled = true
      cancel()
    }
  }

  /** Something from outside wants to run in the host: now, when it goes on, or never. */
  enter(callback: () => void): void {
    if (this.isDead) return
    if (this.held === undefined) {
      this.touched()
      callback()
    } else this.held.push(callback)
  }

  get isSuspended(): boolean {
    return this.held !== undefined
  }

  /** Whether nothing has held the host up for so long. */
  isSteadyFor(ms: number): boolean {
    const isHeldUp = this.held !== undefined || this.throttleMs > 0
    return !isHeldUp && this.timers.now() - this.disturbedAt >= ms
  }

  suspend(): void {
    this.held ??= []
  }

  resume(): void {
    this.disturbedAt = this.timers.now()
    const held = this.held ?? []
    this.held = undefined
    for (const callback of held) this.ring(0, callback)
  }

  /** How fast the host's time passes: 1.1 is a clock that is fast by ten per cent. */
  setRate(rate: number): void {
    this.baseMs = this.now()
    this.sinceMs = this.timers.now()
    this.rate = rate
    this.slowest = Math.min(this.slowest, rate)
  }

  /** The host's time leaps forward; no timer rings earlier for it. */
  jump(ms: number): void {
    this.disturbedAt = this.timers.now()
    this.baseMs += ms
  }

  /** Somebody sets the clock on the wall, forwards or backwards. */
  setWall(ms: number): void {
    this.wallMs += ms
  }

  /** Timers ring at multiples of so many milliseconds only; 0 ends that. */
  throttle(ms: number): void {
    this.disturbedAt = this.timers.now()
    this.throttleMs = ms
  }

  kill(): void {
    this.isDead = true
    this.held = undefined
  }
}
