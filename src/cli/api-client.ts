import { CommandFailed, exitFailed, exitNotNow, exitRefused, exitUnknown, type Terminal } from './command.ts'

/** The options that every command over HTTP has. */
export const apiOptions = {
  url: { type: 'string' },
  secret: { type: 'string' },
  json: { type: 'boolean' },
} as const

export const apiHelp = `  --url URL        the seed (default: $QUORATE_URL, or http://127.0.0.1:8080)
  --secret SECRET  the secret of the cluster (default: $QUORATE_SECRET), where the seed was given one
  --json           print JSON, one value on a line`

export interface ApiAnswer {
  readonly status: number
  readonly body: unknown
}

const answerMs = 30_000

/** Errors of the system, and of fetch, by which no connection was made. */
const neverSent: readonly string[] = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]

/** The HTTP API of a seed, as the commands use it. Whatever keeps it from answering ends the command. */
export class ApiClient {
  private readonly url: string
  private readonly headers: Readonly<Record<string, string>>
  private readonly ended: AbortSignal

  constructor(values: { readonly url?: string; readonly secret?: string }, { env, ended }: Terminal) {
    this.url = checkUrl(values.url ?? env.QUORATE_URL ?? 'http://127.0.0.1:8080')
    const secret = values.secret ?? env.QUORATE_SECRET
    this.headers = secret === undefined || secret === '' ? {} : { authorization: `Bearer ${secret}` }
    this.ended = ended
  }

  /** Asks, and gives the answer unless it is an error whose status is not among the `expected`. */
  async ask(
    method: string,
    path: string,
    { json, headers = {}, expected = [] }: AskOptions = {},
  ): Promise<ApiAnswer> {
    const signal = AbortSignal.any([this.ended, AbortSignal.timeout(answerMs)])
    const content = json === undefined ? {} : { body: json }
    const type = json === undefined ? {} : { 'content-type': 'application/json' }
    const response = await this.fetch(path, { method, signal, headers: { ...type, ...headers }, ...content })
    const answer = { status: response.status, body: await this.read(response, method) }
    if (response.ok || expected.includes(response.status)) return answer
    throw refusedBy(this.url, answer)
  }

  /** Opens a stream of server-sent events. */
  async open(path: string): Promise<Response> {
    const response = await this.fetch(path, { signal: this.ended })
    if (response.ok) return response
    throw refusedBy(this.url, { status: response.status, body: await this.read(response) })
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.url + path, { ...init, headers: { ...init.headers, ...this.headers } })
    } catch (error) {
      throw this.unreachable(error, init.method)
    }
  }

  private async read(response: Response, method = 'GET'): Promise<unknown> {
    let text: string
    try {
      text = await response.text()
    } catch (error) {
      throw this.unreachable(error, method)
    }
    try {
      return JSON.parse(text)
    } catch {
      throw new CommandFailed(`${this.url} is no seed: it answered ${response.status} without JSON`)
    }
  }

  private unreachable(error: unknown, method = 'GET'): unknown {
    if (this.ended.aborted) return error
    const reason = reasonOf(error)
    // A change that was sent may have been made, whatever became of the answer.
    const exitCode = method === 'GET' || neverSent.includes(reason) ? exitFailed : exitUnknown
    if (error instanceof Error && error.name === 'TimeoutError') {
      return new CommandFailed(`${this.url} did not answer within ${answerMs / 1000} s`, exitCode)
    }
    return new CommandFailed(`${this.url} cannot be reached: ${reason}`, exitCode)
  }
}

interface AskOptions {
  /** The body, as JSON text. */
  readonly json?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly expected?: readonly number[]
}

export function keyPath(key: string): string {
  if (key === '') throw new CommandFailed('KEY is empty')
  if (/\p{Surrogate}/u.test(key)) throw new CommandFailed('KEY is not well-formed')
  // Encoded or not, these are steps of a path to every client of HTTP (WHATWG URL §4.4), and another path is asked.
  if (key === '.' || key === '..') throw new CommandFailed(`KEY "${key}" cannot be part of a URL`)
  return `/v1/kv/${encodeURIComponent(key)}`
}

/** The member of a JSON object, undefined for anything else. */
export function field(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new CommandFailed(`--url ${JSON.stringify(text)} is no http:// or https:// address`)
  }
  return url.href.replace(/\/+$/, '')
}

/** fetch says only "fetch failed"; what happened is its cause. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown }
  const { code, message } = (cause ?? error) as NodeJS.ErrnoException
  return code ?? message
}

function refusedBy(url: string, { status, body }: ApiAnswer): CommandFailed {
  const error = field(body, 'error')
  const message = field(error, 'message')
  if (typeof message !== 'string') return new CommandFailed(`${url} is no seed: it answered ${status}`)
  if (status === 401 || status === 403) return new CommandFailed(`${url} refused: ${message}`)
  return failureOf(error)
}

/** What the store said, with the exit code for it. */
export function failureOf(error: unknown): CommandFailed {
  const text = `${field(error, 'code')}: ${field(error, 'message')}`
  if (field(error, 'outcome') === 'unknown') return new CommandFailed(text, exitUnknown)
  return new CommandFailed(text, field(error, 'retryable') === true ? exitNotNow : exitRefused)
}
