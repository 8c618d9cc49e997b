import { unreachable } from '../base/assert.ts'
import { version } from '../base/version.ts'
import { json, type Reply, refusal } from './http-reply.ts'
import {
  type ApiRequest,
  badRequest,
  type Parsed,
  parsed,
  readJsonBody,
  readOptions,
} from './http-request.ts'
import type { Served, ServedSignaling, ServedStore } from './served.ts'

/**
 * `GET /healthz`: 200 while the store can be used as far as this host knows, 503 with the reason otherwise.
 */
export function health(served: Served): Reply {
  const reason = unhealthy(served)
  return reason === undefined ? json({ status: 'ok' }) : json({ status: 'unavailable', reason }, 503)
}

function unhealthy(served: Served): string | undefined {
  switch (served.type) {
    case 'starting':
      return 'the host is starting'
    case 'signal-only':
      return undefined
    case 'host':
      if (served.host.error !== undefined) return served.host.error.message
      return unhealthyStore(served.store)
    default:
      return unreachable(served)
  }
}

function unhealthyStore(store: ServedStore): string | undefined {
  const { role, leader } = store.status()
  // It may still have heard of a leader, who does not serve it any more.
  if (role === 'removed') return 'the group removed this host'
  return leader === undefined ? 'no leader is known' : undefined
}

/** `GET /v1/status`: what this seed knows by itself; it asks nobody, so it answers without a leader too. */
export function status(served: Served, cluster: string, signaling: ServedSignaling | undefined): Reply {
  const common = {
    version,
    cluster,
    ...(signaling && { signaling: { hosts: signaling.hosts(), counters: signaling.counters() } }),
  }
  if (served.type !== 'host') return json({ ...common, state: served.type })
  const { hostId, deployment, peers, present, counters } = served.host.info()
  const { group, ...store } = served.store.status()
  return json({
    ...common,
    state: 'running',
    host: hostId,
    deployment,
    store: group,
    ...store,
    peers,
    present,
    counters,
  })
}

/** `GET /v1/members`: as the group knows them. */
export async function listMembers(store: ServedStore, request: ApiRequest): Promise<Reply> {
  const options = readOptions(request)
  if (!options.ok) return options.reply
  return json({ members: await store.members(options.value) })
}

/**
 * `POST /v1/members`: `{"action": "promote" | "demote" | "remove", "host": ID}`; promote takes a list of ids
 * as well.
 */
export async function changeMembers(store: ServedStore, request: ApiRequest): Promise<Reply> {
  const options = readOptions(request)
  if (!options.ok) return options.reply
  const body = await readJsonBody(request.message)
  if (!body.ok) return body.reply
  const change = readChange(body.value)
  if (!change.ok) return change.reply
  const { action, hosts } = change.value
  if (action === 'promote') return json({ members: await store.promote(hosts, options.value) })
  const [host, ...others] = hosts
  if (host === undefined || others.length > 0) {
    return refusal(400, 'BAD_REQUEST', `${action} takes one host`)
  }
  return json({ members: await store[action](host, options.value) })
}

interface Change {
  readonly action: 'promote' | 'demote' | 'remove'
  readonly hosts: readonly string[]
}

function readChange(body: unknown): Parsed<Change> {
  const { action, host } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  if (action !== 'promote' && action !== 'demote' && action !== 'remove') {
    return badRequest('action is promote, demote or remove')
  }
  const hosts: readonly unknown[] = Array.isArray(host) ? host : [host]
  if (hosts.length === 0 || !hosts.every(id => typeof id === 'string' && id !== '')) {
    return badRequest('host is the id of a host')
  }
  return parsed({ action, hosts: hosts as readonly string[] })
}
