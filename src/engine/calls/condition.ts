import type { Clock } from '../../clock/clock.ts'
import { deadlineMsMax } from '../../core/limits.ts'

/** Waiting until something changes: the condition variable of a program with one thread. */
export class Condition {
  private readonly waiters = new Set<() => void>()

  /** Resolves at the next change or after `ms`, of which no timer takes too many; rejects with the signal's reason. */
  wait(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const end = () => {
        cancel()
        this.waiters.delete(changed)
        signal?.removeEventListener('abort', aborted)
      }
      const changed = () => {
        end()
        resolve()
      }
      const aborted = () => {
        end()
        reject(signal?.reason)
      }
      const cancel = clock.after(Math.min(ms, deadlineMsMax), changed)
      this.waiters.add(changed)
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }

  notify(): void {
    for (const changed of [...this.waiters]) changed()
  }
}
