import { seededRandom } from '../../src/base/random.ts'
import type { HostId } from '../../src/core/types.ts'
import type { Host } from '../../src/engine/host/host.ts'
import { startHost } from '../../src/engine/host/open-host.ts'
import { startReplicas } from '../../src/engine/host/replicas.ts'
import type { EngineOptions } from '../../src/engine/parts.ts'
import type { Store } from '../../src/engine/store/store.ts'
import type { StoreHooks } from '../../src/engine/store-hooks.ts'
import { MemoryDisk, openMemoryStorage } from '../../src/storage/memory.ts'
import type { Deflate, Storage, WriteBatch } from '../../src/storage/storage.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { promiseJobs } from '../../src/testing/simulator/promise-jobs.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { GuardedTransport } from '../../src/transport/guarded-transport.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
import type { Authorize, Lane, Transport, TransportHandlers } from '../../src/transport/transport.ts'
import { decodeFrame, type FrameKind } from '../../src/wire/frames.ts'

export interface TestHost {
  readonly name: HostId
  readonly host: Host
  readonly store: Store
}

/** A frame that a host sent, as far as tests count them. */
export interface SentFrame {
  readonly from: HostId
  readonly to: HostId
  readonly kind: FrameKind
  readonly body: Uint8Array
  readonly atMs: number
}

/** Hosts of one cluster on virtual time, over memory: nothing waits for real, and one seed decides everything. */
export class TestCluster {
  readonly timers = new VirtualTimers()
  readonly network: MemoryNetwork
  readonly disks = new Map<HostId, MemoryDisk>()
  /** Sees every frame that a host sends; false loses it. */
  tap: (from: HostId, to: HostId, lane: Lane, frame: Uint8Array) => boolean = () => true
  /** Hosts that no seed sees. */
  readonly unseen = new Set<HostId>()
  /** How long operations of the disks take. */
  diskDelay: (host: HostId, ...operation: Parameters<MemoryDisk['delay']>) => Promise<void> = async () => {}
  /** What the hosts sent and stored since a test set this. */
  record:
    | {
        readonly frames: SentFrame[]
        readonly writes: { readonly host: HostId; readonly batch: WriteBatch }[]
      }
    | undefined
  /** What hosts deflate snapshots with that start from now on. */
  deflate: Deflate | undefined
  private readonly random: () => number
  private readonly options: Partial<EngineOptions>
  private readonly handlers = new Map<HostId, TransportHandlers>()
  /** The latest of each host. */
  private readonly clocks = new Map<HostId, HostClock>()

  constructor(options: Partial<EngineOptions> & { readonly seed?: number } = {}) {
    const { seed = 1, ...engine } = options
    this.random = seededRandom(seed)
    this.options = engine
    this.network = new MemoryNetwork({ timers: this.timers, random: this.random })
  }

  /** Starts a host on the disk it had before, if any. */
  async host(
    name: HostId,
    { authorize, ...options }: Partial<EngineOptions> & { readonly authorize?: Authorize } = {},
  ): Promise<Host> {
    const disk = this.disks.get(name) ?? this.disk(name)
    this.disks.set(name, disk)
    const clock = new HostClock(this.timers)
    this.clocks.set(name, clock)
    const storage = await openMemoryStorage(disk)
    const stored = await this.settle(storage.load())
    const tapped = this.tapped(name, clock)
    const parts = {
      id: name,
      storage: this.recordedStorage(name, storage),
      transport: authorize === undefined ? tapped : new GuardedTransport(tapped, authorize, clock),
      rendezvous: this.network.rendezvous(name),
      clock,
      random: this.random,
      deflate: this.deflate,
      newDeployment: () => name.charCodeAt(0).toString(16).padStart(32, '0'),
    }
    return startHost(parts, stored, { ...this.options, ...options, cluster: 'test' }, startReplicas)
  }

  async open(name: HostId, options: Parameters<TestCluster['host']>[1] & StoreHooks = {}): Promise<TestHost> {
    const { validate, requests, commands, ...engine } = options
    const hooks = {
      ...(validate && { validate }),
      ...(requests && { requests }),
      ...(commands && { commands }),
    }
    const host = await this.host(name, engine)
    return { name, host, store: await this.settle(host.store('main', hooks)) }
  }

  private disk(name: HostId): MemoryDisk {
    return new MemoryDisk({
      random: this.random,
      delay: (...operation) => this.diskDelay(name, ...operation),
    })
  }

