import type { Random } from '../../base/random.ts'
import type { HostId } from '../../core/types.ts'
import { driftMax } from './lease-checker.ts'
import type { FaultName, Scenario } from './scenario.ts'
import type { SimulatedHost } from './simulated-host.ts'
import type { World } from './world.ts'

/** Does to a world what its scenario allows, at random times, and undoes it after a while. */
export class Faults {
  private readonly world: World
  private readonly scenario: Scenario
  private readonly random: Random
  /** Leases promise nothing where clocks are worse than they are said to be. */
  private readonly areClocksBounded: boolean
  private isStopped = false

  constructor(world: World, scenario: Scenario, random: Random) {
    this.world = world
    this.scenario = scenario
    this.random = random
    this.areClocksBounded = scenario.extraCalls.includes('lease')
    if (scenario.faults.length > 0) this.wait()
  }

  /** No new faults, and all that is broken is repaired: hosts that are down start again. */
  stop(): void {
    this.isStopped = true
    this.world.isHealing = true
    const { network } = this.world
    const { latencyMs } = this.scenario.network
    const calm = {
      latencyMs: Math.min(latencyMs, 10),
      jitterMs: 1,
      lossRate: 0,
      duplicateRate: 0,
      reorderRate: 0,
    }
    network.setFaults(calm)
    network.setSeed(true)
    network.heal()
    for (const host of this.world.hosts.values()) {
      const { life } = host
      host.diskSlowness = 1
      host.releaseDisk()
      life?.transport.unclogAll()
      life?.clock.setRate(1)
      life?.clock.throttle(0)
      life?.clock.resume()
      host.reopenStores()
    }
    for (const host of this.world.hosts.values()) this.world.revive(host)
  }

  private wait(): void {
    const ms = -Math.log(1 - this.random()) * this.scenario.faultEveryMs
    this.world.timers.after(ms, () => {
      if (this.isStopped) return
      const name = this.pick(this.scenario.faults)
      if (name !== undefined) this.strike(name)
      this.wait()
    })
  }

  private strike(name: FaultName): void {
    const { world } = this
    const up = [...world.hosts.values()].filter(host => host.isUp)
    // A crash meets hosts that are about to start, too.
    const isCrash = name === 'crash' || name === 'power-cut'
    const host = this.pick(isCrash ? [...world.hosts.values()].filter(({ life }) => life !== undefined) : up)
    if (host === undefined) return
    world.trace.note(host.id, `fault ${name}`)
    switch (name) {
      case 'cut':
      case 'partition':
      case 'isolate':
      case 'clog':
      case 'noise':
      case 'seed-away':
      case 'reconnect':
        return this.disturbNetwork(name, host)
      case 'pause':
      case 'jump':
      case 'drift':
      case 'throttle':
        return this.disturbTime(name, host)
      case 'slow-disk':
      case 'hung-disk':
      case 'broken-disk':
      case 'rot':
        return this.disturbDisk(name, host)
      case 'crash':
        return this.crash(host, this.spell(3000))
      case 'power-cut': {
        for (const one of up) this.crash(one, this.spell(1000))
        return
      }
      case 'close':
        host.close().then(
          () => this.later(this.spell(2000), () => world.revive(host)),
          error => world.report('close', String(error)),
        )
        return
      case 'close-store': {
        const group = this.pick([...(host.life?.stores.keys() ?? [])])
        if (group === undefined) return
        host.closeStore(group).catch(error => world.report('close', String(error)))
        return this.later(this.spell(3000), () => host.reopenStores())
      }
      case 'wipe':
        if (world.mayLose(host)) world.lose(host)
    }
  }

  private disturbNetwork(name: FaultName, host: SimulatedHost): void {
    const { network, hosts } = this.world
    const others = [...hosts.keys()].filter(id => id !== host.id)
    const other = this.pick(others)
    if (other === undefined) return
    const heal = () => network.heal()
    switch (name) {
      case 'cut':
        network.cut(host.id, other)
        return this.later(this.spell(4000), () => network.heal(host.id, other))
      case 'partition': {
        const sides: [HostId[], HostId[]] = [[], []]
        for (const id of hosts.keys()) sides[this.random() < 0.5 ? 0 : 1].push(id)
        network.partition(...sides)
        return this.later(this.spell(6000), heal)
      }
      case 'isolate':
        for (const id of others) {
          if (this.random() < 0.7) network.cut(host.id, id)
          if (this.random() < 0.7) network.cut(id, host.id)
        }
        return this.later(this.spell(6000), heal)
      case 'clog': {
        const { life } = host
        life?.transport.clog(other)
        return this.later(this.spell(5000), () => life?.transport.unclog(other))
      }
      case 'noise':
        network.setFaults({ lossRate: 0.3, duplicateRate: 0.2, reorderRate: 0.3 })
        return this.later(this.spell(2000), () => network.setFaults(this.scenario.network))
      case 'seed-away':
        network.setSeed(false)
        return this.later(this.spell(4000), () => network.setSeed(true))
      case 'reconnect':
        host.life?.host?.reconnect()
    }
  }

  private disturbTime(name: FaultName, host: SimulatedHost): void {
    const clock = host.life?.clock
    switch (name) {
      case 'pause':
        clock?.suspend()
        return this.later(this.spell(8000), () => clock?.resume())
      case 'jump':
        if (this.areClocksBounded) return clock?.setWall(this.spell(30_000) - 15_000)
        return clock?.jump(this.spell(30_000))
      case 'drift':
        clock?.setRate(this.areClocksBounded ? 1 + driftMax * (2 * this.random() - 1) : 0.6 + this.random())
        return this.later(this.spell(20_000), () => clock?.setRate(1))
      case 'throttle':
        clock?.throttle(1000)
        return this.later(this.spell(10_000), () => clock?.throttle(0))
    }
  }

  private disturbDisk(name: FaultName, host: SimulatedHost): void {
    switch (name) {
      case 'slow-disk':
        host.diskSlowness = 20 + this.random() * 200
        return this.later(this.spell(5000), () => {
          host.diskSlowness = 1
        })
      case 'hung-disk':
        host.hangDisk()
        return this.later(this.spell(6000), () => host.releaseDisk())
      case 'broken-disk':
        host.isDiskFaulty = true
        host.disk.fail(this.random() < 0.5 ? 'the disk is full' : undefined)
        return this.later(this.spell(4000), () => {
          this.world.revive(host)
        })
      case 'rot':
        // Not in the last records: what is damaged there cannot be told from a write that a crash has torn.
        if (!this.world.mayLose(host) || host.disk.log.length < 2000) return
        this.world.willLose(host)
        host.isDiskFaulty = true
        host.disk.flipBit(Math.floor(this.random() * host.disk.log.length * 0.5))
        this.crash(host, this.spell(1000))
    }
  }

  private crash(host: SimulatedHost, downMs: number): void {
    host.crash()
    this.later(downMs, () => this.world.revive(host))
  }

  private later(ms: number, callback: () => void): void {
    this.world.timers.after(ms, () => {
      if (!this.isStopped) callback()
    })
  }

  /** Most are short, some are long. */
  private spell(ms: number): number {
    return ms * this.random() * this.random() * 2
  }

  private pick<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.random() * items.length)]
  }
}
