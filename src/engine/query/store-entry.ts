import type { Item } from '../../core/machine/item.ts'
import { decodeValue } from '../../wire/value.ts'
import type { StoreEntry } from '../types.ts'
import type { TableKeys } from './table-keys.ts'

/** An item as it is shown, its value decoded anew. */
export function entryOf<Value>(item: Item, keys: TableKeys): StoreEntry<Value> {
  const { createRevision, modRevision, version, lease } = item
  const value = decodeValue(item.value) as Value
  const entry = { key: keys.inTable(item.key), value, createRevision, modRevision, version }
  return lease === 0 ? entry : { ...entry, lease }
}

/** The value of an item, decoded anew; undefined where there is none. */
export function itemValue<Value>(item: Item | null): Value | undefined {
  return item === null ? undefined : (decodeValue(item.value) as Value)
}
