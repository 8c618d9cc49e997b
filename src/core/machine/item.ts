import type { Revision } from '../types.ts'
import type { LeaseId } from './command.ts'

/** A key with its value and the history of both. Immutable once made. */
export interface Item {
  readonly key: string
  readonly value: Uint8Array
  /** The write that made the key exist. */
  readonly createRevision: Revision
  /** The last write. Never the same again, so compare this one where a value may come back. */
  readonly modRevision: Revision
  /** Writes since creation, from 1. */
  readonly version: number
  /** The lease that the key goes with; 0: it stays. */
  readonly lease: LeaseId
}

/** One item that one entry changed. */
export interface Change {
  readonly type: 'put' | 'delete'
  readonly key: string
  readonly revision: Revision
  /** Null exactly when `type` is 'delete'. */
  readonly item: Item | null
}

/** The change that made the item what it is. */
export function putOf(item: Item): Change {
  return { type: 'put', key: item.key, revision: item.modRevision, item }
}

/** The item that a write makes of what stands there. All writes of one revision count as one. */
export function itemAfter(
  previous: Item | undefined,
  write: {
    readonly revision: Revision
    readonly key: string
    readonly value: Uint8Array
    readonly lease: LeaseId
  },
): Item {
  const { revision, value, lease } = write
  if (previous === undefined) {
    return { key: write.key, value, createRevision: revision, modRevision: revision, version: 1, lease }
  }
  // The string that is there already: another one would live as long, for each write of the key that is remembered.
  const { key, createRevision, modRevision } = previous
  const version = modRevision === revision ? previous.version : previous.version + 1
  return { key, value, createRevision, modRevision: revision, version, lease }
}
