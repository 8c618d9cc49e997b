import { MalformedError } from './codec.ts'

// Small judges for what came out of `decode`: they give the value its type or throw MalformedError.

export function asArray(value: unknown, lengthMin = 0): readonly unknown[] {
  if (!Array.isArray(value) || value.length < lengthMin) throw new MalformedError('an array was expected')
  return value
}

/** A safe integer from 0: an index, a term, an id, a count. */
export function asNatural(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw new MalformedError('a natural number was expected')
  return value as number
}

export function asText(value: unknown, lengthMax = 1024): string {
  if (typeof value !== 'string' || value.length > lengthMax) throw new MalformedError('a string was expected')
  return value
}

export function asBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new MalformedError('a byte string was expected')
  return value
}

export function asBoolean(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new MalformedError('a boolean was expected')
  return value
}

/** One of a closed list, by its position in it. */
export function asOneOf<Name extends string>(value: unknown, names: readonly Name[]): Name {
  const name = typeof value === 'number' ? names[value] : undefined
  if (name === undefined) throw new MalformedError('an unknown kind')
  return name
}

/** What `decode` gives; undefined where the bytes are malformed. */
export function decodeOrNothing<Value>(decode: () => Value): Value | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}
