import { httpScanBytesMax, httpScanEntriesMax } from '../core/limits.ts'
import type { StoreEntry } from '../engine/types.ts'
import { json, type Reply, refusal, toJson } from './http-reply.ts'
import {
  type ApiRequest,
  boundNames,
  readJsonBody,
  readKey,
  readNumber,
  readOptions,
} from './http-request.ts'
import type { ServedStore } from './served.ts'

export const keyPrefix = '/v1/kv/'

/** `GET /v1/kv/KEY`: the value, its revision as the entity tag. */
export async function getKey(store: ServedStore, request: ApiRequest): Promise<Reply> {
  const key = readKey(request.path, keyPrefix)
  if (!key.ok) return key.reply
  const options = readOptions(request)
  if (!options.ok) return options.reply
  const entry = await store.entry(key.value, options.value)
  if (entry === undefined) return refusal(404, 'NOT_FOUND', 'the store has no such key')
  const etag = tag(entry.modRevision)
  if (request.message.headers['if-none-match'] === etag) return { status: 304, headers: { etag } }
  return json(entry.value, 200, { etag })
}

/**
 * `PUT /v1/kv/KEY`: stores the JSON body. With `If-None-Match: *` it inserts, and one of many that race wins.
 * `If-Match` is refused: the store compares values, not revisions, and to ignore the header would overwrite
 * what its sender wanted kept.
 */
export async function putKey(store: ServedStore, request: ApiRequest): Promise<Reply> {
  const key = readKey(request.path, keyPrefix)
  if (!key.ok) return key.reply
  const options = readOptions(request)
  if (!options.ok) return options.reply
  const { headers } = request.message
  if (headers['if-match'] !== undefined) return refusal(501, 'NOT_SUPPORTED', 'If-Match is not supported')
  const condition = headers['if-none-match']
  if (condition !== undefined && condition.trim() !== '*') {
    return refusal(400, 'BAD_REQUEST', 'If-None-Match can only be * on a PUT')
  }
  const body = await readJsonBody(request.message)
  if (!body.ok) return body.reply
  if (condition === undefined) {
    const { revision } = await store.put(key.value, body.value, options.value)
    return json({ revision }, 200, { etag: tag(revision) })
  }
  const { ok, value, revision } = await store.insert(key.value, body.value, options.value)
  if (ok) return json({ ok, revision }, 201, { etag: tag(revision) })
  return refusal(412, 'EXISTS', 'the key exists', { etag: tag(revision) }, { ok, value, revision })
}

/** `DELETE /v1/kv/KEY`: `ok` is false when there was nothing to delete. */
export async function deleteKey(store: ServedStore, request: ApiRequest): Promise<Reply> {
  const key = readKey(request.path, keyPrefix)
  if (!key.ok) return key.reply
  const options = readOptions(request)
  if (!options.ok) return options.reply
  const { headers } = request.message
  if (headers['if-match'] !== undefined) return refusal(501, 'NOT_SUPPORTED', 'If-Match is not supported')
  const { ok, revision } = await store.delete(key.value, options.value)
  return json({ ok, revision })
}

/**
 * `GET /v1/kv?prefix=&gt=&limit=`: entries in the order of the keys; `more` says that the limit cut them off.
 */
export async function scanKeys(store: ServedStore, request: ApiRequest): Promise<Reply> {
  const options = readOptions(request)
  if (!options.ok) return options.reply
  const { query } = request
  const limit = readNumber(query, 'limit', { least: 1, most: httpScanEntriesMax })
  if (!limit.ok) return limit.reply
  const most = limit.value ?? httpScanEntriesMax
  const range: Record<string, string> = {}
  for (const name of boundNames) {
    const bound = query.get(name)
    if (bound !== null) range[name] = bound
  }
  // One more than wanted tells whether there are more.
  const found = await store.scan({ ...range, limit: most + 1 }, options.value)
  return entriesReply(found, most)
}

/** Ends the list early when it becomes larger than one answer may be; the caller goes on with `gt`. */
function entriesReply(found: readonly StoreEntry[], most: number): Reply {
  const parts: string[] = []
  let length = 0
  for (const entry of found.slice(0, most)) {
    const part = toJson(entry)
    length += part.length
    if (length > httpScanBytesMax && parts.length > 0) break
    parts.push(part)
  }
  const more = parts.length < found.length
  return { ...json(undefined), body: `{"entries":[${parts.join(',')}],"more":${more}}\n` }
}

function tag(revision: number): string {
  return `"${revision}"`
}
