import { seededRandom } from '../../base/random.ts'
import type { Revision } from '../../core/types.ts'
import { decodeProposal } from '../../wire/proposal-codec.ts'
import { Faults } from './faults.ts'
import { Followers } from './followers.ts'
import { Onlookers } from './onlookers.ts'
import { Operator } from './operator.ts'
import type { Scenario } from './scenario.ts'
import { Watchers } from './watchers.ts'
import { Workload } from './workload.ts'
import { World } from './world.ts'

/** The hosts of one cluster, with all that works at them, disturbs them and looks after them. */
export class SimulatedCluster {
  readonly scenario: Scenario
  readonly world: World
  readonly workload: Workload
  readonly watchers: Watchers
  readonly followers: Followers
  readonly onlookers: Onlookers
  private ending: () => void = () => {}

  /** `beside`: another cluster, with which it shares time and nothing else. */
  constructor(
    scenario: Scenario,
    options: { readonly keepsRows: boolean; readonly beside?: SimulatedCluster },
  ) {
    this.scenario = scenario
    this.world = new World(scenario, { keepsRows: options.keepsRows, beside: options.beside?.world })
    const { timers, trace, report, groups, rules } = this.world
    const oracleOf = (name: string) => {
      const group = groups.get(name)
      if (group === undefined) throw new TypeError(`no group ${name}`)
      return group.oracle
    }
    const random = seededRandom(scenario.seed ^ 0x2545f491)
    const leasesOf = (name: string) => groups.get(name)?.leases
    const commandAt = (name: string, revision: Revision) => {
      const entry = groups.get(name)?.checker.entryAt(revision)
      return entry?.type === 'normal' && entry.data.length > 0
        ? decodeProposal(entry.data).command
        : undefined
    }
    const known = { oracleOf, leasesOf, commandAt }
    this.workload = new Workload({ timers, random, scenario, trace, report, rules, ...known })
    this.watchers = new Watchers({ oracleOf, report, perStore: scenario.watchers })
    this.followers = new Followers({ oracleOf, report, perStore: scenario.followers })
    const attends = (['election', 'presence'] as const).filter(name => scenario.extraCalls.includes(name))
    this.onlookers = new Onlookers({ oracleOf, report, attends: scenario.watchers > 0 ? attends : [] })
    this.world.observers = [this.workload, this.watchers, this.followers, this.onlookers]
  }

  start(): void {
    const { world, scenario } = this
    for (let i = 0; i < scenario.members; i++) {
      world.create(i >= scenario.members - scenario.witnesses ? 'witness' : 'member')
    }
    for (let i = 0; i < scenario.clients; i++) world.create('client')
    const faults = new Faults(world, scenario, seededRandom(scenario.seed ^ 0x1b873593))
    const operator = new Operator(world, scenario, seededRandom(scenario.seed ^ 0x6c62272e))
    this.ending = () => {
      operator.stop()
      this.workload.stop()
      faults.stop()
    }
  }

  /** Nothing new is begun, and nothing is in the way any more. */
  stop(): void {
    this.ending()
  }
}
