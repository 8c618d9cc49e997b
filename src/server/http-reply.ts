import type { ServerResponse } from 'node:http'
import { type ErrorCode, QuorateError } from '../core/error.ts'

/** An answer as data; `http.ts` is the one place that writes it to a socket. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Takes the response over after its headers: server-sent events. */
  readonly stream?: (response: ServerResponse) => Promise<void>
}

/** Why the API refused a request that never reached the store. Beside the codes of `QuorateError`. */
export type HttpErrorCode =
  | 'BAD_REQUEST'
  | 'EXISTS'
  | 'FORBIDDEN'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_FOUND'
  | 'NOT_SUPPORTED'
  | 'STARTING'
  | 'UNSUPPORTED_MEDIA_TYPE'

/**
 * The status of each typed error: 4xx where the caller can do something about it, 5xx where only time can.
 */
const statusOf: Readonly<Record<ErrorCode, number>> = {
  NO_LEADER: 503,
  NOT_LEADER: 503,
  SYSTEM_BUSY: 429,
  TIMEOUT: 504,
  OUTCOME_UNKNOWN: 504,
  CLOSED: 503,
  STORAGE_FAILED: 500,
  STORAGE_CORRUPT: 500,
  STORAGE_LOCKED: 500,
  NOT_MEMBER: 409,
  REMOVED: 503,
  LAST_VOTER: 409,
  MEMBERSHIP_PENDING: 409,
  MEMBERSHIP_REFUSED: 409,
  MEMBERSHIP_CONFLICT: 409,
  TRANSFER_ABORTED: 503,
  COMPACTED: 410,
  SLOW_CONSUMER: 503,
  REFUSED: 422,
  REQUEST_UNKNOWN: 404,
  REQUEST_FAILED: 500,
  COMMAND_FAILED: 422,
  COMMAND_UNKNOWN: 404,
  CONFLICT: 409,
  VIEW_EXPIRED: 409,
  DIVERGED: 503,
  FENCED: 412,
  LEASE_LOST: 409,
  LEASE_NOT_FOUND: 404,
  LIMIT_MISMATCH: 409,
  TOO_LARGE: 413,
  UNAUTHORIZED: 401,
  WRONG_CLUSTER: 500,
  NOT_FOUNDED: 503,
  UNREACHABLE: 503,
  INSECURE_CONTEXT: 500,
  INTERNAL: 500,
  UNSUPPORTED: 500,
}

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: `${toJson(value)}\n`,
  }
}

/** A refusal in the one shape that every error of the API has. `more` stands beside the error in the body. */
export function refusal(
  status: number,
  code: HttpErrorCode | ErrorCode,
  message: string,
  headers: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Reply {
  const retryable = status === 503 || status === 429
  return json({ error: { code, message, retryable, outcome: 'none' }, ...more }, status, headers)
}

/**
 * The reply to what a store call threw. A TypeError speaks of an argument, and every argument came with the
 * request. `undefined` means that the error is a mistake of this project: the caller reports it and answers
 * 500.
 */
export function errorReply(error: unknown): Reply | undefined {
  if (error instanceof TypeError) return refusal(400, 'BAD_REQUEST', error.message)
  if (!(error instanceof QuorateError)) return undefined
  const headers: Record<string, string> = error.retryable ? { 'retry-after': '1' } : {}
  return json({ error: errorBody(error) }, statusOf[error.code], headers)
}

export function errorBody({ code, message, retryable, outcome }: QuorateError) {
  return { code, message, retryable, outcome }
}

/** JSON has no bytes: a Uint8Array becomes `{"base64": "…"}`. Everything else that a store holds is JSON. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    member instanceof Uint8Array ? { base64: Buffer.from(member).toString('base64') } : member,
  )
}
