import { viewPageBytes, viewPageItems } from '../../core/limits.ts'
import type { Item } from '../../core/machine/item.ts'
import type { Machine } from '../../core/machine/machine.ts'
import { View } from '../../core/machine/view.ts'
import type { Bounds } from './key-filter.ts'

/** A question to a state: for keys, for the items of a range, or for how many those are. */
export type ReadQuery =
  | { readonly type: 'get'; readonly keys: readonly string[] }
  | ScanQuery
  | { readonly type: 'count'; readonly bounds: Bounds }

export interface ScanQuery {
  readonly type: 'scan'
  readonly bounds: Bounds
  readonly limit: number | undefined
  readonly reverse: boolean
  /** The key that the answer goes on behind. */
  readonly after: string | undefined
  /** The answer may end where it is large enough; the rest is asked for behind it. */
  readonly isPage: boolean
  /** Who asks cannot take more: an answer that is larger ends there. */
  readonly bytesMax?: number
}

export interface ReadAnswer {
  /** Of a get one for each key, null where there is none; of a scan all that were found. */
  readonly items: readonly (Item | null)[]
  /** Of a count what was counted. */
  readonly count: number
  /** False where a page ended before the range did. */
  readonly isWhole: boolean
}

/** Single keys are read from the state itself: a view of it would have the next write copy what it changes. */
export function answerTo(query: ReadQuery, state: Machine | View): ReadAnswer {
  switch (query.type) {
    case 'get':
      return whole(query.keys.map(key => state.get(key) ?? null))
    case 'scan':
      return scanned(query, viewOf(state))
    case 'count':
      return { items: [], count: viewOf(state).count(query.bounds), isWhole: true }
  }
}

function viewOf(state: Machine | View): View {
  return state instanceof View ? state : state.view()
}

function scanned(
  { bounds, limit, reverse, after, isPage, bytesMax = Number.POSITIVE_INFINITY }: ScanQuery,
  view: View,
): ReadAnswer {
  const rest = after === undefined ? {} : reverse ? { lt: after } : { gt: after }
  const items: Item[] = []
  let bytes = 0
  for (const item of view.scan({ ...bounds, ...rest, limit, reverse })) {
    if (isPage && (items.length >= viewPageItems || bytes >= viewPageBytes))
      return { items, count: items.length, isWhole: false }
    items.push(item)
    bytes += item.key.length + item.value.length
    if (bytes > bytesMax) return { items, count: items.length, isWhole: false }
  }
  return whole(items)
}

function whole(items: readonly (Item | null)[]): ReadAnswer {
  return { items, count: items.length, isWhole: true }
}
