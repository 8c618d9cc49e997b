import type { Timers } from '../../src/transport/timers.ts'

interface Timer {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

/** Timers that move only when a test moves them: the earliest first, equal ones in the order they were asked for. */
export class VirtualTimers implements Timers {
  private timers: Timer[] = []
  private nowMs = 0
  private order = 0

  now(): number {
    return this.nowMs
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { dueMs: this.nowMs + ms, order: this.order++, callback }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter(other => other !== timer)
    }
  }

  get pending(): number {
    return this.timers.length
  }

  /** Runs the next due timer; false when there is none up to `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    const next = this.timers.reduce<Timer | undefined>(earlier, undefined)
    if (next === undefined || next.dueMs > untilMs) return false
    this.timers = this.timers.filter(other => other !== next)
    this.nowMs = next.dueMs
    next.callback()
    return true
  }

  run(ms: number): void {
    const untilMs = this.nowMs + ms
    while (this.step(untilMs));
    this.nowMs = untilMs
  }
}

function earlier(best: Timer | undefined, timer: Timer): Timer {
  if (best === undefined || timer.dueMs < best.dueMs) return timer
  return timer.dueMs === best.dueMs && timer.order < best.order ? timer : best
}
