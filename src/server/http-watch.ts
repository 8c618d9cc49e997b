import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { QuorateError } from '../core/error.ts'
import {
  httpHeartbeatMs,
  httpWatchBufferedBytesMax,
  httpWatchDrainMs,
  httpWatchersMax,
} from '../core/limits.ts'
import type { WatchEvent, WatchRange } from '../engine/types.ts'
import { errorBody, type Reply, refusal, toJson } from './http-reply.ts'
import { type ApiRequest, badRequest, type Parsed, parsed, readNumber } from './http-request.ts'
import { nextRevision, type ServedStore } from './served.ts'

/**
 * `GET /v1/watch?prefix=&key=&from=`: changes as server-sent events (WHATWG HTML §9.2). Their id is the last revision
 * that was told whole, so that a browser that reconnects in the middle of one gets all of it again. A watch that
 * cannot go on says so in an event named `failure` and ends.
 */
export class HttpWatches {
  private readonly streams = new Set<AbortController>()
  private readonly onError: (error: unknown) => void

  /** `onError` hears of failures that are nobody's typed error. */
  constructor(onError: (error: unknown) => void) {
    this.onError = onError
  }

  get size(): number {
    return this.streams.size
  }

  open(store: ServedStore, request: ApiRequest): Reply {
    if (this.streams.size >= httpWatchersMax) {
      const message = `a seed serves at most ${httpWatchersMax} watches`
      return refusal(429, 'SYSTEM_BUSY', message, { 'retry-after': '5' })
    }
    const range = readRange(store, request)
    if (!range.ok) return range.reply
    const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' }
    if (request.message.method === 'HEAD') return { status: 200, headers }
    const ended = new AbortController()
    request.signal.addEventListener('abort', () => ended.abort(), { once: true })
    // Registered before the headers leave: what is written after them is seen.
    const events = store.watch({ ...range.value, signal: ended.signal })
    this.streams.add(ended)
    return {
      status: 200,
      headers,
      stream: response => this.run(events, response, ended),
    }
  }

  /** Ends every watch; the clients find out by the end of their streams. */
  close(): void {
    for (const stream of this.streams) stream.abort()
  }

  private async run(events: AsyncIterable<WatchEvent>, response: ServerResponse, ended: AbortController) {
    const heartbeat = setInterval(() => {
      if (response.writableLength === 0) response.write(': still here\n\n')
    }, httpHeartbeatMs)
    try {
      response.write(': watching\n\n')
      for await (const event of events) {
        if (!(await drained(response, ended.signal))) return
        response.write(eventText(event))
      }
    } catch (error) {
      this.fail(response, ended.signal, error)
    } finally {
      clearInterval(heartbeat)
      this.streams.delete(ended)
      ended.abort()
      response.end()
    }
  }

  private fail(response: ServerResponse, ended: AbortSignal, error: unknown): void {
    if (ended.aborted) return
    if (!(error instanceof QuorateError)) this.onError(error)
    else response.write(`event: failure\ndata: ${JSON.stringify(errorBody(error))}\n\n`)
  }
}

function readRange(store: ServedStore, { query, message }: ApiRequest): Parsed<WatchRange> {
  const from = readNumber(query, 'from', { least: 1, most: Number.MAX_SAFE_INTEGER })
  if (!from.ok) return from
  // A reconnecting browser asks for the same address again, `from` and all: where it stopped counts for more.
  const last = String(message.headers['last-event-id'] ?? '')
  if (!/^\d{0,15}$/.test(last)) return badRequest('Last-Event-ID is the id of an event: a whole number')
  const first = last === '' ? (from.value ?? nextRevision(store.status())) : Number(last) + 1
  const prefix = query.get('prefix')
  const key = query.get('key')
  return parsed({
    ...(prefix !== null && { prefix }),
    ...(key !== null && { key }),
    ...(first !== undefined && { from: first }),
  })
}

/** Waits until a client that lags behind has caught up. False when it does not, or is gone: it is cut off. */
async function drained(response: ServerResponse, ended: AbortSignal): Promise<boolean> {
  if (ended.aborted) return false
  if (response.writableLength <= httpWatchBufferedBytesMax) return true
  try {
    await once(response, 'drain', { signal: AbortSignal.any([ended, AbortSignal.timeout(httpWatchDrainMs)]) })
    return true
  } catch {
    response.destroy()
    return false
  }
}

function eventText({ type, key, value, revision, last }: WatchEvent): string {
  return `id: ${last ? revision : revision - 1}\nevent: ${type}\ndata: ${toJson({ key, value, revision })}\n\n`
}
