import { seededRandom } from '../../src/base/random.ts'
import type { Clock } from '../../src/clock/clock.ts'
import type { HostId } from '../../src/core/types.ts'
import type { Host } from '../../src/engine/host.ts'
import { startHost } from '../../src/engine/open-host.ts'
import type { EngineOptions } from '../../src/engine/parts.ts'
import type { Store } from '../../src/engine/store.ts'
import type { StoreHooks } from '../../src/engine/types.ts'
import { MemoryDisk, openMemoryStorage } from '../../src/storage/memory.ts'
import { MemoryNetwork, type MemoryTransport } from '../../src/transport/memory.ts'
import type { Lane } from '../../src/transport/transport.ts'
import { VirtualTimers } from '../transport/virtual-timers.ts'

export interface TestHost {
  readonly name: HostId
  readonly host: Host
  readonly store: Store
}

/** Hosts of one cluster on virtual time, over memory: nothing waits for real, and one seed decides everything. */
export class TestCluster {
  readonly timers = new VirtualTimers()
  readonly network: MemoryNetwork
  readonly disks = new Map<HostId, MemoryDisk>()
  /** Sees every frame that a host sends; false loses it. */
  tap: (from: HostId, to: HostId, lane: Lane, frame: Uint8Array) => boolean = () => true
  /** How long operations of the disks take. */
  diskDelay: (host: HostId, ...operation: Parameters<MemoryDisk['delay']>) => Promise<void> = async () => {}
  private readonly random: () => number
  private readonly options: Partial<EngineOptions>
  private readonly clock: Clock = {
    now: () => this.timers.now(),
    after: (ms, callback) => this.timers.after(ms, callback),
    soon: callback => void this.timers.after(0, callback),
  }

  constructor(options: Partial<EngineOptions> & { readonly seed?: number } = {}) {
    const { seed = 1, ...engine } = options
    this.random = seededRandom(seed)
    this.options = engine
    this.network = new MemoryNetwork({ timers: this.timers, random: this.random })
  }

  /** Starts a host on the disk it had before, if any. */
  async host(name: HostId, options: Partial<EngineOptions> = {}): Promise<Host> {
    const disk = this.disks.get(name) ?? this.disk(name)
    this.disks.set(name, disk)
    const storage = await openMemoryStorage(disk)
    const stored = await this.settle(storage.load())
    const parts = {
      id: name,
      storage,
      transport: this.tapped(name),
      rendezvous: this.network.rendezvous(name),
      clock: this.clock,
      random: this.random,
      newDeployment: () => name.charCodeAt(0).toString(16).padStart(32, '0'),
    }
    return startHost(parts, stored, { ...this.options, ...options, cluster: 'test' })
  }

  async open(name: HostId, options: Partial<EngineOptions> & StoreHooks = {}): Promise<TestHost> {
    const { validate, requests, ...engine } = options
    const hooks = { ...(validate && { validate }), ...(requests && { requests }) }
    const host = await this.host(name, engine)
    return { name, host, store: await this.settle(host.store('main', hooks)) }
  }

  private disk(name: HostId): MemoryDisk {
    return new MemoryDisk({
      random: this.random,
      delay: (...operation) => this.diskDelay(name, ...operation),
    })
  }

  private tapped(name: HostId): MemoryTransport {
    const transport = this.network.transport(name)
    const send = transport.send.bind(transport)
    transport.send = (to, lane, frame) => !this.tap(name, to, lane, frame) || send(to, lane, frame)
    return transport
  }

  /** A seed and two promoted members: three voters, the first of which leads. */
  async three(hooksOf: (name: HostId) => StoreHooks = () => ({})): Promise<[TestHost, TestHost, TestHost]> {
    const a = await this.open('a', hooksOf('a'))
    const b = await this.open('b', hooksOf('b'))
    const c = await this.open('c', hooksOf('c'))
    await this.settle(a.store.promote(['b', 'c']))
    return [a, b, c]
  }

  /** The process ends at once: what was not durable is lost, and nobody is told. */
  crash(name: HostId): void {
    this.network.crash(name)
    this.disks.get(name)?.crash()
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
      await microtasks()
      if (isSettled) return promise
      if (!this.timers.step(end)) throw new Error('the promise did not settle')
    }
  }

  /** Lets so much time pass. */
  async run(ms: number): Promise<void> {
    const end = this.timers.now() + ms
    for (;;) {
      await microtasks()
      if (!this.timers.step(end)) break
    }
    this.timers.run(Math.max(0, end - this.timers.now()))
    await microtasks()
  }

  /** Lets time pass until the condition holds. */
  async until(condition: () => boolean, patienceMs = 120_000): Promise<void> {
    const end = this.timers.now() + patienceMs
    for (;;) {
      await microtasks()
      if (condition()) return
      if (!this.timers.step(end)) throw new Error('the condition never came true')
    }
  }
}

/** Everything that promises alone set in motion is done. */
function microtasks(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
