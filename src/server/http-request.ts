import type { IncomingMessage } from 'node:http'
import { httpBodyBytesMax } from '../core/limits.ts'
import type { Consistency, ReadOptions } from '../engine/types.ts'
import { type Reply, refusal } from './http-reply.ts'

/** A request whose target was taken apart. */
export interface ApiRequest {
  /** Still percent-encoded: a URL parser would fold the `..` of a key away. */
  readonly path: string
  readonly query: URLSearchParams
  readonly message: IncomingMessage
  /** Aborted when the client goes away before it is answered. */
  readonly signal: AbortSignal
}

/** A value that was read out of a request, or the reply to a request that does not hold it. */
export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reply: Reply }

/** The key of `/v1/kv/KEY`: the rest of the path, slashes and all, percent-decoded. */
export function readKey(path: string, prefix: string): Parsed<string> {
  try {
    return parsed(decodeURIComponent(path.slice(prefix.length)))
  } catch {
    return badRequest('the path is not percent-encoded UTF-8')
  }
}

/** The parameters of a range of keys. */
export const boundNames = ['prefix', 'gt', 'gte', 'lt', 'lte'] as const

/** The parameters of every call of the store. */
export const callNames = ['consistency', 'deadlineMs'] as const

/**
 * Refuses a query that says what the path does not take, the same twice, or nothing: were it ignored, `?table=users`
 * would change a key of no table, and `?prefix=` list all keys where a script had no name to put in.
 */
export function refuseQuery(query: URLSearchParams, names: readonly string[]): Reply | undefined {
  const wrong = (message: string) => refusal(400, 'BAD_REQUEST', message)
  const known = names.length === 0 ? 'none' : names.join(', ')
  for (const [name, value] of query) {
    if (!names.includes(name))
      return wrong(`there is no parameter ${JSON.stringify(name)} here; known: ${known}`)
    if (query.getAll(name).length > 1) return wrong(`the parameter ${name} is given more than once`)
    if (value === '') return wrong(`the parameter ${name} is empty; leave it out where it is to say nothing`)
  }
  return undefined
}

/** The bounds of a read or write: `consistency` and `deadlineMs`. */
export function readOptions({ query, signal }: ApiRequest): Parsed<ReadOptions> {
  const consistency = query.get('consistency') ?? 'linearizable'
  if (!isConsistency(consistency)) return badRequest('consistency is stale, session or linearizable')
  const deadlineMs = readNumber(query, 'deadlineMs', { least: 1, most: 600_000 })
  if (!deadlineMs.ok) return deadlineMs
  const bound = deadlineMs.value === undefined ? {} : { deadlineMs: deadlineMs.value }
  return parsed({ consistency, signal, ...bound })
}

/** A whole number of the query, undefined where it is not given. */
export function readNumber(
  query: URLSearchParams,
  name: string,
  { least, most }: { readonly least: number; readonly most: number },
): Parsed<number | undefined> {
  const text = query.get(name)
  if (text === null) return parsed(undefined)
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return parsed(value)
  return badRequest(`${name} is a whole number from ${least} to ${most}`)
}

/**
 * The JSON body. The media type is demanded because a form or a plain text can be sent by any page of the web
 * without asking, whereas JSON makes the browser ask first, and no answer of this server allows it.
 */
export async function readJsonBody(message: IncomingMessage): Promise<Parsed<unknown>> {
  const [type = ''] = (message.headers['content-type'] ?? '').split(';')
  if (type.trim().toLowerCase() !== 'application/json') {
    return refused(
      refusal(415, 'UNSUPPORTED_MEDIA_TYPE', 'the body is JSON: send content-type: application/json'),
    )
  }
  // Read as it is, it would be no JSON at best; and to undo an encoding is to let a small body become a huge one.
  if ((message.headers['content-encoding'] ?? 'identity').trim().toLowerCase() !== 'identity') {
    const headers = { 'accept-encoding': 'identity' } // RFC 9110 §12.5.3
    return refused(refusal(415, 'UNSUPPORTED_MEDIA_TYPE', 'no content-encoding is supported', headers))
  }
  if (Number(message.headers['content-length'] ?? 0) > httpBodyBytesMax) return bodyTooLarge()
  const chunks: Buffer[] = []
  let length = 0
  // The stream must outlive a body that is too large, because the refusal leaves by the same socket.
  const body: AsyncIterable<Buffer> = message.iterator({ destroyOnReturn: false })
  for await (const chunk of body) {
    length += chunk.length
    if (length > httpBodyBytesMax) return bodyTooLarge()
    chunks.push(chunk)
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    return parsed(JSON.parse(text))
  } catch {
    return badRequest('the body is not JSON in UTF-8')
  }
}

export function parsed<Value>(value: Value): Parsed<Value> {
  return { ok: true, value }
}

export function badRequest(message: string): Parsed<never> {
  return refused(refusal(400, 'BAD_REQUEST', message))
}

function bodyTooLarge(): Parsed<never> {
  const message = `a body has at most ${httpBodyBytesMax} bytes`
  // The rest of the body is not read, so the connection cannot carry another request.
  return refused(refusal(413, 'TOO_LARGE', message, { connection: 'close' }))
}

function refused(reply: Reply): Parsed<never> {
  return { ok: false, reply }
}

function isConsistency(text: string): text is Consistency {
  return text === 'linearizable' || text === 'session' || text === 'stale'
}
