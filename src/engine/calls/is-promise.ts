/**
 * Whether a function that must answer at once gave a promise instead. What becomes of that is nobody's: left alone, its
 * rejection would end a process of Node, and a replica's again at each restart.
 */
export function isPromise(answer: unknown): boolean {
  if (typeof (answer as PromiseLike<unknown> | null | undefined)?.then !== 'function') return false
  Promise.resolve(answer).catch(() => {})
  return true
}
