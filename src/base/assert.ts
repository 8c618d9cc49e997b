/** An assertion failed: a mistake of this project, never of the world. It stops the replica; nothing catches it. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** States what must be true here. Use a typed error, not this, for anything a peer, a disk or a user can cause. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** An assertion that failed, for where its message costs something: it is built only then. */
export function violated(message: string): never {
  throw new AssertionError(message)
}

/** Marks a switch as exhaustive: does not compile when a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}
