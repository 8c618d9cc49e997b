import { keepBytes } from '../base/keep-bytes.ts'
import { QuorateError } from '../core/error.ts'
import { messageDepthMax, valueBytesMax } from '../core/limits.ts'
import { decode, encodeChecked } from './codec.ts'

/**
 * The bytes of a value as it lies in the store: null, booleans, finite numbers, well-formed strings,
 * Uint8Arrays, arrays and plain objects of these. Equal values have equal bytes, whatever the order of their
 * members, so that they can be compared as bytes. As in JSON, a member that is undefined is left out and
 * symbols are no members; unlike in JSON, nothing is converted: everything else, -0, NaN and holes in arrays
 * included, is a TypeError that names the place. Throws TOO_LARGE above `valueBytesMax` bytes.
 */
export function encodeValue(value: unknown): Uint8Array {
  const walk: Walk = { path: [], left: valueBytesMax }
  // What is canonical can be encoded: that walk refuses all that `encode` would, and more.
  const bytes = encodeChecked(canonical(value, walk))
  if (bytes.length > valueBytesMax) throw tooLarge()
  return keepBytes(bytes)
}

/** The value that the bytes stand for, new at every call. Throws MalformedError where they stand for none. */
export function decodeValue(bytes: Uint8Array): unknown {
  return ownBytes(decode(bytes))
}

interface Walk {
  /** Where the walk is, for the message of an error. */
  readonly path: (string | number)[]
  /** Bytes that may still come, by a lower bound. It also ends the walk over a knot of objects. */
  left: number
}

/** The value in its only form, which is the value itself where nothing has to change. */
function canonical(value: unknown, walk: Walk): unknown {
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
      return value === null ? null : canonicalObject(value, walk)
    default:
      throw refused(walk, value === undefined ? 'undefined' : `a ${typeof value}`)
  }
}

function canonicalObject(value: object, walk: Walk): object {
  if (value instanceof Uint8Array) {
    take(walk, value.length)
    return value
  }
  if (walk.path.length >= messageDepthMax)
    throw refused(walk, 'a value that is nested too deep, or holds itself')
  if (Array.isArray(value)) return canonicalArray(value, walk)
  const prototype: unknown = Object.getPrototypeOf(value)
  // Not compared with Object.prototype: an object from another frame of the page has its own.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refused(walk, `an instance of ${nameOfClass(value)}`)
  }
  return canonicalMembers(value as Readonly<Record<string, unknown>>, walk)
}

function canonicalArray(array: readonly unknown[], walk: Walk): readonly unknown[] {
  let copy: unknown[] | undefined
  for (let i = 0; i < array.length; i++) {
    walk.path.push(i)
    const member = canonical(array[i], walk)
    walk.path.pop()
    if (member !== array[i]) {
      copy ??= array.slice()
      copy[i] = member
    }
  }
  return copy ?? array
}

/** In the order of the names; those that are array indexes come first, as in every object of the language. */
function canonicalMembers(object: Readonly<Record<string, unknown>>, walk: Walk): object {
  const names = Object.keys(object)
  let same = isSorted(names)
  if (!same) names.sort()
  const copy: Record<string, unknown> = {}
  for (const name of names) {
    walk.path.push(name)
    if (name === '__proto__') throw refused(walk, 'a member of this name')
    const present = object[name]
    if (present === undefined) same = false
    else {
      checkText(name, walk)
      copy[name] = canonical(present, walk)
      same &&= copy[name] === present
    }
    walk.path.pop()
  }
  return same ? object : copy
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
  walk.left -= bytes
  if (walk.left < 0) throw tooLarge()
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

function tooLarge(): QuorateError {
  return new QuorateError('TOO_LARGE', `a value has at most ${valueBytesMax} bytes`)
}

/** Copies the byte strings, which `decode` takes from the stored bytes: a reader may change what it got. */
function ownBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return value.slice()
  const members = value as Record<string | number, unknown>
  for (const name of Object.keys(members)) {
    const member = members[name]
    if (typeof member === 'object' && member !== null) members[name] = ownBytes(member)
  }
  return value
}
