import type { Item } from '../core/machine/item.ts'
import { asArray, asBoolean, asBytes, asNatural, asOneOf, asText } from '../wire/guards.ts'
import type { Freshness, ReadResult } from './backend.ts'
import { type Bounds, checkBounds } from './key-filter.ts'
import type { ReadAnswer, ReadQuery } from './read-query.ts'

// Reads between a client and its gateway.

const consistencies = ['linearizable', 'session', 'stale'] as const
const queries = ['get', 'scan', 'count'] as const

export function freshnessFields({ consistency, atLeast }: Freshness): readonly [number, number] {
  return [consistencies.indexOf(consistency), atLeast]
}

export function asFreshness(consistency: unknown, atLeast: unknown): Freshness {
  return { consistency: asOneOf(consistency, consistencies), atLeast: asNatural(atLeast) }
}

export function queryFields(query: ReadQuery): readonly unknown[] {
  const type = queries.indexOf(query.type)
  if (query.type === 'get') return [type, query.keys]
  if (query.type === 'count') return [type, query.bounds]
  const { bounds, limit, reverse, after, isPage } = query
  return [type, bounds, limit ?? null, reverse, after ?? null, isPage]
}

export function asQuery(value: unknown): ReadQuery {
  const [typeField, of, limit, reverse, after, isPage] = asArray(value, 2)
  const type = asOneOf(typeField, queries)
  if (type === 'get') return { type, keys: asArray(of).map(key => asText(key)) }
  const bounds = asBounds(of)
  if (type === 'count') return { type, bounds }
  return {
    type,
    bounds,
    limit: limit === null ? undefined : asNatural(limit),
    reverse: asBoolean(reverse),
    after: after === null ? undefined : asText(after),
    isPage: asBoolean(isPage),
  }
}

export function asBounds(value: unknown): Bounds {
  if (typeof value !== 'object' || value === null) throw new TypeError('bounds were expected')
  return checkBounds(value)
}

export function answerFields({ items, count, isWhole }: ReadAnswer): readonly unknown[] {
  return [items.map(item => item && itemFields(item)), count, isWhole]
}

export function asAnswer(value: unknown): ReadAnswer {
  const [items, count, isWhole] = asArray(value, 3)
  return {
    items: asArray(items).map(item => (item === null ? null : asItem(item))),
    count: asNatural(count),
    isWhole: asBoolean(isWhole),
  }
}

export function asReadResult(body: unknown): ReadResult {
  return { ...asAnswer(body), revision: asNatural(asArray(body, 4)[3]) }
}

function itemFields(item: Item): readonly unknown[] {
  return [item.key, item.value, item.createRevision, item.modRevision, item.version, item.lease]
}

function asItem(value: unknown): Item {
  const [key, bytes, createRevision, modRevision, version, lease] = asArray(value, 6)
  return {
    key: asText(key),
    value: asBytes(bytes),
    createRevision: asNatural(createRevision),
    modRevision: asNatural(modRevision),
    version: asNatural(version),
    lease: asNatural(lease),
  }
}
