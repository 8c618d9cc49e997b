import type { Random } from '../../base/random.ts'
import { isQuorateError } from '../../core/error.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import type { QuorumRule } from '../../engine/membership/quorum-rule.ts'
import type { Store } from '../../engine/store/store.ts'
import type { Act, Scenario } from './scenario.ts'
import type { SimulatedHost } from './simulated-host.ts'
import type { World } from './world.ts'

/** What a guest stays at most. */
const guestStayMs = 2000

/**
 * Who looks after the members: makes voters, replaces what is lost, and, where the scenario says so, lets members and
 * leaders come and go without any need. One act at a time for each group.
 */
export class Operator {
  private readonly world: World
  private readonly scenario: Scenario
  private readonly random: Random
  private readonly guests = new Set<SimulatedHost>()
  private isStopped = false

  constructor(world: World, scenario: Scenario, random: Random) {
    this.world = world
    this.scenario = scenario
    this.random = random
    for (const group of scenario.groups) this.wait(group)
    if (scenario.guestEveryMs !== undefined) this.invite(scenario.guestEveryMs)
  }

  stop(): void {
    this.isStopped = true
    for (const guest of this.guests) this.world.part(guest)
  }

  /** Nobody has to look after those who left: the groups make room by themselves. */
  private invite(everyMs: number): void {
    const { world } = this
    world.timers.after(2 * everyMs * this.random(), () => {
      if (this.isStopped) return
      // Whoever comes first founds the cluster, and others rely on that.
      const isFounded = [...world.groups.values()].every(({ checker }) => checker.latest !== undefined)
      if (!isFounded) return this.invite(everyMs)
      this.sendHome(this.pick([...world.hosts.values()]))
      const guest = world.create('member')
      // Nobody shall rely on it.
      world.willLose(guest)
      this.guests.add(guest)
      world.timers.after(guestStayMs * this.random(), () => {
        if (this.isStopped) return
        this.guests.delete(guest)
        world.part(guest)
        this.invite(everyMs)
      })
    })
  }

  private wait(group: GroupId): void {
    const ms = this.scenario.operateEveryMs * (0.2 + 1.6 * this.random())
    this.world.timers.after(ms, () => {
      if (this.isStopped) return
      const watched = this.world.groups.get(group)
      if (watched !== undefined) watched.isChanging = true
      let isOver = false
      const over = () => {
        if (isOver) return
        isOver = true
        if (watched !== undefined) watched.isChanging = false
        this.wait(group)
      }
      // The host that was asked may have crashed, and nobody answers any more.
      this.world.timers.after(2 * this.scenario.engine.deadlineMs, over)
      this.act(group)
        .catch(error => {
          if (!isQuorateError(error)) this.world.report('call', `the operator met ${String(error)}`)
        })
        .finally(over)
    })
  }

  /** Who only follows stays away for a while, so that a guest may come in its place. */
  private sendHome(host: SimulatedHost | undefined): void {
    const { world } = this
    const isVoter = [...world.groups.values()].some(({ checker }) =>
      checker.latest?.members.list.some(member => member.host === host?.id && member.wanted === 'voter'),
    )
    if (host === undefined || !host.isUp || host.role !== 'member' || isVoter || this.guests.has(host)) return
    host.close().then(
      () => world.timers.after(2 * guestStayMs * this.random(), () => world.revive(host)),
      error => world.report('close', String(error)),
    )
  }

  private async act(group: GroupId): Promise<void> {
    const { world } = this
    this.replaceRemoved()
    const store = this.anyStore(group)
    if (store === undefined) return
    const members = store.status().members
    const voters = members.filter(member => member.wanted === 'voter')
    const mindsLosses = this.scenario.guestEveryMs === undefined
    const lost = members.find(({ hostId }) => mindsLosses && !world.hosts.has(hostId))
    const isShort = voters.length < this.scenario.voters
    if (lost !== undefined && this.random() < 0.7) return this.change('remove', store, lost.hostId)
    const isHere = (host: HostId) => world.hosts.has(host) && !world.isDoomed(host)
    const idle = members.filter(member => member.wanted === 'learner' && isHere(member.hostId))
    if (isShort && idle.length > 0) {
      const chosen = idle.slice(0, Math.max(1, this.scenario.voters - voters.length))
      world.trace.note('', 'promote', chosen.length, () => chosen.map(({ hostId }) => hostId).join(' '))
      await store.promote(chosen.map(({ hostId }) => hostId))
      return
    }
    const act = this.random() < 0.3 ? this.pick(this.scenario.acts) : undefined
    if (act !== undefined) return this.actFreely(act, store)
    if (this.scenario.membership !== 'churn') return
    const choice = this.random()
    const member = this.pick(members)
    if (member === undefined) return
    if (choice < 0.3) await this.change('demote', store, member.hostId)
    else if (choice < 0.5) await this.change('remove', store, member.hostId)
    else if (choice < 0.6) await this.handOver(group)
    else if (choice < 0.8) await this.transfer(store, member.hostId)
    else if (idle.length > 0) await this.change('promote', store, this.pick(idle)?.hostId ?? member.hostId)
  }

