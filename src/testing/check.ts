/** A conformance suite found an adapter that breaks its contract. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError'
}

/** States what the contract demands of the adapter under examination. */
export function check(condition: unknown, message: string): asserts condition {
  if (!condition) throw new ConformanceError(message)
}
