import { isQuorateError } from '../../core/error.ts'
import type { Store } from '../../engine/store/store.ts'
import type { Followers } from './followers.ts'
import { turnWaitMsMax } from './lines.ts'
import type { Onlookers } from './onlookers.ts'
import type { Scenario } from './scenario.ts'
import { type HostLife, hasEnded, type SimulatedHost } from './simulated-host.ts'
import type { Watchers } from './watchers.ts'
import type { Workload } from './workload.ts'
import type { World } from './world.ts'

/** Virtual time within which a healed cluster must be as good as new, and events that this may take. */
const healMs = 180_000
const healEventsMax = 200_000

/** What faults leave behind them is over by then. */
const calmMs = 2_500

/** What a call may take beyond its deadline: a tick, and what is asked of others on the way. */
const lateMs = 2_000

export interface RecoveryParts {
  readonly world: World
  readonly workload: Workload
  readonly watchers: Watchers
  readonly followers: Followers
  readonly onlookers: Onlookers
  readonly scenario: Scenario
  /** Runs events until the condition holds; false when it did not by then, or something is broken. */
  readonly runUntil: (condition: () => boolean, endMs: number, eventsMax: number) => Promise<boolean>
}

/**
 * Nothing is wrong any more: all that waits must end, all hosts must become one cluster again, take new writes
 * everywhere, hold the same, and then be quiet, and wake from that.
 */
export class Recovery {
  private readonly parts: RecoveryParts

  constructor(parts: RecoveryParts) {
    this.parts = parts
  }

  async demand(): Promise<void> {
    const { world, workload, scenario } = this.parts
    world.trace.note('', 'heal')
    const { deadlineMs } = scenario.engine
    const areCallsOver = () => workload.calls.pending.length === 0
    if (
      !(await this.within(
        'some calls did not end',
        areCallsOver,
        Math.max(deadlineMs, turnWaitMsMax) + lateMs,
      ))
    )
      return
    if (!(await this.within('the operator did not end', () => !this.isOperating()))) return
    if (!(await this.within('not every host has its stores', () => this.isOpen()))) return
    // First of all what is behind catches up, which may take longer than a write waits: a narrow window is a slow one.
    if (!(await this.within('not all replicas are alike', () => this.isConverged()))) return
    if (!(await this.within('not every lease ended', () => this.areLeasesOver()))) return
    if (!(await this.writeEverywhere())) return
    if (!(await this.emptyQueues())) return
    if (!(await this.within('not all replicas are alike', () => this.isConverged()))) return
    if (!(await this.rest())) return
    // What sleeps must wake for a write, whichever host it comes from.
    if (!(await this.writeEverywhere())) return
    if (!(await this.within('not all replicas are alike', () => this.isConverged()))) return
    const isTold = () => this.behind() === undefined
    if (!(await this.within('somebody was not told of everything', isTold, 30_000))) return
    this.compareAll()
  }

  private async within(what: string, condition: () => boolean, ms = healMs): Promise<boolean> {
    const { world, runUntil } = this.parts
    if (await runUntil(condition, world.timers.now() + ms, healEventsMax)) return true
    if (world.violations.length === 0)
      world.report('stuck', `${what} within ${ms} ms, with nothing in the way (${this.behind() ?? ''})`)
    return false
  }

  /** A watcher or a follower of the log that was not told of everything, in words. */
  private behind(): string | undefined {
    const { world, watchers, followers, onlookers } = this.parts
    return (
      watchers.behind() ??
      onlookers.behind() ??
      followers.behind(group => world.groups.get(group)?.checker.commitMax ?? 0)
    )
  }

  /** Leaders and terms stay as they are when nothing happens. */
  private async rest(): Promise<boolean> {
    const { world, scenario, runUntil } = this.parts
    const { electionTicks, tickMs, quiesceTicks } = scenario.engine
    const ticks = Math.max(5 * electionTicks, quiesceTicks <= 50 ? quiesceTicks + 15 : 0)
    // What was late when the faults ended comes first: a throttled timer, say.
    await runUntil(() => false, world.timers.now() + calmMs, healEventsMax)
    // A host that was closing then has come back by now.
    if (!(await this.within('not every host has its stores', () => this.isOpen()))) return false
    if (!(await this.within('not all replicas are alike', () => this.isConverged()))) return false
    const before = this.leaders()
    await runUntil(() => false, world.timers.now() + ticks * tickMs, healEventsMax)
    if (world.violations.length > 0) return false
    // Who is preferred may take over at any time.
    if (scenario.acts.includes('prefer')) return true
    const after = this.leaders()
    if (after !== before)
      world.report('unrest', `with nothing in the way, leaders changed: ${before} -> ${after}`)
    return after === before
  }

