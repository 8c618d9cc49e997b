import type { Item } from '../core/machine/item.ts'
import { asArray, asBytes, asNatural, asText } from '../wire/guards.ts'
import type { Freshness, ReadResult } from './backend.ts'

// A client's end of a read; the gateway has the other one.

export const consistencies = ['linearizable', 'session', 'stale'] as const

export function freshnessFields({ consistency, atLeast }: Freshness): readonly [number, number] {
  return [consistencies.indexOf(consistency), atLeast]
}

export function asReadResult(body: unknown): ReadResult {
  const [items, revision] = asArray(body, 2)
  return { items: asArray(items).map(asItem), revision: asNatural(revision) }
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
