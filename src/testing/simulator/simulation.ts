import { loadRecipes } from '../../engine/recipes/load.ts'
import { loadTransact } from '../../engine/transactions/load-transact.ts'
import { explainStuck } from '../checkers/explain.ts'
import { kvModel } from '../checkers/kv.ts'
import { checkLinearizable, type Verdict } from '../checkers/linearizability.ts'
import type { Operation } from '../checkers/operation.ts'
import { type Call, isOfKey } from './calls.ts'
import { eventLoopTurn, promiseJobs } from './promise-jobs.ts'
import { Recovery } from './recovery.ts'
import { neighbourOf, type Scenario, scenarioOf } from './scenario.ts'
import { SimulatedCluster } from './simulated-cluster.ts'
import { describeWorld } from './state-table.ts'
import type { TraceRow } from './trace.ts'
import type { Violation } from './violation.ts'
import type { World } from './world.ts'

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
  // What is loaded late comes from a real disk, in real time.
  await Promise.all([loadTransact(), loadRecipes()])
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
  private readonly cluster: SimulatedCluster
  /** It, and the other one that some seeds have. */
  private readonly clusters: readonly SimulatedCluster[]
  private events = 0
  private linearizability: SimulationResult['linearizability'] = 'unchecked'
  private state = ''

  constructor(options: SimulationOptions) {
    this.options = options
    this.scenario = scenarioOf(options.seed, { members: options.members })
    const keepsRows = options.trace ?? false
    const cluster = new SimulatedCluster(this.scenario, { keepsRows })
    this.cluster = cluster
    const beside = { keepsRows, beside: cluster }
    this.clusters =
      this.scenario.neighbours > 0
        ? [cluster, new SimulatedCluster(neighbourOf(this.scenario), beside)]
        : [cluster]
  }

  private get world(): World {
    return this.cluster.world
  }

  async run(): Promise<void> {
    await promiseJobs()
    for (const cluster of this.clusters) cluster.start()
    const end = this.options.events ?? 10_000
    await this.runUntil(() => this.events >= end)
    for (const cluster of this.clusters) cluster.stop()
    for (const cluster of this.clusters) {
      if (!this.isBroken) await this.recovery(cluster).demand()
      if (!this.isBroken) this.checkHistory(cluster)
    }
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
      violation: violation && { ...violation, state: this.state || this.describe() },
      history: this.cluster.workload.calls.history,
      linearizability: this.linearizability,
      rows: world.trace.rows,
    }
  }

  /** Whether what all clients saw together could have happened at one place, one call after the other. */
  private checkHistory({ workload }: SimulatedCluster): void {
    const calls = workload.calls.history.filter(isOfKey)
    const operations = calls.map(call => {
      const { group, key, outcome = 'unknown' } = call
      return { ...call, key: `${group}/${key}`, outcome }
    })
    const verdict = checkLinearizable(kvModel, operations)
    if (this.linearizability !== 'undecided') this.linearizability = verdict.type
    if (verdict.type === 'undecided') {
      this.world.report('linearizability', `nobody can tell after ${verdict.steps} steps whether it holds`)
    } else if (verdict.type === 'not-linearizable') {
      this.world.report('linearizability', `the history is not linearizable\n${explainStuck(verdict.stuck)}`)
    }
  }

  private describe(): string {
    return this.clusters.map(({ world }) => describeWorld(world)).join('\n')
  }

  private get isBroken(): boolean {
    return this.world.violations.length > 0
  }

  private recovery({
    world,
    workload,
    watchers,
    followers,
    onlookers,
    scenario,
  }: SimulatedCluster): Recovery {
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
    return new Recovery({ world, workload, watchers, followers, onlookers, scenario, runUntil })
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
      for (const cluster of this.clusters) cluster.world.check()
      if (++this.events % eventsPerTurn === 0) await eventLoopTurn()
    }
    this.state = this.describe()
    return false
  }
}
