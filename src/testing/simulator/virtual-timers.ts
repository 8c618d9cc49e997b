import type { Timers } from '../../transport/timers.ts'

interface Timer {
  readonly dueMs: number
  readonly order: number
  /** Undefined once it was cancelled: it is thrown away when its time comes. */
  callback: (() => void) | undefined
}

/**
 * Timers that move only when they are moved: the earliest first, equal ones in the order they were asked for. A binary
 * heap, because a simulation asks for a timer with every frame.
 */
export class VirtualTimers implements Timers {
  /** Invariant: no timer is due before its parent, which stands at (position - 1) / 2. */
  private readonly heap: Timer[] = []
  private nowMs = 0
  private order = 0
  private live = 0

  now(): number {
    return this.nowMs
  }

  after(ms: number, callback: () => void): () => void {
    const timer: Timer = { dueMs: this.nowMs + ms, order: this.order++, callback }
    this.live += 1
    this.rise(timer)
    return () => {
      if (timer.callback === undefined) return
      timer.callback = undefined
      this.live -= 1
    }
  }

  get pending(): number {
    return this.live
  }

  /** Runs the next due timer; false when there is none up to `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      const next = this.heap[0]
      if (next === undefined || next.dueMs > untilMs) return false
      this.removeFirst()
      const { callback } = next
      if (callback === undefined) continue
      next.callback = undefined
      this.live -= 1
      this.nowMs = next.dueMs
      callback()
      return true
    }
  }

  /** Runs all that is due within so many milliseconds, which then have passed. */
  run(ms: number): void {
    const untilMs = this.nowMs + ms
    while (this.step(untilMs));
    this.nowMs = untilMs
  }

  private rise(timer: Timer): void {
    const { heap } = this
    let position = heap.length
    while (position > 0) {
      const above = (position - 1) >> 1
      const parent = heap[above] as Timer
      if (!isBefore(timer, parent)) break
      heap[position] = parent
      position = above
    }
    heap[position] = timer
  }

  private removeFirst(): void {
    const { heap } = this
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let position = 0
    for (;;) {
      let below = 2 * position + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Timer, heap[below] as Timer)) below += 1
      const child = heap[below] as Timer
      if (!isBefore(child, last)) break
      heap[position] = child
      position = below
    }
    heap[position] = last
  }
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order)
}
