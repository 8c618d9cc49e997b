import type { Clock } from './clock.ts'

/** Real time in Node. `soon` runs behind the input that is at hand already, so that one turn takes it all in. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  soon(callback) {
    setImmediate(callback)
  },
}
