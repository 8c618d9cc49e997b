import type { GroupId, Revision } from '../../core/types.ts'
import type { Holding } from '../../engine/recipes/holding.ts'
import type { Fence } from '../../engine/types.ts'
import type { Call } from './calls.ts'
import type { Desk, Worker } from './desk.ts'
import type { HostLife } from './simulated-host.ts'

/** How long what is held lasts without its host. */
export const holdTtlsMs = [1500, 4000, 8000] as const

/** How long one waits for one's turn. */
export const turnWaitMsMax = 6000
export const turnWaitsMs = [300, 2000, turnWaitMsMax] as const

/** What somebody was given, and how many may have one like it at once. */
export interface Place extends Fence {
  readonly limit: number
}

export type Held = Pick<Holding, 'key' | 'token' | 'signal' | 'release'>

interface Holder {
  readonly life: HostLife
  readonly signal: AbortSignal
  readonly ttlMs: number
}

/**
 * The lines behind locks, permits, leaderships and presence, and the claims to the items of queues, as they stand in
 * the log. Whoever is told to hold is among the first of the line; what is written behind a fence comes of one who is,
 * though holders stand still for longer than their lease lasts, host and all, and write as the first thing they do when
 * they go on, or when they have let go of it; by the world's time no more of them take themselves for holders than may,
 * where clocks are as good as leases need them; and nobody who holds loses the place but by the end of the lease.
 */
export class Lines {
  private readonly desk: Desk
  /** By the names of what they wrote. */
  private readonly writers = new Map<string, Place>()
  private readonly judged = new Map<GroupId, number>()
  /** Who was told to hold, and has not let go of it, by group and token. */
  private readonly held = new Set<string>()
  private readonly holders = new Map<string, Holder[]>()

  constructor(desk: Desk) {
    this.desk = desk
  }

  /** A worker is told to hold. */
  given({ life, store }: Worker, { key, token, signal }: Held, ttlMs: number, limit: number): Place {
    const leases = this.desk.leasesOf(store.name)
    leases?.holds(life, { signal }, ttlMs)
    this.held.add(`${store.name} ${token}`)
    const line = `${store.name} ${lineOf(key)}`
    const holders = (this.holders.get(line) ?? []).filter(holder => !holder.signal.aborted)
    holders.push({ life, signal, ttlMs })
    this.holders.set(line, holders)
    const sure = holders.filter(holder => leases?.knowsInTime(holder.life, holder.ttlMs))
    if (sure.length > limit)
      this.fail('exclusion', store.name, `${sure.length} hold at once, where ${limit} may, of ${line}`)
    return { key, token, limit }
  }

  /** Works behind the fence for a while, does what else there is to do meanwhile, and lets go of it. */
  async use(
    worker: Worker,
    holding: Held,
    { place, ttlMs, guard }: { readonly place: Place; readonly ttlMs: number; readonly guard: string },
    beside: () => Promise<void> = async () => {},
  ): Promise<void> {
    const { desk } = this
    for (let left = 1 + desk.below(3); left > 0 && !desk.isStopped; left--) {
      await desk.pause(desk.below(600))
      if (desk.random() < 0.2 && !desk.isStopped) await this.standStill(worker, ttlMs)
      if (desk.random() < 0.3) await beside()
      await this.write(worker, guard, place)
    }
    await this.release(worker, holding)
    if (desk.random() < 0.3) await desk.pause(desk.below(1000))
    if (!desk.isStopped) await this.write(worker, guard, place)
  }

  /** Where that does not arrive, the lease ends by itself. */
  release(worker: Worker, holding: Held): Promise<void> {
    this.letGo(worker, holding.token)
    return holding.release().catch(() => {})
  }

  /** It may end from now on. */
  letGo({ store }: Worker, token: Revision): void {
    this.held.delete(`${store.name} ${token}`)
  }

  /** The host and all that runs on it stop for a while. */
  async standStill({ life }: Worker, ttlMs: number): Promise<void> {
    const { clock } = life
    if (clock.isSuspended) return
    clock.suspend()
    await this.desk.pause(ttlMs * (0.2 + 1.3 * this.desk.random()))
    clock.resume()
  }

  /** Judges what was written and lost since this was asked last. */
  judge(group: GroupId): void {
    const { changes } = this.desk.oracleOf(group)
    let position = this.judged.get(group) ?? 0
    for (; position < changes.length; position++) {
      const { key = '', value = null, revision = 0 } = changes[position] ?? {}
      const writer = this.writers.get(value ?? '')
      if (writer !== undefined) this.judgeFenced(group, value ?? '', revision, writer)
      else if (isPlace(key)) this.judgePlace(group, key, value, revision)
    }
    this.judged.set(group, position)
  }

