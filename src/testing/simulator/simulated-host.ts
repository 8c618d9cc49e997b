import type { Random } from '../../base/random.ts'
import { isQuorateError, type QuorateError } from '../../core/error.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import type { Host } from '../../engine/host/host.ts'
import { startHost } from '../../engine/host/open-host.ts'
import { startReplicas } from '../../engine/host/replicas.ts'
import { type EngineOptions, engineDefaults } from '../../engine/parts.ts'
import type { Replica } from '../../engine/replica/replica.ts'
import type { Store } from '../../engine/store/store.ts'
import type { StoreHooks } from '../../engine/store-hooks.ts'
import { MemoryDisk, openMemoryStorage } from '../../storage/memory.ts'
import type { MemoryNetwork } from '../../transport/memory.ts'
import type { Lane } from '../../transport/transport.ts'
import { HostClock } from './host-clock.ts'
import { HostMirror, type MirrorEvents } from './host-mirror.ts'
import { StorageTap } from './storage-tap.ts'
import type { Trace } from './trace.ts'
import { TransportTap } from './transport-tap.ts'
import type { Report } from './violation.ts'
import type { VirtualTimers } from './virtual-timers.ts'

export type HostRole = EngineOptions['role']

/** What all hosts of a simulation share. */
export interface HostWorld {
  readonly timers: VirtualTimers
  readonly network: MemoryNetwork
  readonly random: Random
  readonly trace: Trace
  readonly report: Report
  readonly groups: readonly GroupId[]
  readonly engine: Partial<EngineOptions>
  readonly mirrorEvents: MirrorEvents
  /** What the application adds to a store. */
  hooks(life: HostLife, group: GroupId): StoreHooks
  /** Milliseconds that an operation of a healthy disk takes. */
  diskMs(): number
  touched(life: HostLife): void
  sent(from: HostId, to: HostId, lane: Lane, frame: Uint8Array): void
  opened(life: HostLife, store: Store): void
  ended(life: HostLife): void
  /** The host's disk failed it, as it was meant to. */
  broken(host: SimulatedHost): void
}

/** One run of a host's process, from its start to its crash or close. */
export interface HostLife {
  readonly owner: SimulatedHost
  readonly clock: HostClock
  readonly transport: TransportTap
  readonly stores: Map<GroupId, Store>
  /** Those that were closed while the host goes on. */
  readonly closed: Set<GroupId>
  /** Those that ran when they were looked at last. */
  readonly observed: Set<Replica>
  /** Groups that removed this host. */
  readonly removedFrom: Set<GroupId>
  host: Host | undefined
  /** How much the host shall lead. */
  priority: number
  isOver: boolean
  isTouched: boolean
  isClosing: boolean
  /** Why it could not start, or stopped. */
  failure: QuorateError | undefined
}

/** A host with a disk that outlives its crashes. */
export class SimulatedHost {
  readonly id: HostId
  readonly role: HostRole
  life: HostLife | undefined
  /** Its disk was lost: it never comes back under this name. */
  isLost = false
  /** How much slower than a healthy one the disk is. */
  diskSlowness = 1
  /** Its disk was made to fail, or damaged: the host is expected to say so. */
  isDiskFaulty = false
  readonly disk: MemoryDisk
  private readonly world: HostWorld
  private readonly mirror: HostMirror
  private hung: (() => void)[] | undefined

  constructor(id: HostId, role: HostRole, world: HostWorld) {
    this.id = id
    this.role = role
    this.world = world
    this.mirror = new HostMirror(world.mirrorEvents, world.report)
    this.disk = new MemoryDisk({ random: world.random, delay: () => this.diskOperation() })
  }

  get isUp(): boolean {
    const { life } = this
    return life?.host !== undefined && life.failure === undefined && !life.isClosing
  }

  start(): void {
    if (this.life !== undefined || this.isLost) return
    const { world, id } = this
    const clock = new HostClock(world.timers, () => world.touched(life))
    const transport = new TransportTap(world.network.transport(id), clock, {
      sending: (to, lane, frame) => world.sent(id, to, lane, frame),
      received: (from, lane, frame) =>
        world.trace.note(id, 'frame', frame.length, () => `${from} ${lane} ${frame.length} bytes`),
      linked: (peer, isUp) => world.trace.note(id, isUp ? 'linked' : 'unlinked', 0, () => peer),
    })
    const life: HostLife = {
      owner: this,
      clock,
      transport,
      stores: new Map(),
      closed: new Set(),
      observed: new Set(),
      removedFrom: new Set(),
      host: undefined,
      priority: engineDefaults.priority,
      isOver: false,
      isTouched: false,
      isClosing: false,
      failure: undefined,
    }
    this.life = life
    world.trace.note(id, 'start')
    this.begin(life).catch(error => this.failed(life, error))
  }