  private async actFreely(act: Act, store: Store): Promise<void> {
    switch (act) {
      case 'weigh':
        return this.weigh(store, this.pick(store.status().members)?.hostId)
      case 'decide':
        return this.decide(store)
      case 'prefer':
        return this.prefer(this.pick([...this.world.hosts.values()].filter(host => host.isUp)))
    }
  }

  /** Lets other sets of voters decide: all with a certain voter, all voters, two thirds; and sets that must not. */
  private async decide(store: Store): Promise<void> {
    const voters = store.status().members.filter(({ role }) => role === 'voter')
    const one = this.pick(voters)?.hostId ?? ''
    const rules: readonly (QuorumRule | undefined)[] = [
      undefined,
      hosts => hosts.has(one),
      hosts => voters.every(({ hostId }) => hosts.has(hostId)),
      hosts => 3 * hosts.size >= 2 * voters.length,
      hosts => hosts.size > 0,
    ]
    const number = Math.floor(this.random() * rules.length)
    this.world.trace.note('', 'decide', number, () => `rule ${number} of ${store.name}`)
    const members = await store.setQuorum(rules[number])
    const isWrong = number === rules.length - 1 && members.filter(({ role }) => role === 'voter').length > 1
    if (isWrong) this.world.report('quorum', `any single voter may decide in ${store.name}`)
  }

  private prefer(host: SimulatedHost | undefined): void {
    const { life } = host ?? {}
    if (life?.host === undefined || host === undefined) return
    life.priority = Math.floor(this.random() * 4)
    this.world.trace.note(host.id, 'prefer', life.priority)
    life.host.setPriority(life.priority)
  }

  private async weigh(store: Store, host: HostId | undefined): Promise<void> {
    if (host === undefined) return
    const weight = 1 + Math.floor(this.random() * 4)
    this.world.trace.note('', 'weigh', weight, () => host)
    await store.setWeights({ [host]: weight })
  }

  private async change(change: 'promote' | 'demote' | 'remove', store: Store, host: HostId): Promise<void> {
    this.world.trace.note('', change, 0, () => host)
    await store[change](host)
  }

  private async transfer(store: Store, host: HostId): Promise<void> {
    this.world.trace.note('', 'transfer', 0, () => host)
    await store.transferLeadership(host)
  }

  private async handOver(group: GroupId): Promise<void> {
    for (const { host, replica } of this.world.replicasOf(group)) {
      if (!replica.leads) continue
      this.world.trace.note(host.id, 'hand over')
      await host.life?.host?.handOver()
    }
  }

  /** A host that every group removed gives its place to a new one; and whoever was removed may join anew. */
  private replaceRemoved(): void {
    for (const host of [...this.world.hosts.values()]) {
      const { life } = host
      if (life?.host === undefined || host.role === 'client') continue
      const replicas = life.host.running
      const { groups } = this.scenario
      const out = groups.filter(
        group => life.removedFrom.has(group) || (life.stores.has(group) && !replicas.has(group)),
      )
      if (out.length === 0 || life.failure !== undefined || this.guests.has(host)) continue
      const choice = this.random()
      const group = this.pick(out)
      if (choice < 0.2 && group !== undefined) {
        host.rejoin(group).catch(error => this.world.report('call', `rejoining met ${String(error)}`))
      } else if (choice < 0.6 && out.length === groups.length) this.world.lose(host)
    }
  }

  private anyStore(group: GroupId): Store | undefined {
    const lives = [...this.world.hosts.values()].filter(host => host.isUp).map(host => host.life)
    const stores = lives.flatMap(life => {
      const store = life?.stores.get(group)
      return store === undefined || life?.host?.running.has(group) !== true ? [] : [store]
    })
    return this.pick(stores)
  }

  private pick<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.random() * items.length)]
  }
}
