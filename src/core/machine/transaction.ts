import type { OrderedMap, ReadonlyOrderedMap } from '../../base/ordered-map.ts'
import { transactionBytesMax, transactionKeysMax } from '../limits.ts'
import type { Revision } from '../types.ts'
import type { LeaseId } from './command.ts'
import { type Change, type Item, itemAfter, putOf } from './item.ts'
import { type ScanOptions, View } from './view.ts'

/**
 * Thrown inside a command to end it: nothing of it takes effect, and its caller gets code and detail. It is part of the
 * replicated result, so it must be the same on every replica.
 */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly code: string
  readonly detail: Uint8Array | null

  constructor(code: string, detail: Uint8Array | null = null) {
    super(code)
    this.code = code
    this.detail = detail
  }
}

/**
 * What one entry reads and writes, all or nothing: it writes to a copy, which its owner puts in the place of the items
 * or forgets. Everything it writes has one revision, and each key changes once, to what it is at the end.
 */
export class Transaction {
  readonly revision: Revision
  private readonly base: ReadonlyOrderedMap<string, Item>
  /** Why no key may be put with a lease. */
  private readonly refusal: (id: LeaseId) => string | undefined
  private copy: OrderedMap<string, Item> | undefined
  private readonly touched = new Set<string>()
  private bytes = 0

  constructor(
    revision: Revision,
    base: ReadonlyOrderedMap<string, Item>,
    refusal: (id: LeaseId) => string | undefined,
  ) {
    this.revision = revision
    this.base = base
    this.refusal = refusal
  }

  get(key: string): Item | undefined {
    return (this.copy ?? this.base).get(key)
  }

  /** The items of a range as they are at this call, whatever is written while they are read. */
  scan(options: ScanOptions): Iterable<Item> {
    return new View(this.revision, this.copy?.clone() ?? this.base).scan(options)
  }

  /** Throws CommandFailure: LEASE_NOT_FOUND; TOO_LARGE where one entry would write too much, or a lease is full. */
  put(key: string, value: Uint8Array, lease: LeaseId = 0): Item {
    const refusal = lease === 0 ? undefined : this.refusal(lease)
    if (refusal !== undefined) throw new CommandFailure(refusal)
    this.touch(key, value.length)
    const items = this.written()
    const item = itemAfter(items.get(key), { revision: this.revision, key, value, lease })
    items.set(key, item)
    return item
  }

  /** False when the key does not exist. */
  delete(key: string): boolean {
    if (this.get(key) === undefined) return false
    this.touch(key, 0)
    return this.written().delete(key)
  }

  /** What was written, for good; undefined: nothing. The transaction is then of no further use. */
  result(): { readonly items: OrderedMap<string, Item>; readonly changes: readonly Change[] } | undefined {
    const items = this.copy
    if (items === undefined) return undefined
    const changes: Change[] = []
    for (const key of this.touched) {
      const item = items.get(key)
      if (item !== undefined) changes.push(putOf(item))
      else if (this.base.get(key) !== undefined)
        changes.push({ type: 'delete', key, revision: this.revision, item: null })
    }
    return { items, changes }
  }

  private written(): OrderedMap<string, Item> {
    this.copy ??= this.base.clone()
    return this.copy
  }

  private touch(key: string, bytes: number): void {
    this.touched.add(key)
    this.bytes += key.length + bytes
    if (this.touched.size > transactionKeysMax || this.bytes > transactionBytesMax) {
      throw new CommandFailure('TOO_LARGE')
    }
  }
}