  /** The process ends at once: what was not durable is lost or torn, and nobody is told. */
  crash(): void {
    this.world.network.crash(this.id)
    this.disk.crash()
    this.end('crash')
  }

  /** The process ends as it should. Resolves when it is gone. */
  async close(): Promise<void> {
    const { life } = this
    if (life === undefined) return
    life.isClosing = true
    await life.host?.close()
    if (this.life === life) this.end('close')
  }

  /** Closes one store; the host goes on with its others. Resolves when it is closed. */
  async closeStore(group: GroupId): Promise<void> {
    const { life } = this
    const store = life?.stores.get(group)
    if (life === undefined || store === undefined) return
    life.stores.delete(group)
    life.closed.add(group)
    this.world.trace.note(this.id, 'close store', 0, () => group)
    await store.close()
  }

  /** Opens the stores that were closed. */
  reopenStores(): void {
    const { life } = this
    if (life?.host === undefined) return
    const closed = [...life.closed]
    life.closed.clear()
    for (const group of closed) this.open(life, life.host, group)
  }

  /** Gives up what it has of a group that removed it, and joins it anew. */
  async rejoin(group: GroupId): Promise<void> {
    const { life } = this
    if (life?.host === undefined) return
    this.world.trace.note(this.id, 'rejoin', 0, () => group)
    life.stores.delete(group)
    life.removedFrom.add(group)
    try {
      await life.host.removeData(group)
    } catch (error) {
      // Its removal is not durable yet, its disk is meant to fail, or it is about to end.
      const isExpected = isQuorateError(error, 'MEMBERSHIP_REFUSED') || this.isDiskFaulty
      if (isExpected || life.failure !== undefined || life.isClosing) return
      throw error
    }
    life.removedFrom.delete(group)
    this.open(life, life.host, group)
  }

  /** Operations of the disk do not end any more, until `releaseDisk`. */
  hangDisk(): void {
    this.hung ??= []
  }

  releaseDisk(): void {
    const hung = this.hung ?? []
    this.hung = undefined
    for (const resolve of hung) this.life?.clock.ring(0, resolve)
  }

  private end(how: string): void {
    const { life } = this
    if (life === undefined) return
    this.world.trace.note(this.id, how)
    life.clock.kill()
    life.isOver = true
    this.life = undefined
    this.hung = undefined
    this.world.ended(life)
  }

  private async begin(life: HostLife): Promise<void> {
    const { world, id, role } = this
    const storage = new StorageTap(await openMemoryStorage(this.disk), this.mirror)
    const stored = await storage.load()
    if (life.isOver) return
    const parts = {
      id,
      storage,
      transport: life.transport,
      rendezvous: world.network.rendezvous(id),
      clock: life.clock,
      random: world.random,
      newDeployment: () =>
        Array.from({ length: 32 }, () => Math.floor(world.random() * 16).toString(16)).join(''),
    }
    life.host = startHost(parts, stored, { ...world.engine, role, cluster: 'simulated' }, startReplicas)
    life.host.on('error', error => this.failed(life, error))
    for (const group of world.groups) this.open(life, life.host, group)
  }

  /** Tries until the store is open, or never can be. */
  private open(life: HostLife, host: Host, group: GroupId): void {
    if (life.isOver || life.isClosing || life.failure !== undefined) return
    host.store(group, { waitForLeader: false, ...this.world.hooks(life, group) }).then(
      store => {
        life.stores.set(group, store)
        this.world.trace.note(this.id, 'store', 0, () => group)
        this.world.opened(life, store)
      },
      error => {
        if (isQuorateError(error, 'REMOVED')) life.removedFrom.add(group)
        else if (isQuorateError(error) && (error.retryable || error.outcome === 'unknown')) {
          life.clock.after(200, () => this.open(life, host, group))
        } else this.failed(life, error)
      },
    )
  }

  private failed(life: HostLife, error: unknown): void {
    if (life.isOver || life.isClosing || life.failure !== undefined) return
    if (!isQuorateError(error)) return this.world.report('assertion', `${this.id}: ${String(error)}`)
    life.failure = error
    this.world.trace.note(this.id, 'failed', 0, () => `${error.code} ${error.message}`)
    const isExpected = this.isDiskFaulty && error.code.startsWith('STORAGE_')
    if (isExpected) this.world.broken(this)
    else this.world.report('failure', `${this.id} failed: ${error.code} ${error.message}`)
  }

  private diskOperation(): Promise<void> {
    const { life, world } = this
    return new Promise(resolve => {
      const done = () => {
        if (this.hung === undefined) resolve()
        else this.hung.push(resolve)
      }
      life?.clock.ring(world.diskMs() * this.diskSlowness, done)
    })
  }
}

/** The store does nothing any more: its group removed the host, or one of the two was closed or failed. */
export function hasEnded(store: Store): boolean {
  return ['removed', 'closed', 'failed'].includes(store.status().role)
}