  /** A seed and two promoted members: three voters, the first of which leads. */
  async three(hooksOf: (name: HostId) => StoreHooks = () => ({})): Promise<[TestHost, TestHost, TestHost]> {
    const a = await this.open('a', hooksOf('a'))
    const b = await this.open('b', hooksOf('b'))
    const c = await this.open('c', hooksOf('c'))
    await this.settle(a.store.promote(['b', 'c']))
    return [a, b, c]
  }

  /** The process stands still, as that of a suspended tab: its timers are late, and its frames wait. */
  pause(name: HostId): void {
    this.clocks.get(name)?.suspend()
  }

  resume(name: HostId): void {
    this.clocks.get(name)?.resume()
  }

  /** So much time passes for that host in which it has nothing to do. */
  jump(name: HostId, ms: number): void {
    this.clocks.get(name)?.jump(ms)
  }

  /** The machine sleeps, and the clock that the process runs by with it; that on the wall goes on. */
  async sleep(name: HostId, ms: number): Promise<void> {
    const clock = this.clocks.get(name)
    clock?.suspend()
    await this.run(ms)
    clock?.jump(-ms)
    clock?.setWall(ms)
    clock?.resume()
  }

  /** What hosts send and store while so much time passes. */
  async recorded(during: () => Promise<unknown>) {
    const record = { frames: [], writes: [] } as NonNullable<typeof this.record>
    this.record = record
    await during()
    this.record = undefined
    return record
  }

  private tapped(name: HostId, clock: HostClock): Transport {
    const transport = this.network.transport(name)
    const send = transport.send.bind(transport)
    transport.send = (to, lane, frame) => {
      if (this.record !== undefined) {
        const decoded = decodeFrame(Buffer.from(frame.subarray(4, 20)).toString('hex'), frame)
        if (typeof decoded === 'string') throw new Error(`a host sent a frame that is ${decoded}`)
        this.record.frames.push({ from: name, to, ...decoded, atMs: this.timers.now() })
      }
      return !this.tap(name, to, lane, frame) || send(to, lane, frame)
    }
    const present = transport.present.bind(transport)
    transport.present = () => new Set([...present()].filter(host => !this.unseen.has(host)))
    const start = transport.start.bind(transport)
    transport.start = handlers => {
      this.handlers.set(name, handlers)
      start({
        frame: (...told) => clock.enter(() => handlers.frame(...told)),
        connected: (...told) => clock.enter(() => handlers.connected(...told)),
        disconnected: (...told) => clock.enter(() => handlers.disconnected(...told)),
        presence: () => clock.enter(() => handlers.presence()),
      })
    }
    return transport
  }

  private recordedStorage(name: HostId, storage: Storage): Storage {
    const write = storage.write.bind(storage)
    storage.write = batch => {
      this.record?.writes.push({ host: name, batch })
      return write(batch)
    }
    return storage
  }

  /** A frame that was held up arrives after all. */
  deliver(from: HostId, to: HostId, lane: Lane, frame: Uint8Array): void {
    this.clocks.get(to)?.enter(() => this.handlers.get(to)?.frame(from, lane, frame))
  }

  /** The process ends at once: what was not durable is lost, and nobody is told. */
  crash(name: HostId): void {
    this.network.crash(name)
    this.disks.get(name)?.crash()
    this.clocks.get(name)?.kill()
  }

  /** Lets time pass until the promise settles. */
  async settle<Value>(promise: Promise<Value>, patienceMs = 120_000): Promise<Value> {
    let isSettled = false
    const done = () => {
      isSettled = true
    }
    promise.then(done, done)
    const end = this.timers.now() + patienceMs
    for (;;) {
      await promiseJobs()
      if (isSettled) return promise
      if (!this.timers.step(end)) throw new Error('the promise did not settle')
    }
  }

  /** Lets so much time pass. */
  async run(ms: number): Promise<void> {
    const end = this.timers.now() + ms
    for (;;) {
      await promiseJobs()
      if (!this.timers.step(end)) break
    }
    this.timers.run(Math.max(0, end - this.timers.now()))
    await promiseJobs()
  }

  /** Lets time pass until the condition holds. */
  async until(condition: () => boolean, patienceMs = 120_000): Promise<void> {
    const end = this.timers.now() + patienceMs
    for (;;) {
      await promiseJobs()
      if (condition()) return
      if (!this.timers.step(end)) throw new Error('the condition never came true')
    }
  }
}
