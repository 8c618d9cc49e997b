import { QuorateError } from '../core/error.ts'
import { messageItemsMax } from '../core/limits.ts'

/**
 * The value in its only form: members in the order of their names, none of them undefined. It is a copy, except for
 * byte strings, and each member is read once: what a getter gives another time was never judged. Throws TypeError,
 * which names the place, on what would not come back equal, and TOO_LARGE where the encoded value would surely have
 * more than `bytesMax` bytes. It ends for a knot of objects, too.
 */
export function canonical(value: unknown, bytesMax: number, depthMax: number): unknown {
  return walked(value, { path: [], itemsLeft: messageItemsMax, bytesLeft: bytesMax, bytesMax, depthMax })
}

export function tooLarge(bytesMax: number): QuorateError {
  return new QuorateError('TOO_LARGE', `a value has at most ${bytesMax} bytes`)
}

interface Walk {
  /** Where the walk is, for the message of an error. */
  readonly path: (string | number)[]
  itemsLeft: number
  /** By a lower bound. */
  bytesLeft: number
  readonly bytesMax: number
  readonly depthMax: number
}

function walked(value: unknown, walk: Walk): unknown {
  walk.itemsLeft -= 1
  take(walk, 1)
  switch (typeof value) {
    case 'string':
      checkText(value, walk)
      return value
    case 'number':
      if (!Number.isFinite(value)) throw refused(walk, `${value}`)
      if (Object.is(value, -0)) throw refused(walk, '-0')
      return value
    case 'boolean':
      return value
    case 'object':
      return value === null ? null : walkedObject(value, walk)
    default:
      throw refused(walk, value === undefined ? 'undefined' : `a ${typeof value}`)
  }
}

function walkedObject(value: object, walk: Walk): object {
  if (value instanceof Uint8Array) {
    take(walk, value.length)
    return value
  }
  if (walk.path.length >= walk.depthMax) {
    // Where it begins says enough: a circle has no end.
    walk.path.splice(3)
    throw refused(walk, `what is cyclic, or nested deeper than ${walk.depthMax},`)
  }
  if (Array.isArray(value)) return walkedArray(value, walk)
  const prototype: unknown = Object.getPrototypeOf(value)
  // Not compared with Object.prototype: an object from another frame of the page has its own.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refused(walk, `an instance of ${nameOfClass(value)}`)
  }
  return walkedMembers(value as Readonly<Record<string, unknown>>, walk)
}

function walkedArray(array: readonly unknown[], walk: Walk): readonly unknown[] {
  const copy: unknown[] = []
  for (let i = 0; i < array.length; i++) {
    walk.path.push(i)
    copy.push(walked(array[i], walk))
    walk.path.pop()
  }
  return copy
}

/** In the order of the names; those that are array indexes come first, as in every object of the language. */
function walkedMembers(object: Readonly<Record<string, unknown>>, walk: Walk): object {
  const names = Object.keys(object)
  if (!isSorted(names)) names.sort()
  const copy: Record<string, unknown> = {}
  for (const name of names) {
    walk.path.push(name)
    if (name === '__proto__') throw refused(walk, 'a member of this name')
    const present = object[name]
    if (present !== undefined) {
      walk.itemsLeft -= 1
      checkText(name, walk)
      copy[name] = walked(present, walk)
    }
    walk.path.pop()
  }
  return copy
}

function isSorted(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) if ((names[i - 1] as string) > (names[i] as string)) return false
  return true
}

const loneSurrogate = /\p{Surrogate}/u

function checkText(text: string, walk: Walk): void {
  take(walk, text.length)
  if (loneSurrogate.test(text)) throw refused(walk, 'a string with a lone surrogate')
}

function take(walk: Walk, bytes: number): void {
  walk.bytesLeft -= bytes
  if (walk.bytesLeft < 0 || walk.itemsLeft < 0) throw tooLarge(walk.bytesMax)
}

function refused(walk: Walk, what: string): TypeError {
  let place = 'value'
  for (const step of walk.path) place += typeof step === 'number' ? `[${step}]` : `.${step}`
  return new TypeError(`${place}: ${what} cannot be stored`)
}

function nameOfClass(value: object): string {
  const maker: unknown = value.constructor
  return typeof maker === 'function' && maker.name !== '' ? maker.name : 'a class'
}
