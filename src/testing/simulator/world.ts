import { type Random, seededRandom } from '../../base/random.ts'
import { badFramesMax } from '../../core/limits.ts'
import type { GroupId, HostId, Index } from '../../core/types.ts'
import type { Replica } from '../../engine/replica/replica.ts'
import type { Store } from '../../engine/store/store.ts'
import { MemoryNetwork } from '../../transport/memory.ts'
import type { Lane } from '../../transport/transport.ts'
import { frameHeaderBytes } from '../../wire/frames.ts'
import { decodeRaftBody } from '../../wire/message-codec.ts'
import { LeaseChecker } from './lease-checker.ts'
import { Oracle } from './oracle.ts'
import { RaftChecker } from './raft-checker.ts'
import type { Scenario } from './scenario.ts'
import { type HostLife, type HostRole, type HostWorld, SimulatedHost } from './simulated-host.ts'
import { StoreRules } from './store-rules.ts'
import { Trace } from './trace.ts'
import type { Violation } from './violation.ts'
import { VirtualTimers } from './virtual-timers.ts'

interface WatchedGroup {
  readonly checker: RaftChecker
  readonly oracle: Oracle
  readonly leases: LeaseChecker | undefined
  /** The operator is about to change the members. */
  isChanging: boolean
}

const raftFrameKind = 1

const strayRate = 0.02

/** From one host to another: fewer than it takes to be held for hostile. */
const straysMax = badFramesMax / 2

/** Until somebody has looked after a host whose disk failed. */
const repairMs = 4000

/** Who hears of stores that open, of lives that end, and of the end of each event, when its effects are known. */
export interface WorldObserver {
  attach(life: HostLife, store: Store): void
  ended(life: HostLife): void
  judge(): void
}

/** The hosts of a simulation, what is between them, and what looks after them. */
export class World {
  readonly timers: VirtualTimers
  readonly trace: Trace
  readonly network: MemoryNetwork
  readonly hosts = new Map<HostId, SimulatedHost>()
  readonly violations: Violation[]
  readonly groups = new Map<GroupId, WatchedGroup>()
  readonly rules: StoreRules
  observers: readonly WorldObserver[] = []
  /** Whatever goes down now is started again. */
  isHealing = false
  private readonly hostWorld: HostWorld
  private readonly touchedLives: HostLife[] = []
  /** Hosts whose disks are lost, or will be as soon as they are read. */
  private readonly doomed = new Set<HostId>()
  private created = 0

  /** Where a copy of a frame goes that strays to a host of the same name elsewhere. */
  private elsewhere: World | undefined
  private readonly strays = new Map<string, number>()

  /** `beside`: a world with the same time, and with hosts of the same names. */
  constructor(
    scenario: Scenario,
    options: { readonly keepsRows: boolean; readonly beside: World | undefined },
  ) {
    const { keepsRows, beside } = options
    const random: Random = seededRandom(scenario.seed ^ 0x5bd1e995)
    const { report } = this
    const timers = beside?.timers ?? new VirtualTimers()
    this.timers = timers
    this.trace = beside?.trace ?? new Trace({ now: () => timers.now(), keepsRows })
    this.violations = beside?.violations ?? []
    this.elsewhere = beside
    if (beside !== undefined) beside.elsewhere = this
    this.network = new MemoryNetwork({ timers, random })
    this.network.setFaults(scenario.network)
    for (const group of scenario.groups) {
      const checker = new RaftChecker(group, report, scenario.hashEvery)
      const oracle = new Oracle(group, report)
      const leases = judgesLeases(scenario) ? this.leaseChecker(checker, oracle, scenario) : undefined
      this.groups.set(group, { checker, oracle, leases, isChanging: false })
    }
    this.rules = new StoreRules(timers, report)
    this.hostWorld = {
      timers,
      network: this.network,
      random,
      trace: this.trace,
      report,
      groups: scenario.groups,
      engine: scenario.engine,
      mirrorEvents: {
        writing: (group, write, written) => this.groups.get(group)?.checker.writing(write, written),
        named: (group, durable) => this.groups.get(group)?.checker.named(durable),
      },
      hooks: (life, group) => this.rules.hooks(life, group),
      diskMs: () => scenario.diskMs * random() * 2,
      touched: life => {
        if (life.isTouched) return
        life.isTouched = true
        this.touchedLives.push(life)
      },
      sent: (from, to, lane, frame) => {
        if (this.elsewhere !== undefined && random() < strayRate) this.elsewhere.stray(from, to, lane, frame)
        if (lane === 'control' && frame[1] === raftFrameKind) this.heard(frame)
      },
      opened: (life, store) => {
        for (const observer of this.observers) observer.attach(life, store)
      },
      ended: life => {
        for (const observer of this.observers) observer.ended(life)
        if (this.isHealing) this.timers.after(repairMs, () => this.revive(life.owner))
      },
      broken: host => this.timers.after(repairMs, () => this.revive(host)),
    }
  }

  readonly report = (rule: string, message: string): void => {
    this.violations.push({ rule, message, ms: this.timers.now() })
    this.trace.note('', `violation ${rule}`, 0, () => message)
  }

  /** A host that never was before, with an empty disk; it starts at once. */
  create(role: HostRole): SimulatedHost {
    const host = new SimulatedHost(`${role === 'client' ? 'c' : 'h'}${++this.created}`, role, this.hostWorld)
    this.hosts.set(host.id, host)
    host.start()
    return host
  }

