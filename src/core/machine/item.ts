import type { Revision } from '../types.ts'

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
