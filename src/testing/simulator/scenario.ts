import { type Random, seededRandom } from '../../base/random.ts'
import type { EngineOptions } from '../../engine/parts.ts'
import type { MemoryFaults } from '../../transport/memory-wire.ts'
import { type ExtraCall, extraCallNames } from './call-kinds.ts'

/**
 * Which meaning seeds have. To be raised whenever another scenario comes of a seed, so that a seed of before is known
 * to be one.
 */
export const generatorVersion = 11

/** Everything that can go wrong in a simulation. Each seed lets a random part of it happen (swarm testing). */
export const faultNames = [
  'cut',
  'partition',
  'isolate',
  'clog',
  'noise',
  'crash',
  'power-cut',
  'close',
  'pause',
  'jump',
  'drift',
  'throttle',
  'slow-disk',
  'hung-disk',
  'broken-disk',
  'seed-away',
  'reconnect',
  'rot',
  'wipe',
  'close-store',
] as const

/** What an operator may do for no reason at all: give voters weights, let other sets decide, prefer other leaders. */
export const actNames = ['weigh', 'decide', 'prefer'] as const
export type Act = (typeof actNames)[number]

export type FaultName = (typeof faultNames)[number]

/** What one seed stands for. */
export interface Scenario {
  readonly seed: number
  readonly members: number
  /** So many of the members shall vote. */
  readonly voters: number
  readonly clients: number
  /** So many hosts are another cluster, with groups and hosts of the same names. */
  readonly neighbours: number
  /** So many of the members keep no values. */
  readonly witnesses: number
  readonly groups: readonly string[]
  readonly engine: Partial<EngineOptions> &
    Pick<EngineOptions, 'tickMs' | 'electionTicks' | 'quiesceTicks' | 'deadlineMs'>
  readonly network: MemoryFaults
  readonly diskMs: number
  readonly faults: readonly FaultName[]
  /** Milliseconds between two faults, on average. */
  readonly faultEveryMs: number
  /** 'churn': members come and go; 'replace': only those whose disks are lost. */
  readonly membership: 'still' | 'churn' | 'replace'
  /** What the operator does beside looking after the members. */
  readonly acts: readonly Act[]
  readonly operateEveryMs: number
  /**
   * Milliseconds between two guests, on average: they join, stay for a moment, and never come back. The groups have no
   * place for all of them. Undefined: nobody comes.
   */
  readonly guestEveryMs: number | undefined
  readonly workersPerStore: number
  readonly thinkMs: number
  readonly keys: number
  /** What is added to a value, beside its name. */
  readonly valueBytes: number
  /** What clients call beside the writes and reads that all of them do. */
  readonly extraCalls: readonly ExtraCall[]
  /** Some writes are against the rules of the stores. */
  readonly isRuled: boolean
  /** Watchers at each store. */
  readonly watchers: number
  /** Followers of the log at each store, and of its broadcasts. */
  readonly followers: number
  readonly hashEvery: number
}

/** What a caller may fix, whatever the seed says. */
export interface ScenarioOverrides {
  readonly members?: number | undefined
}

/** That of the other cluster: smaller, and left in peace. */
export function neighbourOf(scenario: Scenario): Scenario {
  const { neighbours, seed } = scenario
  const peace = {
    clients: 0,
    witnesses: 0,
    neighbours: 0,
    faults: [],
    acts: [],
    guestEveryMs: undefined,
    membership: 'still',
  } as const
  return { ...scenario, ...peace, seed: seed ^ 0x3c6ef372, members: neighbours, voters: neighbours }
}

