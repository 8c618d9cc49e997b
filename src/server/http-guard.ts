import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Reply, refusal } from './http-reply.ts'

/**
 * Who may use the API.
 * - `local`: whoever reaches the loopback address, but no web page of another origin. The page that the seed
 *   serves is told the secret.
 * - `secret`: whoever sends `Authorization: Bearer SECRET`.
 */
export type Access = 'local' | 'secret'

export interface Guard {
  readonly access: Access
  readonly secret: string
  /** Further names by which the seed is reached, beside those of the loopback address. */
  readonly hostNames?: readonly string[]
}

/**
 * Refuses what no honest client of the API sends. A page of another site can make the browser of somebody who
 * runs a seed send requests to its loopback address, so reaching that address proves nothing:
 * - a name that was rebound to 127.0.0.1 shows in `Host`, and the page would be of the same origin with the
 *   seed;
 * - a request of another origin shows in `Origin` or `Sec-Fetch-Site` (W3C Fetch Metadata), which no page can
 *   forge.
 *
 * With a secret the first is harmless, because a browser never adds `Authorization` by itself.
 */
export function refuseStranger(guard: Guard, request: IncomingMessage): Reply | undefined {
  if (guard.access === 'local' && !isOwnName(guard, request.headers.host)) {
    return refusal(403, 'FORBIDDEN', 'the Host header names no address of this seed')
  }
  if (isCrossOrigin(request)) return refusal(403, 'FORBIDDEN', 'requests of another origin are refused')
  return undefined
}

/** Asks for the secret where the access demands it. A wrong one is refused even where none is needed. */
export function refuseWithoutSecret(guard: Guard, request: IncomingMessage): Reply | undefined {
  const { authorization } = request.headers
  if (authorization === undefined && guard.access === 'local') return undefined
  if (authorization !== undefined && isBearer(authorization, guard.secret)) return undefined
  const message =
    authorization === undefined
      ? 'the secret of the cluster is needed'
      : 'the secret is not that of the cluster'
  return refusal(401, 'UNAUTHORIZED', message, { 'www-authenticate': 'Bearer realm="quorate"' })
}

/** True for the names and addresses that lead to this machine alone. */
export function isLoopback(name: string): boolean {
  return (
    name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
  )
}

function isOwnName(guard: Guard, header: string | undefined): boolean {
  const name = hostName(header)
  return name !== undefined && (isLoopback(name) || (guard.hostNames ?? []).includes(name))
}

/** The name in a Host header, without port and brackets. */
function hostName(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::\d+)?$/i.exec(header ?? '')
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}

function isCrossOrigin(request: IncomingMessage): boolean {
  const { origin, host } = request.headers
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  if (origin === undefined) return false
  // The scheme is not compared: behind a proxy that ends TLS it differs, and another scheme of the same host
  // and port cannot exist.
  return authority(origin) === undefined || authority(origin) !== authority(`http://${host ?? ''}`)
}

function authority(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined
}

/** Compared as digests, so that the time taken tells nothing about the secret or its length. */
function isBearer(header: string, secret: string): boolean {
  const given = /^Bearer +(\S.*?) *$/i.exec(header)?.[1] ?? ''
  return timingSafeEqual(digest(given), digest(secret))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
