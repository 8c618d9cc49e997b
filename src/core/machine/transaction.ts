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

/** Why a lease cannot have so many more keys. */
export type LeaseRefusal = (id: LeaseId, more: number) => string | undefined

/**
 * What one entry reads and writes, all or nothing: it writes to a copy, which its owner puts in the place of the items
 * or forgets. Everything it writes has one revision, and each key changes once, to what it is at the end.
 */
export class Transaction {
  readonly revision: Revision
  private readonly base: ReadonlyOrderedMap<string, Item>
  private readonly refusal: LeaseRefusal
  private copy: OrderedMap<string, Item> | undefined
  private readonly touched = new Set<string>()
  /** How many more keys go with a lease than before. */
  private readonly attached = new Map<LeaseId, number>()
  private bytes = 0
  private isOver = false

  constructor(revision: Revision, base: ReadonlyOrderedMap<string, Item>, refusal: LeaseRefusal) {
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

  count(range: ScanOptions): number {
    return new View(this.revision, this.copy ?? this.base).count(range)
  }

  /** Throws CommandFailure: LEASE_NOT_FOUND; TOO_LARGE where one entry would write too much, or a lease is full. */
  put(key: string, value: Uint8Array, lease: LeaseId = 0): Item {
    const previous = this.get(key)
    const more = this.more(lease) + (previous?.lease === lease ? 0 : 1)
    const refusal = lease === 0 ? undefined : this.refusal(lease, more)
    if (refusal !== undefined) throw new CommandFailure(refusal)
    const items = this.touch(key, value.length)
    const item = itemAfter(previous, { revision: this.revision, key, value, lease })
    items.set(key, item)
    this.detach(previous)
    this.attached.set(lease, this.more(lease) + 1)
    return item
  }

  /** False when the key does not exist. */
  delete(key: string): boolean {
    const previous = this.get(key)
    if (previous === undefined) return false
    const items = this.touch(key, 0)
    this.detach(previous)
    return items.delete(key)
  }

  /** What was written, for good; undefined: nothing. The transaction is over then, and writes nothing any more. */
  result(): { readonly items: OrderedMap<string, Item>; readonly changes: readonly Change[] } | undefined {
    this.isOver = true
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

  /** Where a key is to be written. What throws is as if it had not been asked for. */
  private touch(key: string, bytes: number): OrderedMap<string, Item> {
    // The copy is the state of the replica now: whoever kept the transaction must not reach into that.
    if (this.isOver) throw new Error('a transaction ends with its command')
    const sum = this.bytes + changeBytes(key.length, bytes)
    const keys = this.touched.size + (this.touched.has(key) ? 0 : 1)
    if (keys > transactionKeysMax || sum > transactionBytesMax) throw new CommandFailure('TOO_LARGE')
    this.bytes = sum
    this.touched.add(key)
    this.copy ??= this.base.clone()
    return this.copy
  }

  private more(lease: LeaseId): number {
    return this.attached.get(lease) ?? 0
  }

  private detach(item: Item | undefined): void {
    if (item !== undefined) this.attached.set(item.lease, this.more(item.lease) - 1)
  }
}

/** What a change takes on its way to a watcher, at most: three bytes for a UTF-16 code unit, and what frames it. */
function changeBytes(keyCharacters: number, valueBytes: number): number {
  return 3 * keyCharacters + valueBytes + 48
}
