import type { Item } from '../../core/machine/item.ts'
import type { ScanRange, StoreEntry } from '../types.ts'
import { checkScan } from './key-filter.ts'
import type { ScanQuery } from './read-query.ts'
import { entryOf } from './store-entry.ts'
import type { TableKeys } from './table-keys.ts'

/** What a scan of a table asks of its store, from the beginning. Throws TypeError on what is no range. */
export function scanQuery(range: ScanRange, keys: TableKeys): Omit<ScanQuery, 'isPage'> {
  const bounds = keys.range(checkScan(range))
  const { limit, reverse = false } = range
  return { type: 'scan', bounds, limit, reverse, after: undefined }
}

export function entriesOf<Value>(items: readonly (Item | null)[], keys: TableKeys): StoreEntry<Value>[] {
  return items.flatMap(item => (item === null ? [] : [entryOf<Value>(item, keys)]))
}
