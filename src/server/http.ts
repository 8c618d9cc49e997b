import type { IncomingMessage, ServerResponse } from 'node:http'
import { changeMembers, health, listMembers, status } from './http-cluster.ts'
import { demoFile } from './http-files.ts'
import { type Guard, refuseStranger, refuseWithoutSecret } from './http-guard.ts'
import { deleteKey, getKey, keyPrefix, putKey, scanKeys } from './http-keys.ts'
import { metricsReply } from './http-metrics.ts'
import { errorReply, json, type Reply, refusal } from './http-reply.ts'
import { type ApiRequest, boundNames, callNames, refuseQuery } from './http-request.ts'
import { HttpWatches } from './http-watch.ts'
import type { Served, ServedSignaling, ServedStore } from './served.ts'

export interface HttpApiOptions extends Guard {
  readonly cluster: string
  /** Asked for every request, because it changes while the seed starts. */
  readonly served: () => Served
  readonly signaling?: ServedSignaling
  /** Folder of the built demo. Without it the API serves no page. */
  readonly demo?: string
  /** Hears of errors that no request can be blamed for. */
  readonly onError: (error: unknown) => void
}

type StoreHandler = (store: ServedStore, request: ApiRequest) => Promise<Reply> | Reply
type Methods = Readonly<Record<string, (request: ApiRequest) => Promise<Reply> | Reply>>

/**
 * The HTTP API of a seed, as a handler for a `node:http` server. Paths: `/healthz`, `/config.json`,
 * `/metrics` (also `/v1/metrics`, where the server is shared), `/v1/status`, `/v1/kv`, `/v1/kv/KEY`,
 * `/v1/watch`, `/v1/members`, and the demo. Bodies are JSON, but for the metrics; every refusal is
 * `{"error": {"code", "message", "retryable", "outcome"}}`, with the codes of `QuorateError` where the store
 * refused.
 */
export class HttpApi {
  private readonly options: HttpApiOptions
  private readonly watches: HttpWatches

  constructor(options: HttpApiOptions) {
    this.options = options
    this.watches = new HttpWatches(options.onError)
  }

  /** True for the paths that this API answers where it shares a server with something else. */
  owns(message: IncomingMessage): boolean {
    const { path } = target(message)
    return path === '/healthz' || path === '/v1' || path.startsWith('/v1/')
  }

  /** Answers a request. Never rejects. */
  async handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    try {
      const reply = await this.answer({ ...target(message), message, signal: gone.signal })
      await send(message, response, reply)
    } catch (error) {
      if (gone.signal.aborted) return
      const reply = errorReply(error)
      if (reply === undefined) this.options.onError(error)
      if (response.headersSent) response.destroy()
      else await send(message, response, reply ?? refusal(500, 'INTERNAL', 'the seed made a mistake'))
    }
  }

  /** Ends the watches. Requests under way are answered. */
  close(): void {
    this.watches.close()
  }

  private async answer(request: ApiRequest): Promise<Reply> {
    const { path, message } = request
    if (path === '/healthz') return this.byMethod(request, { GET: () => health(this.options.served()) })
    const isApi = path === '/config.json' || path === '/metrics' || path.startsWith('/v1/')
    if (!isApi) return this.page(request)
    const refused = refuseStranger(this.options, message)
    if (refused !== undefined) return refused
    if (path === '/config.json') return this.byMethod(request, { GET: () => this.config() })
    return refuseWithoutSecret(this.options, message) ?? this.route(request)
  }

  private route(request: ApiRequest): Promise<Reply> | Reply {
    const { cluster, served, signaling } = this.options
    const { path } = request
    if (path === '/v1/status')
      return this.byMethod(request, { GET: () => status(served(), cluster, signaling) }, [])
    if (path === '/metrics' || path === '/v1/metrics')
      return this.byMethod(request, { GET: () => metricsReply(served(), signaling) }, [])
    if (path === '/v1/kv') {
      return this.byMethod(request, { GET: this.on(scanKeys) }, [...boundNames, 'limit', ...callNames])
    }
    if (path.startsWith(keyPrefix)) {
      const methods = { GET: this.on(getKey), PUT: this.on(putKey), DELETE: this.on(deleteKey) }
      return this.byMethod(request, methods, callNames)
    }
    if (path === '/v1/watch') {
      const watch = this.on((store, asked) => this.watches.open(store, asked))
      return this.byMethod(request, { GET: watch }, ['prefix', 'key', 'from'])
    }
    if (path === '/v1/members') {
      return this.byMethod(request, { GET: this.on(listMembers), POST: this.on(changeMembers) }, callNames)
    }
    return refusal(404, 'NOT_FOUND', 'there is nothing at this path')
  }

  /** `names`: what the query may hold; left out where that is nobody's business. */
  private byMethod(request: ApiRequest, methods: Methods, names?: readonly string[]): Promise<Reply> | Reply {
    const method = request.message.method === 'HEAD' ? 'GET' : (request.message.method ?? '')
    const handler = Object.hasOwn(methods, method) ? methods[method] : undefined
    if (handler !== undefined) return (names && refuseQuery(request.query, names)) ?? handler(request)
    const allow = Object.keys(methods).flatMap(name => (name === 'GET' ? ['GET', 'HEAD'] : [name]))
    const message = `this path answers ${allow.join(', ')}`
    return refusal(405, 'METHOD_NOT_ALLOWED', message, { allow: allow.join(', ') })
  }

  /** A handler that needs a store, refused while there is none. */
  private on(handler: StoreHandler): (request: ApiRequest) => Promise<Reply> | Reply {
    return request => {
      const served = this.options.served()
      if (served.type === 'host') return handler(served.store, request)
      if (served.type === 'signal-only') {
        return refusal(501, 'NOT_SUPPORTED', 'this seed only introduces hosts to each other; it has no store')
      }
      return refusal(503, 'STARTING', 'the host is starting', { 'retry-after': '1' })
    }
  }

  /** What the page has to know. The secret is handed out only where reaching the seed is what protects it. */
  private config(): Reply {
    const { access, cluster, secret } = this.options
    return json(access === 'local' ? { cluster, secret } : { cluster })
  }

  private page(request: ApiRequest): Promise<Reply> | Reply {
    const { demo } = this.options
    if (demo === undefined) return refusal(404, 'NOT_FOUND', 'there is nothing at this path')
    return this.byMethod(request, { GET: () => demoFile(demo, request.path) })
  }
}

function target(message: IncomingMessage): { readonly path: string; readonly query: URLSearchParams } {
  const [path = '', ...query] = (message.url ?? '').split('?')
  return { path, query: new URLSearchParams(query.join('?')) }
}

/** On every reply: nobody guesses types, embeds the reply in a page of another origin, or keeps it. */
const alwaysHeaders = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

async function send(message: IncomingMessage, response: ServerResponse, reply: Reply): Promise<void> {
  const length = reply.body === undefined ? {} : { 'content-length': Buffer.byteLength(reply.body) }
  response.writeHead(reply.status, { ...alwaysHeaders, ...length, ...reply.headers })
  if (reply.stream !== undefined) return reply.stream(response)
  response.end(message.method === 'HEAD' ? undefined : reply.body)
  // What is left of a body that nobody wanted would otherwise stand before the next request on this
  // connection.
  if (!message.complete) message.resume()
}
