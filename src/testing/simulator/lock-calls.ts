import type { Lock } from '../../engine/recipes/lock.ts'
import type { Call } from './calls.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'
import { holdTtlsMs, type Lines, type Place, turnWaitsMs } from './lines.ts'

/** Locks, which are held for a while and written behind. */
export class LockCalls implements SpecialCalls {
  private readonly desk: Desk
  private readonly lines: Lines

  constructor(desk: Desk, lines: Lines) {
    this.desk = desk
    this.lines = lines
  }

  async call(worker: Worker): Promise<void> {
    const { desk, lines } = this
    const name = desk.pick(['a', 'b'])
    const ttlMs = desk.pick(holdTtlsMs)
    let lock: Lock | undefined
    let place: Place | undefined
    const enter = async () => {
      const options = { ttlMs, deadlineMs: desk.pick(turnWaitsMs), ...desk.bounds() }
      lock = await worker.store.lock(name, options)
      place = lines.given(worker, lock, ttlMs, 1)
      return place
    }
    const judge = (call: Call) => {
      if (call.outcome === 'ok') lines.judgeHeld(call, call.result as Place)
    }
    await desk.make(worker, { op: 'lock', args: [name, ttlMs], judge }, enter)
    if (lock !== undefined && place !== undefined)
      await lines.use(worker, lock, { place, ttlMs, guard: `k guard ${name}` })
  }
}