  private leaders(): string {
    const { world } = this.parts
    const told = new Set<string>()
    for (const group of world.groups.keys()) {
      for (const { replica } of world.replicasOf(group)) {
        const { term, leader } = replica.node.raft
        told.add(`${group}: ${leader} in term ${term}`)
      }
    }
    return [...told].join(', ')
  }

  private async writeEverywhere(): Promise<boolean> {
    const { world } = this.parts
    let waiting = 0
    for (const host of world.hosts.values()) {
      const { life } = host
      if (life === undefined) continue
      for (const store of life.stores.values()) {
        if (hasEnded(store)) continue
        waiting += 1
        this.write(host, life, store).finally(() => {
          waiting -= 1
        })
      }
    }
    return this.within('not every host could write', () => waiting === 0)
  }

  private async emptyQueues(): Promise<boolean> {
    const { world, workload, scenario } = this.parts
    let waiting = scenario.groups.length
    for (const group of scenario.groups) {
      const stores = [...world.hosts.values()].flatMap(({ life }) => {
        const store = life?.stores.get(group)
        return life === undefined || store === undefined || hasEnded(store) ? [] : [{ life, store }]
      })
      workload.emptyQueue(stores).finally(() => {
        waiting -= 1
      })
    }
    return this.within('some queues could not be emptied', () => waiting === 0)
  }

  private async write(host: SimulatedHost, life: HostLife, store: Store): Promise<void> {
    const { world, workload, scenario } = this.parts
    for (;;) {
      try {
        return await workload.writeOnce(life, store, 60_000)
      } catch (error) {
        // What operator and faults began may end now; and who is told to come again, comes.
        if (isQuorateError(error, 'REMOVED') || isQuorateError(error, 'CLOSED')) return
        // Its session, or its replica, may have been evicted: then nobody knows, and another write gets another one.
        const mayBeEvicted =
          (scenario.engine.machine ?? scenario.guestEveryMs) !== undefined &&
          isQuorateError(error, 'OUTCOME_UNKNOWN')
        // And who had to make room for a guest is about to come back.
        const isLate = isQuorateError(error, 'SYSTEM_BUSY') || isQuorateError(error, 'NOT_MEMBER')
        if (!mayBeEvicted && !isLate) {
          const why = isQuorateError(error) ? error.code : String(error)
          return world.report('stuck', `${host.id} cannot write: ${why}`)
        }
      }
      await new Promise<void>(resolve => void world.timers.after(200, resolve))
    }
  }

  private isOperating(): boolean {
    for (const { isChanging } of this.parts.world.groups.values()) if (isChanging) return true
    return false
  }

  private isOpen(): boolean {
    const { world, scenario } = this.parts
    return [...world.hosts.values()].every(({ isUp, life }) => {
      if (!isUp || life === undefined) return false
      return scenario.groups.every(group => life.stores.has(group) || life.removedFrom.has(group))
    })
  }

  private isConverged(): boolean {
    const { world } = this.parts
    for (const [group, { checker }] of world.groups) {
      const replicas = world.replicasOf(group)
      for (const { replica } of replicas) {
        if (replica.machine.appliedIndex !== checker.commitMax) return false
        if (replica.leader === undefined || replica.leader !== replicas[0]?.replica.leader) return false
        if (replica.term !== replicas[0].replica.term) return false
      }
    }
    return true
  }

  /** Who held any has let go of it, or is gone. */
  private areLeasesOver(): boolean {
    const { world } = this.parts
    return [...world.groups.keys()].every(group =>
      world.replicasOf(group).every(({ replica }) => replica.isWitness || replica.machine.leases.size === 0),
    )
  }

  private compareAll(): void {
    const { world, followers } = this.parts
    for (const [group, { checker, oracle }] of world.groups) {
      followers.compare(group)
      for (const { host, replica } of world.replicasOf(group)) {
        if (replica.isWitness) continue
        checker.compare(replica)
        for (const key of oracle.keys()) {
          const revision = replica.machine.get(key)?.modRevision ?? 0
          const { revision: expected, value } = oracle.latest(key)
          if (revision === (value === null ? 0 : expected)) continue
          world.report('lost-write', `${host.id} holds ${key} of ${revision}, not of ${expected}`)
        }
      }
    }
  }
}