  /** Starts a host that is down, on a disk that works. What cannot come back is replaced by a new host. */
  revive(host: SimulatedHost): void {
    if (host.isLost) return
    host.disk.repair()
    const { life } = host
    const isCorrupt = life?.failure?.code === 'STORAGE_CORRUPT'
    if (life?.failure !== undefined) host.crash()
    if (isCorrupt) this.lose(host)
    else if (host.life === undefined) host.start()
  }

  /** After each event: looks at every replica that it may have moved. */
  check(): void {
    for (const life of this.touchedLives) {
      life.isTouched = false
      if (life.isOver || life.host === undefined) continue
      const running = new Set(life.host.running.values())
      for (const replica of running) life.observed.add(replica)
      for (const replica of life.observed) {
        // One that was stopped within this event may have moved before that, and have told of it.
        this.observe(life, replica)
        if (!running.has(replica)) life.observed.delete(replica)
      }
    }
    this.touchedLives.length = 0
    for (const observer of this.observers) observer.judge()
  }

  replicasOf(group: GroupId): { readonly host: SimulatedHost; readonly replica: Replica }[] {
    const found: { readonly host: SimulatedHost; readonly replica: Replica }[] = []
    for (const host of this.hosts.values()) {
      const replica = host.isUp ? host.life?.host?.running.get(group) : undefined
      if (replica !== undefined) found.push({ host, replica })
    }
    return found
  }

  /**
   * Whether every group can spare the host's disk: most voters of each configuration keep theirs, and no other
   * configuration is on its way.
   */
  mayLose(host: SimulatedHost): boolean {
    if (this.doomed.has(host.id)) return false
    for (const { isUp, life } of this.hosts.values()) if (!isUp || life?.closed.size !== 0) return false
    for (const [group, { checker, isChanging }] of this.groups) {
      const { latest } = checker
      if (latest === undefined || isChanging) return false
      if (this.replicasOf(group).some(({ replica }) => hasPendingChange(replica))) return false
      const hostOf = new Map(latest.members.list.map(member => [member.replica, member.host]))
      for (const half of [latest.conf.voters, latest.conf.votersOutgoing]) {
        const isGone = (id: HostId | undefined) => id === undefined || id === host.id || this.isDoomed(id)
        const gone = half.filter(voter => isGone(hostOf.get(voter))).length
        if (half.length > 0 && 2 * gone >= half.length) return false
      }
    }
    return true
  }

  isDoomed(id: HostId): boolean {
    return this.doomed.has(id)
  }

  willLose(host: SimulatedHost): void {
    this.doomed.add(host.id)
  }

  /** The disk is gone: the host comes back as another one. */
  lose(host: SimulatedHost): void {
    this.part(host)
    this.create(host.role)
  }

  /** The host and its disk are gone. */
  part(host: SimulatedHost): void {
    this.doomed.add(host.id)
    host.crash()
    host.isLost = true
    this.hosts.delete(host.id)
    this.trace.note(host.id, 'lost')
  }

  private leaseChecker(checker: RaftChecker, oracle: Oracle, { engine }: Scenario): LeaseChecker {
    const entryAt = (index: Index) => checker.entryAt(index)
    const parts = { timers: this.timers, report: this.report, oracle, entryAt, tickMs: engine.tickMs }
    const leases = new LeaseChecker(parts)
    checker.logged = leases.logged
    return leases
  }

  private observe(life: HostLife, replica: Replica): void {
    const group = this.groups.get(replica.group)
    if (group === undefined || !group.checker.observe(replica)) return
    if (!replica.isWitness) group.oracle.observe(replica)
    const { diverged } = replica.state
    if (diverged !== undefined)
      this.report(
        'diverged',
        `replica ${replica.id} of ${replica.group} believes in ${JSON.stringify(diverged)}`,
      )
    const { raft } = replica.node
    const { term, vote, role, log } = raft
    const applied = replica.machine.appliedIndex
    this.trace.note(
      life.owner.id,
      'state',
      term * 8191 + log.committed * 31 + applied,
      () =>
        `${role} term ${term} vote ${vote} last ${log.lastIndex()} commit ${log.committed} applied ${applied}`,
    )
  }

  /** A frame of another cluster comes to the host of that name, as if from its peer. */
  private stray(from: HostId, to: HostId, lane: Lane, frame: Uint8Array): void {
    const arrow = `${from} ${to}`
    const count = this.strays.get(arrow) ?? 0
    if (count >= straysMax || this.isHealing) return
    this.strays.set(arrow, count + 1)
    this.hosts.get(to)?.life?.transport.inject(from, lane, frame.slice())
  }

  private heard(frame: Uint8Array): void {
    decodeRaftBody(frame.subarray(frameHeaderBytes), (group, message) =>
      this.groups.get(group)?.checker.saying(message),
    )
  }
}

/** Clocks are good enough, and what is logged by a store that was not evicted counts. */
function judgesLeases({ extraCalls, engine }: Scenario): boolean {
  return extraCalls.includes('lease') && engine.machine === undefined
}

function hasPendingChange({ machine, node }: Replica): boolean {
  const { log } = node.raft
  const from = Math.max(machine.appliedIndex + 1, log.firstIndex())
  const entries = log.entriesFrom(from, Number.POSITIVE_INFINITY)
  return entries === 'compacted' || entries.runs.some(run => run.type === 'conf-change')
}
