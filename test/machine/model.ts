import type { Command, Proposal, Result } from '../../src/core/machine/command.ts'
import type { Item } from '../../src/core/machine/item.ts'
import type { SessionLimits } from '../../src/core/machine/sessions.ts'

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
      default:
        throw new Error(`the model knows no ${command.type}`)
    }
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
  return session.results.reduce(
    (sum, { result }) => sum + ('value' in result ? (result.value?.length ?? 0) : 0),
    0,
  )
}
