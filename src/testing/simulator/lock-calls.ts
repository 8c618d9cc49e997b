import type { GroupId, Revision } from '../../core/types.ts'
import type { Lock } from '../../engine/recipes/lock.ts'
import type { Call } from './calls.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'

const ttlsMs = [1500, 4000, 8000] as const

/** How long one waits for one's turn. */
export const lockWaitMsMax = 6000
const waitsMs = [300, 2000, lockWaitMsMax] as const

/** Who wrote behind a fence, in the name of which lock. */
interface Token {
  readonly key: string
  readonly token: Revision
}

/**
 * Locks. Whoever has one writes behind its fence, and does not look whether it has it still: some stand still for
 * longer than their lease lasts, host and all, and write as the first thing they do when they go on; some write when
 * they have let go of it. The log must have no write of anybody but the one who held at that revision.
 */
export class LockCalls implements SpecialCalls {
  private readonly desk: Desk
  /** By the names of what they wrote. */
  private readonly tokens = new Map<string, Token>()
  private readonly judged = new Map<GroupId, number>()

  constructor(desk: Desk) {
    this.desk = desk
  }

  async call(worker: Worker): Promise<void> {
    const { desk } = this
    const { store, life } = worker
    const name = desk.pick(['a', 'b'])
    const ttlMs = desk.pick(ttlsMs)
    let lock: Lock | undefined
    const enter = async () => {
      const options = { ttlMs, deadlineMs: desk.pick(waitsMs), ...desk.bounds() }
      const given = await store.lock(name, options)
      lock = given
      desk.leasesOf(store.name)?.holds(life, given, ttlMs)
      const { key, token } = given
      return { key, token }
    }
    const judge = (call: Call) => this.judgeLock(call)
    await desk.make(worker, { op: 'lock', args: [name, ttlMs], judge }, enter)
    if (lock === undefined) return
    for (let left = 1 + desk.below(3); left > 0 && !desk.isStopped; left--) {
      await desk.pause(desk.below(600))
      if (desk.random() < 0.2 && !desk.isStopped) await this.standStill(worker, ttlMs)
      await this.write(worker, name, lock)
    }
    await lock.release().catch(() => {})
    if (desk.random() < 0.3) await desk.pause(desk.below(1000))
    if (!desk.isStopped) await this.write(worker, name, lock)
  }

  /** Judges what was written since this was asked last. */
  judge(group: GroupId): void {
    const { changes } = this.desk.oracleOf(group)
    let position = this.judged.get(group) ?? 0
    for (; position < changes.length; position++) {
      const { value, revision = 0 } = changes[position] ?? {}
      const token = this.tokens.get(value ?? '')
      if (token === undefined) continue
      const holder = this.holderAt(group, revision - 1, token.key)
      if (holder !== token.token)
        this.desk.report(
          'fencing',
          `${group}: ${value} was written at ${revision} by token ${token.token}, where ${holder} had the lock`,
        )
    }
    this.judged.set(group, position)
  }

  /** The host and all that runs on it stop for a while. */
  private async standStill({ life }: Worker, ttlMs: number): Promise<void> {
    const { clock } = life
    if (clock.isSuspended) return
    clock.suspend()
    await this.desk.pause(ttlMs * (0.2 + 1.3 * this.desk.random()))
    clock.resume()
  }

  private async write(worker: Worker, lockName: string, { key: lockKey, token }: Lock): Promise<void> {
    const { desk } = this
    const { store, life } = worker
    const fence = { key: lockKey, token }
    const name = desk.name(life, 'f')
    this.tokens.set(name, fence)
    const key = `k guard ${lockName}`
    const value = desk.full(name)
    const options = { fence, ...desk.bounds() }
    const put = { type: 'put', key, value } as const
    const write = async () => {
      const isTxn = desk.random() < 0.3
      const { revision } = await (isTxn
        ? store.txn({ success: [put] }, options)
        : store.put(key, value, options))
      return { revision }
    }
    const judge = (call: Call) => this.judgeWrite(call, name, fence)
    await desk.make(worker, { op: 'fenced', key, args: [token, name], judge }, write)
  }

  private judgeWrite({ group, key, outcome, code, result, floor }: Call, name: string, fence: Token): void {
    const oracle = this.desk.oracleOf(group)
    if (outcome === 'fail') oracle.refused(name)
    if (outcome === 'ok') oracle.wrote(key, (result as { readonly revision: number }).revision, name, floor)
    if (code === 'FENCED' && oracle.itemAt(fence.key, oracle.upTo)?.createRevision === fence.token)
      this.desk.report('fencing', `${group}: ${name} was refused, and token ${fence.token} has the lock`)
  }

  /** Who is told to hold is the first in the line. */
  private judgeLock({ group, outcome, result, floor }: Call): void {
    if (outcome !== 'ok') return
    const { key, token } = result as Token
    const oracle = this.desk.oracleOf(group)
    oracle.acknowledged(token, floor)
    const holder = this.holderAt(group, oracle.upTo, key)
    // A lock that is lost by then may be given out where the clocks are worse than leases allow for.
    const isLost = holder === undefined || holder > token
    if (holder !== token && (!isLost || this.desk.leasesOf(group) !== undefined))
      this.desk.report('exclusion', `${group}: token ${token} was given out while ${holder} has the lock`)
  }

  /** The token of who holds, by the order in which they came. */
  private holderAt(group: GroupId, revision: Revision, key: string): Revision | undefined {
    const line = key.slice(0, key.lastIndexOf('\0') + 1)
    const places = this.desk.oracleOf(group).itemsAt(revision, other => other.startsWith(line))
    return places.reduce<Revision | undefined>(
      (first, { createRevision }) => Math.min(first ?? createRevision, createRevision),
      undefined,
    )
  }
}
