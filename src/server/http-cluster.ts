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
  const { role, leader, unknownCommand, diverged } = store.status()
  // It may still have heard of a leader, who does not serve it any more.
  if (role === 'removed') return 'the group removed this host'
  if (unknownCommand !== undefined) return `this host was not given the command ${unknownCommand}`
  if (diverged?.isQuarantined === true) return 'replicas differ, and that of this host is in quarantine'
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
  const { error } = served.host
  return json({
    ...common,
    ...(error === undefined
      ? { state: 'running' }
      : { state: 'failed', error: { code: error.code, message: error.message } }),
    host: hostId,
    deployment,
    store: group,
    ...store,
    peers,
    present,
    counters,
  })
}

/** `GET /v1/members`: as the group knows them, with the revision of their last change. */
export async function listMembers(store: ServedStore, request: ApiRequest): Promise<Reply> {
  const options = readOptions(request)
  if (!options.ok) return options.reply
  return json(await store.membership(options.value))
}

/**
 * `POST /v1/members`: `{"action": "promote" | "demote" | "remove" | "transfer", "host": ID}`, where promote takes a
 * list of ids as well, or `{"action": "weigh", "weights": {ID: WEIGHT}}`. With `"expectedRevision"` the members must be
 * of that one.
 */
export async function changeMembers(store: ServedStore, request: ApiRequest): Promise<Reply> {
  const options = readOptions(request)
  if (!options.ok) return options.reply
  const body = await readJsonBody(request.message)
  if (!body.ok) return body.reply
  const change = readChange(body.value)
  if (!change.ok) return change.reply
  const { action, hosts, weights, ...expected } = change.value
  const changeOptions = { ...options.value, ...expected }
  if (action === 'weigh') return json({ members: await store.setWeights(weights, changeOptions) })
  if (action === 'promote') return json({ members: await store.promote(hosts, changeOptions) })
  const [host, ...others] = hosts
  if (host === undefined || others.length > 0) {
    return refusal(400, 'BAD_REQUEST', `${action} takes one host`)
  }
  if (action !== 'transfer') return json({ members: await store[action](host, changeOptions) })
  await store.transferLeadership(host, options.value)
  return json(await store.membership(options.value))
}

const actions = ['promote', 'demote', 'remove', 'transfer', 'weigh'] as const

interface Change {
  readonly action: (typeof actions)[number]
  readonly hosts: readonly string[]
  readonly weights: Readonly<Record<string, number>>
  readonly expectedRevision?: number
}

function readChange(body: unknown): Parsed<Change> {
  const fields = asRecord(body)
  const action = actions.find(one => one === fields.action)
  if (action === undefined) return badRequest(`action is one of ${actions.join(', ')}`)
  const revision = fields.expectedRevision
  if (revision !== undefined && !(Number.isSafeInteger(revision) && (revision as number) > 0))
    return badRequest('expectedRevision is an integer from 1')
  const expected = revision === undefined ? {} : { expectedRevision: revision as number }
  if (action === 'weigh') {
    const weights = Object.entries(asRecord(fields.weights))
    if (
      weights.length === 0 ||
      !weights.every(([, weight]) => Number.isSafeInteger(weight) && Number(weight) > 0)
    )
      return badRequest('weights holds an integer from 1 for each host')
    return parsed({
      action,
      hosts: [],
      weights: Object.fromEntries(weights) as Record<string, number>,
      ...expected,
    })
  }
  const hosts: readonly unknown[] = Array.isArray(fields.host) ? fields.host : [fields.host]
  if (hosts.length === 0 || !hosts.every(id => typeof id === 'string' && id !== '')) {
    return badRequest('host is the id of a host')
  }
  return parsed({ action, hosts: hosts as readonly string[], weights: {}, ...expected })
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
