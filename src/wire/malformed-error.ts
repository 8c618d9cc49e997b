/** Bytes that are no message: cut short, too deep, too large, or of a kind that is never written. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}
