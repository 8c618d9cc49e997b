import type { Item } from '../../core/machine/item.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { MalformedError } from '../../wire/codec.ts'
import { asArray, asBoolean, asBytes, asNatural, asOneOf, asText } from '../../wire/guards.ts'
import type { Freshness, ReadResult } from '../backend.ts'
import { type Bounds, checkBounds } from './key-filter.ts'
import type { ReadAnswer, ReadQuery } from './read-query.ts'

// Reads between a client and its gateway.

// Sent by position: only ever append.
const consistencies = ['linearizable', 'session', 'stale', 'lease'] as const
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
  return checkBounds(value, ['key'])
}

/**
 * What came of a query, by hand rather than by MessagePack: a client may ask for many small things. Items of a get come
 * in the order of its keys, and without them. `bytesMax` is no less than what it takes.
 */
export function encodeAnswer(
  { items, count, isWhole }: ReadAnswer,
  type: ReadQuery['type'],
  bytesMax: number,
) {
  const writer = new ByteWriter(bytesMax)
  writer.byte(isWhole ? 1 : 0)
  writer.number(count)
  writer.number(items.length)
  for (const item of items) {
    // No item has version 0.
    writer.number(item?.version ?? 0)
    if (item === null) continue
    if (type !== 'get') writer.text(item.key)
    writer.number(item.createRevision)
    writer.number(item.modRevision)
    writer.number(item.lease)
    writer.bytes(item.value)
  }
  return writer.written()
}

/** The reverse of `encodeAnswer`, for the query that was asked. Values share the memory of the answer. */
export function decodeAnswer(query: ReadQuery, bytes: Uint8Array): ReadAnswer {
  const reader = new ByteReader(bytes)
  const isWhole = reader.byte() === 1
  const count = reader.number()
  const itemCount = reader.count()
  const keys = query.type === 'get' ? query.keys : undefined
  if (keys !== undefined && keys.length !== itemCount)
    throw new MalformedError('other items than were asked for')
  const items: (Item | null)[] = []
  for (let i = 0; i < itemCount; i++) {
    const version = reader.number()
    items.push(version === 0 ? null : readItem(reader, version, keys?.[i]))
  }
  reader.finish()
  return { items, count, isWhole }
}

function readItem(reader: ByteReader, version: number, asked: string | undefined): Item {
  const key = asked ?? reader.text()
  const createRevision = reader.number()
  const modRevision = reader.number()
  const lease = reader.number()
  return { key, value: reader.view(), createRevision, modRevision, version, lease }
}

/** `decodeAnswer`, for what comes in a message. */
export function answerReader(query: ReadQuery): (body: unknown) => ReadAnswer {
  return body => decodeAnswer(query, asBytes(body))
}

export function resultReader(query: ReadQuery): (body: unknown) => ReadResult {
  return body => {
    const [answer, revision] = asArray(body, 2)
    return { ...decodeAnswer(query, asBytes(answer)), revision: asNatural(revision) }
  }
}
