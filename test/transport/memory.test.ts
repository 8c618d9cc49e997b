import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { peerSilenceMs } from '../../src/core/limits.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import { transportConformance } from '../../src/testing/transport-conformance.ts'
import { MemoryNetwork, type MemoryTransport } from '../../src/transport/memory.ts'

describe('the memory transport keeps the contract', () => {
  const timers = new VirtualTimers()
  transportConformance(test, {
    paths: ['memory'],
    async open(count) {
      const network = new MemoryNetwork({ timers, random: seededRandom(1) })
      const hosts = names(count).map(hostId => ({ hostId, transport: network.transport(hostId) }))
      return {
        hosts,
        close: async () => {
          for (const { transport } of hosts) await transport.close()
        },
      }
    },
    async until(condition) {
      while (!condition()) assert(timers.step(timers.now() + 60_000), 'the condition never came true')
    },
  })
})

describe('the memory network', () => {
  test('links fall silent when one direction is cut, and come back when it heals', () => {
    const { timers, network, hosts } = cluster(2)
    const [a, b] = hosts
    network.cut('a', 'b')
    assert(a.transport.send('b', 'log', Uint8Array.of(1)))
    assert(b.transport.send('a', 'log', Uint8Array.of(2)))
    timers.run(100)
    assert.deepEqual([a.frames, b.frames], [[2], []])
    timers.run(peerSilenceMs)
    assert.deepEqual([a.events.at(-1), b.events.at(-1)], ['- b silence', '- a silence'])
    network.heal()
    timers.run(1_000)
    assert.deepEqual([a.events.at(-1), b.events.at(-1)], ['+ b', '+ a'])
  })

  test('a short cut loses frames but no link', () => {
    const { timers, network, hosts } = cluster(2)
    const [a, b] = hosts
    network.partition(['a'], ['b'])
    a.transport.send('b', 'log', Uint8Array.of(1))
    timers.run(1_000)
    network.heal('a', 'b')
    a.transport.send('b', 'log', Uint8Array.of(2))
    timers.run(10_000)
    assert.deepEqual(b.frames, [2])
    assert.deepEqual(a.events, ['+ b'])
  })

  test('a crash is noticed by silence, whatever heals meanwhile', () => {
    const { timers, network, hosts } = cluster(2)
    const [a] = hosts
    network.crash('b')
    network.heal()
    timers.run(peerSilenceMs)
    assert.equal(a.events.at(-1), '- b silence')
  })

  test('a crash is noticed by silence alone, a restart under the same name at once', () => {
    const { timers, network, hosts } = cluster(2)
    const [a] = hosts
    network.crash('b')
    timers.run(1_000)
    assert.deepEqual(a.events, ['+ b'])
    const again = new Host('b', network.transport('b'))
    timers.run(1_000)
    assert.deepEqual(a.events, ['+ b', '- b replaced', '+ b'])
    assert.deepEqual(again.events, ['+ a'])
    network.crash('b')
    timers.run(peerSilenceMs)
    assert.equal(a.events.at(-1), '- b silence')
  })

  test('without the seed links live on, and no new ones are made', () => {
    const { timers, network, hosts } = cluster(2)
    const [a, b] = hosts
    network.setSeed(false)
    a.transport.send('b', 'log', Uint8Array.of(1))
    timers.run(10_000)
    assert.deepEqual(b.frames, [1])
    assert.deepEqual([...a.transport.present()], ['b'])
    a.transport.reconnect()
    timers.run(10_000)
    assert.deepEqual([a.events.at(-1), a.transport.present().size], ['- b reconnect', 0])
    network.setSeed(true)
    timers.run(10_000)
    assert.equal(a.events.at(-1), '+ b')
  })

  test('a refused peer gets no new link for a while', () => {
    const { timers, hosts } = cluster(2)
    const [a] = hosts
    for (let i = 0; i < 16; i++) a.transport.misbehaved('b', 'nonsense')
    timers.run(20_000)
    assert.deepEqual(a.events, ['+ b', '- b misbehaved'])
    timers.run(20_000)
    assert.equal(a.events.at(-1), '+ b')
  })

  test('the same seed makes the same run, with every fault on', () => {
    const run = (seed: number) => {
      const { timers, network, hosts } = cluster(3, seed)
      network.setFaults({
        latencyMs: 5,
        jitterMs: 20,
        lossRate: 0.1,
        duplicateRate: 0.1,
        reorderRate: 0.1,
        reorderMs: 50,
      })
      for (let i = 0; i < 200; i++) {
        for (const host of hosts)
          for (const to of ['a', 'b', 'c']) host.transport.send(to, 'log', Uint8Array.of(i))
        timers.run(1)
      }
      timers.run(1_000)
      return hosts.map(host => host.frames)
    }
    const first = run(7)
    assert.deepEqual(run(7), first)
    assert.notDeepEqual(run(8), first)
    const frames = first[0] ?? []
    assert(frames.length > 300 && frames.length < 500, 'some are lost, some come twice')
  })

  test('the founding is granted once, and waits for the seed', async () => {
    const { network } = cluster(2)
    network.setSeed(false)
    const never = new AbortController()
    const asked = network.rendezvous('a').found('first', never.signal)
    const given = network.rendezvous('b').found('second', AbortSignal.abort(new Error('no time')))
    await assert.rejects(given, /no time/)
    network.setSeed(true)
    assert.deepEqual(await asked, { founder: 'a', deployment: 'first' })
    assert.deepEqual(await network.rendezvous('b').found('second', never.signal), await asked)
    network.refuse('c')
    await assert.rejects(network.rendezvous('c').found('third', never.signal), { code: 'UNAUTHORIZED' })
  })
})

class Host {
  readonly transport: MemoryTransport
  readonly frames: number[] = []
  readonly events: string[] = []

  constructor(hostId: string, transport: MemoryTransport) {
    this.transport = transport
    transport.want(new Set(['a', 'b', 'c'].filter(other => other !== hostId)))
    transport.start({
      frame: (_from, _lane, frame) => this.frames.push(frame[0] ?? -1),
      connected: peer => this.events.push(`+ ${peer}`),
      disconnected: (peer, reason) => this.events.push(`- ${peer} ${reason}`),
      presence: () => undefined,
    })
  }
}

function cluster(count: number, seed = 1) {
  const timers = new VirtualTimers()
  const network = new MemoryNetwork({ timers, random: seededRandom(seed) })
  const hosts = names(count).map(hostId => new Host(hostId, network.transport(hostId)))
  timers.run(100)
  return { timers, network, hosts: hosts as [Host, Host, ...Host[]] }
}

function names(count: number): string[] {
  return ['a', 'b', 'c', 'd', 'e'].slice(0, count)
}