  /** Who is told to hold is among the first of the line. */
  judgeHeld({ group, floor }: Call, { key, token, limit }: Place): void {
    const oracle = this.desk.oracleOf(group)
    oracle.acknowledged(token, floor)
    const line = this.lineAt(group, oracle.upTo, key)
    // What is lost by then may be given out where the clocks are worse than leases allow for.
    const isLost = !line.includes(token)
    const isFirst = line.slice(0, limit).includes(token)
    if (!isFirst && (!isLost || this.desk.leasesOf(group) !== undefined))
      this.fail(
        'exclusion',
        group,
        `token ${token} of ${key} was given out while ${line.join(', ')} are there`,
      )
  }

  /** What may fail as long as it is held has failed: because it was lost. */
  judgeLost({ group, code }: Call, { key, token }: Fence, what: string): void {
    const oracle = this.desk.oracleOf(group)
    if (code === 'FENCED' && oracle.itemAt(key, oracle.upTo)?.createRevision === token)
      this.fail('fencing', group, `${what} was refused, and token ${token} has ${key}`)
  }

  /** The tokens in the line of that key, in their order. */
  lineAt(group: GroupId, revision: Revision, key: string): Revision[] {
    const line = lineOf(key)
    const places = this.desk.oracleOf(group).itemsAt(revision, other => other.startsWith(line))
    return places.map(({ createRevision }) => createRevision).sort((left, right) => left - right)
  }

  private async write(worker: Worker, guard: string, place: Place): Promise<void> {
    const { desk } = this
    const { store, life } = worker
    const fence = { key: place.key, token: place.token }
    const name = desk.name(life, 'f')
    this.writers.set(name, place)
    const value = desk.full(name)
    const options = { fence, ...desk.bounds() }
    const put = { type: 'put', key: guard, value } as const
    const write = async () => {
      const isTxn = desk.random() < 0.3
      const { revision } = await (isTxn
        ? store.txn({ success: [put] }, options)
        : store.put(guard, value, options))
      return { revision }
    }
    const judge = (call: Call) => {
      const { group, outcome, result, floor } = call
      const oracle = desk.oracleOf(group)
      if (outcome === 'fail') oracle.refused(name)
      if (outcome === 'ok')
        oracle.wrote(guard, (result as { readonly revision: number }).revision, name, floor)
      this.judgeLost(call, fence, name)
    }
    await desk.make(worker, { op: 'fenced', key: guard, args: [fence.token, name], judge }, write)
  }

  private judgeFenced(group: GroupId, name: string, revision: Revision, { key, token, limit }: Place): void {
    const line = this.lineAt(group, revision - 1, key)
    if (!line.slice(0, limit).includes(token))
      this.fail(
        'fencing',
        group,
        `${name} was written at ${revision} by token ${token}, where ${line.join(', ')} were there`,
      )
  }

  /** A place was taken, says something else, or is gone. */
  private judgePlace(group: GroupId, key: string, value: string | null, revision: Revision): void {
    const oracle = this.desk.oracleOf(group)
    const name = nameOfPlace(value ?? '')
    if (name !== '') oracle.took(name, revision)
    const { lease = 0, createRevision: token = 0 } = oracle.itemAt(key, revision - 1) ?? {}
    if (value !== null) {
      const { lease: now = 0 } = oracle.itemAt(key, revision) ?? {}
      if (now === 0 || (lease !== 0 && now !== lease))
        this.fail('place', group, `${key} went with lease ${lease}, and goes with ${now} since ${revision}`)
      return
    }
    const command = this.desk.commandAt(group, revision)
    const isOwn = command?.type === 'lease-revoke' && command.lease === lease
    if (command?.type === 'expire' || (isOwn && !this.held.has(`${group} ${token}`))) return
    this.fail(
      'place',
      group,
      `${key} of token ${token} was held, and went at ${revision} by ${command?.type}`,
    )
  }

  private fail(rule: string, group: GroupId, message: string): void {
    this.desk.report(rule, `${group}: ${message}`)
  }
}

/** What stands in a place: its host, how many may hold, and the name of what it says. */
export function nameOfPlace(value: string): string {
  return value.split(',')[2] ?? ''
}

/** What its keys begin with: those of a line are in the order in which they came. A claim is alone. */
export function lineOf(key: string): string {
  return isClaim(key) ? key : key.slice(0, key.lastIndexOf('\0') + 1)
}

/** What goes with the lease of who has it. */
function isPlace(key: string): boolean {
  return isClaim(key) || /^\0\$(lock|semaphore|election|presence)\0/.test(key)
}

function isClaim(key: string): boolean {
  return /^\0\$queue\0[^\0]*\0c/.test(key)
}
