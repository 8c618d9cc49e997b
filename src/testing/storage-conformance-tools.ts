import { equalBytes } from '../base/bytes.ts'
import { isQuorateError } from '../core/error.ts'
import { packed } from '../core/raft/entry-list.ts'
import type { Entry, Snapshot } from '../core/raft/types.ts'
import type { Index, Term } from '../core/types.ts'
import type { GroupWrite, Storage, StorageSupport, StoredGroup, StoredHost } from '../storage/storage.ts'
import { check } from './check.ts'

// What the tests of the contract of storage are written in.

/** Where data stays when its storage is closed. */
export interface StoragePlace {
  /** Opens the storage of this place; more than once, one after the other. */
  open(): Promise<Storage>
  /** Removes the data. Storage that is still open is closed first. */
  remove(): Promise<void>
}

export type Run = (place: Reopening, supports: StorageSupport) => Promise<void>
export type Tests = readonly (readonly [string, Run])[]

/** A storage, opened and closed again and again. */
export class Reopening {
  readonly place: StoragePlace
  private storage: Storage | undefined

  constructor(place: StoragePlace) {
    this.place = place
  }

  async open(): Promise<readonly [Storage, StoredHost]> {
    await this.close()
    this.storage = await this.place.open()
    return [this.storage, await this.storage.load()]
  }

  async close(): Promise<void> {
    await this.storage?.close()
  }
}

/** A write with its entries one by one. */
export type PlainWrite = Omit<GroupWrite, 'entries'> & { readonly entries?: readonly Entry[] }

export function asWrite({ entries, ...write }: PlainWrite): GroupWrite {
  return entries === undefined ? write : { ...write, entries: packed(entries) }
}

export function write(storage: Storage, write: PlainWrite, group = 'g'): Promise<void> {
  return storage.write({ groups: new Map([[group, asWrite(write)]]) })
}

export async function group(place: Reopening, name: string): Promise<StoredGroup> {
  const [, host] = await place.open()
  const stored = host.groups.get(name)
  check(stored !== undefined, `the group ${name} is there`)
  return stored
}

export function entry(term: Term, index: Index): Entry {
  return { term, index, type: 'normal', data: bytes(`${term}/${index}`), change: null }
}

export function entries(term: Term, first: Index, last: Index): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(term, first + i))
}

export function change(term: Term, index: Index): Entry {
  const steps = [
    { type: 'add-voter', replica: 4 },
    { type: 'remove', replica: 300 },
  ] as const
  const change = { transition: 'joint-explicit', steps, context: bytes('context') } as const
  return { term, index, type: 'conf-change', data: new Uint8Array(0), change }
}

export function snapshot(index: Index, term: Term): Snapshot {
  const conf = { voters: [1, 2, 300], learners: [4], votersOutgoing: [], learnersNext: [5], autoLeave: true }
  return { index, term, conf }
}

export async function* each(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

export function chunks(...texts: string[]): AsyncIterable<Uint8Array> {
  return each(texts.map(bytes))
}

export async function readAll(storage: Storage, own: Snapshot, group = 'g'): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = []
  for await (const chunk of storage.readSnapshot(group, own)) parts.push(chunk)
  return parts
}

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(length)
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(all.subarray(at, at + 65_536))
  return all
}

export async function rejects(
  promise: Promise<unknown>,
  code: Parameters<typeof isQuorateError>[1],
): Promise<void> {
  const error = await promise.then(
    () => 'success',
    (reason: unknown) => reason,
  )
  check(isQuorateError(error, code), `expected ${code}, not ${error}`)
}

export function same(actual: unknown, expected: unknown, path = 'the result'): void {
  if (expected instanceof Uint8Array) {
    check(actual instanceof Uint8Array && equalBytes(actual, expected), `${path} has other bytes`)
  } else if (expected instanceof Map) {
    check(actual instanceof Map, `${path} is not a map`)
    same([...actual.keys()].sort(), [...expected.keys()].sort(), `${path}: the keys`)
    for (const [key, value] of expected) same(actual.get(key), value, `${path}.${key}`)
  } else if (typeof expected === 'object' && expected !== null) {
    check(typeof actual === 'object' && actual !== null, `${path} is ${actual}`)
    const [own, others] = [actual as Record<string, unknown>, expected as Record<string, unknown>]
    for (const key of new Set([...Object.keys(own), ...Object.keys(others)])) {
      same(own[key], others[key], `${path}.${key}`)
    }
  } else {
    check(Object.is(actual, expected), `${path} is ${actual}, not ${expected}`)
  }
}
