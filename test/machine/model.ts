import type { Command, Proposal, Result } from '../../src/core/machine/command.ts'
import type { Item } from '../../src/core/machine/item.ts'
import type { SessionLimits } from '../../src/core/machine/sessions.ts'
import { bytes, callArgsOf } from './log.ts'

interface ModelSession {
  readonly id: number
  floor: number
  results: { seq: number; result: Result }[]
}

/**
 * What the machine shall do, written as plainly as possible and with nothing shared: a Map, lists that are
 * searched from end to end, and the sessions in the order of their use.
 */
export class Model {
  readonly leases = new Map<number, { readonly ttlMs: number; deadline: number }>()
  private clock = 0
  readonly items = new Map<string, Item>()
  private readonly limits: SessionLimits
  private sessions: ModelSession[] = []

  constructor(limits: SessionLimits) {
    this.limits = limits
  }

  apply(index: number, { session: id, seq, acked, command }: Proposal): Result {
    if (id === 0) return this.execute(index, command)
    const session = this.sessions.find(session => session.id === id)
    if (session === undefined) return { type: 'session-expired' }
    this.sessions = this.sessions.filter(other => other !== session)
    if (command.type === 'close-session') return { type: 'written', revision: index }
    this.sessions.push(session)
    forget(session, acked)
    if (seq <= session.floor) return { type: 'stale' }
    const known = session.results.find(known => known.seq === seq)
    if (known !== undefined) return known.result
    const result = this.execute(index, command)
    session.results.push({ seq, result })
    session.results.sort((left, right) => left.seq - right.seq)
    forget(session, seq - this.limits.sessionWindowMax)
    while (bytesOf(session) > this.limits.sessionWindowBytesMax) forget(session, session.results[0]?.seq ?? 0)
    return result
  }

  private execute(index: number, command: Command): Result {
    switch (command.type) {
      case 'open-session':
        if (this.sessions.length >= this.limits.sessionsMax) this.sessions.shift()
        this.sessions.push({ id: index, floor: 0, results: [] })
        return { type: 'session', session: index }
      case 'close-session':
        return { type: 'session-expired' }
      case 'barrier':
      case 'broadcast':
        return { type: 'written', revision: index }
      case 'put':
        this.write(index, command.key, command.value)
        return { type: 'written', revision: index }
      case 'insert':
        return this.swap(index, command.key, null, command.value)
      case 'delete': {
        const ok = this.items.delete(command.key)
        return { type: 'deleted', ok, revision: ok ? index : 0 }
      }
      case 'compare-and-swap':
        return this.swap(index, command.key, command.expected, command.value)
      case 'fenced': {
        const holds = this.items.get(command.key)?.createRevision === command.createRevision
        return holds ? this.execute(index, command.command) : { type: 'fenced' }
      }
      case 'call':
        return this.call(index, command.args)
      case 'lease-revoke': {
        const ok = this.leases.has(command.lease)
        this.end(command.lease)
        return { type: 'deleted', ok, revision: ok ? index : 0 }
      }
      default:
        this.clock = Math.max(this.clock, command.clock)
        return this.timed(index, command)
    }
  }

  private timed(index: number, command: Extract<Command, { readonly clock: number }>): Result {
    if (command.type === 'lease-keep-alive') {
      const gone = command.leases.filter(id => !this.leases.has(id))
      for (const id of command.leases) {
        const lease = this.leases.get(id)
        if (lease !== undefined) lease.deadline = this.clock + lease.ttlMs
      }
      return { type: 'kept', gone }
    }
    if (command.type === 'lease-grant')
      this.leases.set(index, { ttlMs: command.ttlMs, deadline: this.clock + command.ttlMs })
    else for (const [id, { deadline }] of [...this.leases]) if (deadline <= this.clock) this.end(id)
    return { type: 'written', revision: index }
  }

  private end(lease: number): void {
    if (!this.leases.delete(lease)) return
    for (const item of [...this.items.values()]) if (item.lease === lease) this.items.delete(item.key)
  }

  /** What `writeAll` of the log's helpers does. */
  private call(index: number, args: Uint8Array): Result {
    const { writes, lease, fails } = callArgsOf(args)
    const id = this.leases.has(lease) ? lease : 0
    if (fails) return { type: 'failed', code: 'ASKED', detail: null }
    const before = new Map(this.items)
    for (const [key, value] of writes) {
      if (value === null) this.items.delete(key)
      else {
        const { createRevision = index, version = 0, modRevision = 0 } = this.items.get(key) ?? {}
        const counted = modRevision === index ? version : version + 1
        this.items.set(key, {
          key,
          value: bytes(value),
          createRevision,
          modRevision: index,
          version: counted,
          lease: id,
        })
      }
    }
    return { type: 'called', revision: index, value: bytes(String(before.size)) }
  }

  private swap(index: number, key: string, expected: Uint8Array | null, value: Uint8Array | null): Result {
    const item = this.items.get(key)
    if (String(item?.value) !== String(expected ?? undefined)) {
      return { type: 'checked', ok: false, revision: item?.modRevision ?? 0, value: item?.value ?? null }
    }
    if (value !== null) this.write(index, key, value)
    else if (!this.items.delete(key)) return { type: 'checked', ok: true, revision: 0, value: null }
    return { type: 'checked', ok: true, revision: index, value }
  }

  private write(index: number, key: string, value: Uint8Array): void {
    const { createRevision = index, version = 0 } = this.items.get(key) ?? {}
    this.items.set(key, { key, value, createRevision, modRevision: index, version: version + 1, lease: 0 })
  }
}

function forget(session: ModelSession, floor: number): void {
  session.floor = Math.max(session.floor, floor)
  session.results = session.results.filter(known => known.seq > session.floor)
}

function bytesOf(session: ModelSession): number {
  return session.results.reduce((sum, { result }) => {
    if (result.type === 'kept') return sum + 8 * result.gone.length
    return sum + ('value' in result ? (result.value?.length ?? 0) : 0)
  }, 0)
}
