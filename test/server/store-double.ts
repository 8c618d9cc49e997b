import { QuorateError } from '../../src/core/error.ts'
import type { HostMetrics } from '../../src/engine/metrics.ts'
import type {
  Checked,
  HostInfo,
  Member,
  StoreEntry,
  StoreStatus,
  WatchEvent,
} from '../../src/engine/types.ts'
import type { ServedHost, ServedStore } from '../../src/server/served.ts'

/** A store of one host without a log: just enough for the HTTP API to stand on. */
export class StoreDouble implements ServedStore {
  readonly entries = new Map<string, StoreEntry>()
  readonly events: WatchEvent[] = []
  readonly asked: string[] = []
  readonly watchers = new Set<() => void>()
  revision = 0
  leader: string | undefined = 'self'
  role: StoreStatus['role'] = 'leader'
  obstacles: Pick<StoreStatus, 'unknownCommand' | 'diverged'> = {}
  /** Thrown by every call while it is set. */
  failure: unknown
  /** Ends every watch while it is set. */
  watchFailure: unknown

  async entry(key: string, options?: { readonly consistency?: string }) {
    this.ask(`entry ${key} ${options?.consistency}`)
    return this.entries.get(key)
  }

  async put(key: string, value: unknown) {
    this.ask(`put ${key}`)
    if (value === 'refused') throw new TypeError('value: this cannot be stored')
    return { revision: this.write(key, value) }
  }

  async insert(key: string, value: unknown): Promise<Checked> {
    this.ask(`insert ${key}`)
    const present = this.entries.get(key)
    if (present !== undefined) return { ok: false, value: present.value, revision: present.modRevision }
    return { ok: true, value, revision: this.write(key, value) }
  }

  async delete(key: string) {
    this.ask(`delete ${key}`)
    const ok = this.entries.delete(key)
    this.revision++
    const { revision } = this
    if (ok) {
      this.tell({
        type: 'delete',
        key,
        value: undefined,
        revision,
        last: true,
        createRevision: 0,
        version: 0,
      })
    }
    return { ok, revision: this.revision }
  }

  async scan(range: { readonly prefix?: string; readonly gt?: string; readonly limit?: number } = {}) {
    this.ask('scan')
    const { prefix = '', gt = '', limit = Number.POSITIVE_INFINITY } = range
    const keys = [...this.entries.keys()].filter(key => key.startsWith(prefix) && key > gt).sort()
    return keys.slice(0, limit).flatMap(key => this.entries.get(key) ?? [])
  }

  async *watch(
    range: { readonly prefix?: string; readonly from?: number; readonly signal?: AbortSignal } = {},
  ) {
    const { prefix = '', from = 0, signal } = range
    let position = 0
    while (signal?.aborted !== true) {
      if (this.watchFailure !== undefined) throw this.watchFailure
      const event = this.events[position]
      if (event === undefined) await this.change(signal)
      else if (++position > 0 && event.revision >= from && event.key.startsWith(prefix)) yield event
    }
  }

  async membership() {
    this.ask('members')
    const members = await this.members()
    return { revision: 7, members }
  }

  async transferLeadership(host: string) {
    this.ask(`transfer ${host}`)
  }

  setWeights(weights: Readonly<Record<string, number>>) {
    this.ask(`weigh ${JSON.stringify(weights)}`)
    return this.members()
  }

  private async members(): Promise<readonly Member[]> {
    return [{ hostId: 'self', replica: 1, role: 'voter', wanted: 'voter', witness: false, weight: 1 }]
  }

  promote(hosts: readonly string[]) {
    this.ask(`promote ${hosts.join(' ')}`)
    return this.members()
  }

  demote(host: string) {
    this.ask(`demote ${host}`)
    return this.members()
  }

  remove(host: string): Promise<readonly Member[]> {
    if (host === 'self') throw new QuorateError('LAST_VOTER', 'it is the last voter')
    return this.members()
  }

  status(): StoreStatus {
    const position = { term: 1, commit: this.revision, applied: this.revision, keys: this.entries.size }
    return {
      group: 'main',
      role: this.role,
      leader: this.leader,
      replica: 1,
      asleep: false,
      members: [],
      ...position,
      ...this.obstacles,
    }
  }

  private ask(what: string): void {
    this.asked.push(what)
    if (this.failure !== undefined) throw this.failure
  }

  private write(key: string, value: unknown): number {
    const before = this.entries.get(key)
    const revision = ++this.revision
    const { createRevision, version } = before ?? { createRevision: revision, version: 0 }
    const entry = { key, value, createRevision, version: version + 1 }
    this.entries.set(key, { ...entry, modRevision: revision })
    this.tell({ type: 'put', ...entry, revision, last: true })
    return revision
  }

  /** Sets all of them at one revision. */
  putTogether(keys: readonly string[], value: unknown): void {
    const revision = ++this.revision
    const entry = { value, createRevision: revision, version: 1 }
    for (const [at, key] of keys.entries()) {
      this.entries.set(key, { key, ...entry, modRevision: revision })
      this.tell({ type: 'put', key, ...entry, revision, last: at === keys.length - 1 })
    }
  }

  private tell(event: WatchEvent): void {
    this.events.push(event)
    this.wake()
  }

  wake(): void {
    for (const wake of this.watchers) wake()
    this.watchers.clear()
  }

  private change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise(resolve => {
      const settle = () => {
        signal?.removeEventListener('abort', settle)
        resolve()
      }
      this.watchers.add(settle)
      signal?.addEventListener('abort', settle)
    })
  }
}

export class HostDouble implements ServedHost {
  error: { readonly code: string; readonly message: string } | undefined

  metrics(): HostMetrics {
    const frames = { framesSent: 3, bytesSent: 300, framesReceived: 4, bytesReceived: 400 }
    const group = {
      leads: 1,
      asleep: 0,
      term: 3,
      commit: 12,
      applied: 12,
      members: 2,
      keys: 1,
      leaderChanges: 2,
    }
    return {
      host: { turns: 9, pauses: 0, writes: 7, peers: 1, queuedBytes: 0, ...frames },
      groups: { main: group },
      dropped: { 'too large': 1 },
    }
  }

  info(): HostInfo {
    const peer = { hostId: 'tab', path: 'direct', candidate: 'host', roundTripMs: 3, queuedBytes: 0 } as const
    const lists = { peers: [peer], present: ['tab'], stores: [] }
    return { hostId: 'self', cluster: 'demo', deployment: 'd1', counters: { 'too large': 1 }, ...lists }
  }
}