export function scenarioOf(seed: number, overrides: ScenarioOverrides = {}): Scenario {
  const random = seededRandom(seed)
  // The generator's first numbers are alike for seeds that are alike.
  for (let i = 0; i < 8; i++) random()
  const pick = <Item>(...items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const members = overrides.members ?? pick(1, 2, 3, 3, 3, 4, 5, 5, 5, 6, 7)
  const voters = Math.max(1, Math.min(members, pick(3, 3, 5, 5, 7, members)))
  const losesDisks = random() < 0.3
  const faults = faultNames.filter(name => {
    const isChosen = random() < 0.45
    return isChosen && (losesDisks || (name !== 'rot' && name !== 'wipe'))
  })
  const clients = pick(0, 0, 1, 2)
  const groups = pick(1, 1, 1, 1, 1, 1, 2, 2, 3, 8)
  // As many as there are hosts: whoever comes back takes the place of his former life, or of somebody who is idle.
  const sessionsMax = members + clients
  const isEvicting = random() < 0.15
  const mayLoseDisks = losesDisks || faults.includes('broken-disk')
  const scenario: Scenario = {
    seed,
    members,
    voters,
    clients,
    neighbours: random() < 0.1 ? pick(1, 3) : 0,
    groups: groupNames.slice(0, groups),
    engine: { ...engineOf(random), ...(isEvicting && { machine: { sessionsMax } }) },
    network: networkOf(random),
    diskMs: pick(0, 1, 5, 20),
    faults,
    faultEveryMs: pick(300, 1000, 3000, 6000),
    membership: losesDisks ? 'replace' : pick('still', 'churn', 'churn'),
    operateEveryMs: pick(500, 2000, 5000),
    guestEveryMs: undefined,
    workersPerStore: Math.ceil(pick(1, 1, 2, 4, 12) / groups),
    thinkMs: pick(5, 50, 200, 600),
    keys: pick(1, 3, 8),
    valueBytes: pick(0, 0, 0, 0, 0, 0, 200, 200, 20_000),
    watchers: pick(0, 1),
    followers: pick(0, 0, 1),
    extraCalls: extraCallNames.filter(() => random() < 0.4),
    isRuled: random() < 0.3,
    hashEvery: pick(1, 3, 10),
    // What else survives the loss of a disk does not where a witness held the second copy, or that host had the weight.
    witnesses: mayLoseDisks || members < 3 ? 0 : pick(0, 0, 1, 1),
    acts: actNames.filter(act => random() < 0.25 && (act === 'prefer' || !mayLoseDisks)),
  }
  const hasGuests = random() < 0.3
  const guestEveryMs = pick(300, 1000)
  // Voters whose disks are lost leave no room to anybody until somebody removes them.
  if (!hasGuests || mayLoseDisks) return scenario
  const membersMax = Math.max(members, scenario.neighbours)
  return {
    ...scenario,
    guestEveryMs,
    // Who only follows may have to make room while it is down.
    voters: Math.max(1, Math.min(voters, members - 2)),
    faults: [...new Set([...faults, 'crash'] as const)],
    engine: { ...scenario.engine, membersMax, silentMs: pick(100, 500) },
  }
}

const groupNames = ['main', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth'] as const

function engineOf(random: Random) {
  const pick = <Item>(...items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const appendBytesMax = pick(1, 100, 256 * 1024)
  return {
    tickMs: pick(50, 100, 100),
    heartbeatTicks: pick(1, 2, 3),
    electionTicks: pick(5, 10, 20),
    deadlineMs: pick(1000, 4000, 10_000),
    applySliceMs: pick(0, 1),
    snapshotEntriesEvery: pick(3, 10, 40, 150, 50_000),
    trailingEntries: pick(0, 3, 20, 5000),
    heldLogBytesMax: 5_000,
    applyBytesMax: pick(60, 1000, 1024 * 1024),
    // Half of them fall asleep as soon as they can.
    quiesceTicks: pick(2, 50),
    raft: {
      appendBytesMax,
      inflightMessagesMax: pick(1, 2, 64),
      inflightBytesMax: Math.max(appendBytesMax, pick(100, 8 * 1024 * 1024)),
      uncommittedBytesMax: pick(200, 64 * 1024 * 1024),
    },
  }
}

function networkOf(random: Random): MemoryFaults {
  const pick = <Item>(...items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  return {
    latencyMs: pick(0.1, 1, 10, 40),
    jitterMs: pick(0, 1, 20, 80),
    lossRate: pick(0, 0, 0.01, 0.05),
    duplicateRate: pick(0, 0, 0.02, 0.1),
    reorderRate: pick(0, 0, 0.02, 0.1),
    reorderMs: pick(5, 100, 1500),
  }
}
