import { seededRandom } from '../../base/random.ts'
import { explainStuck } from '../checkers/explain.ts'
import { kvModel } from '../checkers/kv.ts'
import { checkLinearizable, type Verdict } from '../checkers/linearizability.ts'
import type { Operation } from '../checkers/operation.ts'
import { type Call, isOfKey } from './calls.ts'
import { Faults } from './faults.ts'
import { Followers } from './followers.ts'
import { Operator } from './operator.ts'
import { eventLoopTurn, promiseJobs } from './promise-jobs.ts'
import { Recovery } from './recovery.ts'
import { type Scenario, scenarioOf } from './scenario.ts'
import { describeWorld } from './state-table.ts'
import type { TraceRow } from './trace.ts'
import type { Violation } from './violation.ts'
import { Watchers } from './watchers.ts'
import { Workload } from './workload.ts'
import { World } from './world.ts'

export interface SimulationOptions {
  /** Decides everything. */
  readonly seed: number
  /** Events until everything is healed; the healing takes some more. Default 10 000. */
  readonly events?: number
  /** So many members, whatever the seed says. */
  readonly members?: number
  /** Keeps what happened as rows to read. */
  readonly trace?: boolean
}

export interface SimulationResult {
  readonly seed: number
  readonly scenario: Scenario
  readonly events: number
  /** Virtual time that has passed. */
  readonly ms: number
  /** Equal for two runs of the same seed and the same program. */
  readonly hash: string
  /** The first breach of a promise, with the state of all hosts then; undefined: there was none. */
  readonly violation: (Violation & { readonly state: string }) | undefined
  readonly history: readonly Call[]
  /** Of the history: 'undecided' where that took too many steps, 'unchecked' where another promise broke before. */
  readonly linearizability: Verdict<Operation>['type'] | 'unchecked'
  readonly rows: readonly TraceRow[]
}

/** Events between two turns of the event loop, so that signals and timers of the process are seen. */
const eventsPerTurn = 4096

/**
 * Runs whole hosts on virtual time through what the seed has in store for them, and then demands that they recover.
 * Two simulations must not run at once in one process: rejections that nobody handles are counted as the simulation's.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options)
  const unhandled = (reason: unknown) => simulation.unhandled(reason)
  process.on('unhandledRejection', unhandled)
  try {
    await simulation.run()
    await eventLoopTurn()
    return simulation.result()
  } finally {
    process.off('unhandledRejection', unhandled)
  }
}

class Simulation {
  private readonly options: SimulationOptions
  private readonly scenario: Scenario
  private readonly world: World
  private readonly workload: Workload
  private readonly watchers: Watchers
  private readonly followers: Followers
  private events = 0
  private linearizability: SimulationResult['linearizability'] = 'unchecked'
  private state = ''

  constructor(options: SimulationOptions) {
    this.options = options
    this.scenario = scenarioOf(options.seed, { members: options.members })
    this.world = new World(this.scenario, options.trace ?? false)
    const { timers, trace, report, groups, rules } = this.world
    const oracleOf = (name: string) => {
      const group = groups.get(name)
      if (group === undefined) throw new TypeError(`no group ${name}`)
      return group.oracle
    }
    const random = seededRandom(options.seed ^ 0x2545f491)
    const { scenario } = this
    this.workload = new Workload({ timers, random, scenario, trace, report, rules, oracleOf })
    this.watchers = new Watchers({ oracleOf, report, perStore: scenario.watchers })
    this.followers = new Followers({ oracleOf, report, perStore: scenario.followers })
    this.world.observers = [this.workload, this.watchers, this.followers]
  }

  async run(): Promise<void> {
    const { world, scenario } = this
    await promiseJobs()
    for (let i = 0; i < scenario.members; i++) {
      world.create(i >= scenario.members - scenario.witnesses ? 'witness' : 'member')
    }
    for (let i = 0; i < scenario.clients; i++) world.create('client')
    const faults = new Faults(world, scenario, seededRandom(scenario.seed ^ 0x1b873593))
    const operator = new Operator(world, scenario, seededRandom(scenario.seed ^ 0x6c62272e))
    const end = this.options.events ?? 10_000
    await this.runUntil(() => this.events >= end)
    operator.stop()
    this.workload.stop()
    faults.stop()
    if (!this.isBroken) await this.recovery().demand()
    if (!this.isBroken) this.checkHistory()
  }

  unhandled(reason: unknown): void {
    this.world.report(
      'unhandled',
      reason instanceof Error ? (reason.stack ?? reason.message) : String(reason),
    )
  }

  result(): SimulationResult {
    const { world, events, options, scenario } = this
    const [violation] = world.violations
    return {
      seed: options.seed,
      scenario,
      events,
      ms: world.timers.now(),
      hash: world.trace.hash,
      violation: violation && { ...violation, state: this.state || describeWorld(world) },
      history: this.workload.calls.history,
      linearizability: this.linearizability,
      rows: world.trace.rows,
    }
  }

  /** Whether what all clients saw together could have happened at one place, one call after the other. */
  private checkHistory(): void {
    const calls = this.workload.calls.history.filter(isOfKey)
    const operations = calls.map(call => {
      const { group, key, outcome = 'unknown' } = call
      return { ...call, key: `${group}/${key}`, outcome }
    })
    const verdict = checkLinearizable(kvModel, operations)
    this.linearizability = verdict.type
    if (verdict.type === 'undecided') {
      this.world.report('linearizability', `nobody can tell after ${verdict.steps} steps whether it holds`)
    } else if (verdict.type === 'not-linearizable') {
      this.world.report('linearizability', `the history is not linearizable\n${explainStuck(verdict.stuck)}`)
    }
  }

  private get isBroken(): boolean {
    return this.world.violations.length > 0
  }

  private recovery(): Recovery {
    const { world, workload, watchers, followers, scenario } = this
    const runUntil = async (condition: () => boolean, endMs: number, eventsMax: number) => {
      const end = this.events + eventsMax
      let holds = false
      const isOver = () => {
        holds = condition()
        return holds || this.events >= end
      }
      await this.runUntil(isOver, endMs)
      return holds
    }
    return new Recovery({ world, workload, watchers, followers, scenario, runUntil })
  }

  /** Runs events until the condition holds or something is broken. False when there is nothing left to wait for. */
  private async runUntil(condition: () => boolean, endMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    const { world } = this
    while (!this.isBroken) {
      if (condition()) return true
      try {
        if (!world.timers.step(endMs)) return false
      } catch (error) {
        world.report('assertion', error instanceof Error ? (error.stack ?? error.message) : String(error))
      }
      await promiseJobs()
      world.check()
      if (++this.events % eventsPerTurn === 0) await eventLoopTurn()
    }
    this.state = describeWorld(world)
    return false
  }
}
