/**
 * Resolves when everything that promises alone can set in motion is done. To be awaited in an async function: Node runs
 * the jobs of promises until none is left before it looks at what `process.nextTick` was given, so the wait is exact,
 * and it costs a quarter of a turn of the event loop.
 */
export function promiseJobs(): Promise<void> {
  return new Promise(resolve => process.nextTick(resolve))
}

/** Lets the event loop turn once: signals and rejections that nobody handled are noticed there. */
export function eventLoopTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
