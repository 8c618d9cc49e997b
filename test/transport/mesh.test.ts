import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { dialsMax, dialTimeoutMs, peersMax } from '../../src/core/limits.ts'
import { Backoff } from '../../src/transport/backoff.ts'
import type { CreateMeshOptions, MeshEnvironment } from '../../src/transport/create-mesh.ts'
import type { Rtc } from '../../src/transport/rtc.ts'
import type { OpenSocket, Socket } from '../../src/transport/socket.ts'
import type { Lane } from '../../src/transport/transport.ts'
import { loadNodeRtc } from '../../src/transport/webrtc-node.ts'
import { openNodeSocket } from '../../src/transport/websocket-node.ts'
import { openSeed, openTestHost, realTimers, type TestHost, type TestSeed, until } from './real-cluster.ts'

describe('a mesh', () => {
  test('lives on without its seed, and finds it again', async t => {
    const seed = await openSeed()
    const [a, b] = [await openProbe(t, seed), await openProbe(t, seed)]
    await connect(a, b, 'direct')
    await seed.close()
    await until(() => a.events.length >= 1 && !a.transport.peers().some(peer => peer.path === 'relay'))
    a.transport.send(b.hostId, 'log', Uint8Array.of(1))
    await until(() => b.frames.length === 1)
    assert.deepEqual([...a.transport.present()], [b.hostId])
    const again = await openSeed({}, Number(new URL(seed.url).port))
    t.after(() => again.close())
    await until(() => again.signaling.hosts().length === 2)
    assert.equal(pathTo(a, b), 'direct')
    assert(!a.events.some(event => event.startsWith('-')), 'nobody was ever disconnected')
  })

  test('uses the relay until WebRTC works, and does not lose it while it tries', async t => {
    const seed = await openSeed()
    t.after(() => seed.close())
    let isBroken = true
    const loadRtc = async (): Promise<Rtc> => {
      if (isBroken) throw new Error('the chunk could not be loaded')
      return loadNodeRtc({ bindAddress: '127.0.0.1' })
    }
    // Pauses are cut short, or the next attempt would come after five seconds.
    const timers = {
      ...realTimers,
      after: (ms: number, run: () => void) => realTimers.after(Math.min(ms, 1_000), run),
    }
    const environment = { openSocket: openNodeSocket, loadRtc, timers, random: () => 0 }
    const [a, b] = [await openProbe(t, seed, { environment }), await openProbe(t, seed, { environment })]
    await connect(a, b, 'relay')
    await until(() => [a, b].some(one => one.transport.counters()['dial-failed'] !== undefined))
    a.transport.send(b.hostId, 'log', Uint8Array.of(1))
    await until(() => b.frames.length === 1)
    isBroken = false
    await until(() => pathTo(b, a) === 'direct' && a.events.length === 2)
    assert.deepEqual(a.events, ['+ relay', '+ direct'])
    a.transport.send(b.hostId, 'log', Uint8Array.of(2))
    await until(() => b.frames.length === 2)
  })

  test('a host that comes back under its name is connected again at once', async t => {
    const seed = await openSeed()
    t.after(() => seed.close())
    const [a, b] = [await openProbe(t, seed), await openProbe(t, seed)]
    await connect(a, b, 'direct')
    await b.transport.close()
    const again = await openProbe(t, seed, { identity: b.identity })
    await until(() => pathTo(a, again) === 'direct' && pathTo(again, a) === 'direct')
    a.transport.send(again.hostId, 'log', Uint8Array.of(1))
    await until(() => again.frames.length === 1)
    assert(a.events.includes('- closed by the peer'))
  })

  test('a process that is killed is missed within three seconds', async t => {
    const seed = await openSeed()
    t.after(() => seed.close())
    const a = await openProbe(t, seed)
    const child = fork(new URL('./peer-child.ts', import.meta.url), [seed.url], {
      execArgv: ['--import', 'tsx'],
    })
    t.after(() => child.kill('SIGKILL'))
    const [hostId] = await once(child, 'message')
    a.transport.want(new Set([hostId]))
    await until(() => pathTo(a, { hostId }) === 'direct')
    child.kill('SIGKILL')
    await until(() => pathTo(a, { hostId }) === 'none', 'the death is noticed', 3_000)
    assert(!a.transport.present().has(hostId))
  })

  test('hosts that left, in order or not, give way to one that comes', async t => {
    const seed = await openSeed()
    t.after(() => seed.close())
    for (const leave of ['close', 'vanish'] as const) {
      const a = await openProbe(t, seed, { isReserved, environment: stalled(dialTimeoutMs) })
      const gone = await openMany(peersMax, async () => openVanishing(t, seed))
      for (const { probe } of gone) probe.transport.want(new Set([a.hostId]))
      await until(() => a.transport.peers().filter(({ path }) => path === 'relay').length === peersMax)
      await Promise.all(gone.map(one => one[leave]()))
      await until(() => a.transport.present().size === 0)
      const late = await openProbe(t, seed, { isReserved })
      late.transport.want(new Set([a.hostId]))
      await until(() => pathTo(late, a) === 'relay', `the newcomer after those who ${leave}`)
      assert.equal(a.transport.counters()['peers-full'], undefined)
      assert(a.transport.peers().length <= peersMax)
      await late.transport.close()
      await a.transport.close()
    }
  })

  test('hosts that left, answering or mute, hold back no dial to another', async t => {
    const seed = await openSeed()
    t.after(() => seed.close())
    for (const isMute of [false, true]) {
      const a = await openProbe(t, seed, { isReserved, environment: stalled(handshakeMs) })
      // A mute host comes to the seed, and answers nobody: it was never started.
      const gone = await openMany(dialsMax, () =>
        isMute ? openTestHost(seed) : openProbe(t, seed, { isReserved, environment: stalled(handshakeMs) }),
      )
      await until(() => a.transport.present().size === dialsMax)
      a.transport.want(new Set(gone.map(({ hostId }) => hostId)))
      const path = isMute ? 'none' : 'relay'
      await until(() => a.transport.peers().filter(peer => peer.path === path).length === dialsMax)
      const late = await openProbe(t, seed, { isReserved })
      a.transport.want(new Set([...gone, late].map(({ hostId }) => hostId)))
      await Promise.all(gone.map(({ transport }) => transport.close()))
      await until(
        () => pathTo(a, late) === 'relay',
        `the dial after those who were ${isMute ? 'mute' : 'here'}`,
      )
      await late.transport.close()
      await a.transport.close()
    }
  })

  test('a heartbeat overtakes a snapshot', async t => {
    const seed = await openSeed()
    t.after(() => seed.close())
    for (const path of ['relay', 'direct'] as const) {
      const webrtc = path === 'relay' ? 'off' : 'auto'
      const [a, b] = [await openProbe(t, seed, { webrtc }), await openProbe(t, seed, { webrtc })]
      await connect(a, b, path)
      const pieces = 160
      for (let i = 0; i < pieces; i++) assert(a.transport.send(b.hostId, 'bulk', new Uint8Array(100_000)))
      a.transport.send(b.hostId, 'control', Uint8Array.of(1))
      await until(() => b.frames.length === pieces + 1)
      const before = b.frames.findIndex(({ lane }) => lane === 'control')
      // Both hosts share this process, and it may take in many direct pieces before it looks at the other channel.
      assert(before < (path === 'relay' ? pieces / 4 : pieces - 10), `${before} pieces came first`)
    }
  })
})

test('pauses grow, never beyond their limit, and start over after a success', () => {
  const backoff = new Backoff(seededRandom(1), 200, 30_000)
  const pauses = Array.from({ length: 12 }, () => backoff.nextMs())
  for (const [i, ms] of pauses.entries()) {
    const longest = Math.min(30_000, 200 * 2 ** i)
    assert(ms >= longest / 2 && ms <= longest, `pause ${i} of ${ms} ms`)
  }
  backoff.reset()
  assert(backoff.nextMs() <= 200)
})

const isReserved = true

/** Time for a handshake: no timer of a stalled host that is as long ever runs. */
const handshakeMs = 3_000

/** Direct links never open, and nothing is given up for its time: whatever goes on does so for another reason. */
function stalled(fromMs: number): MeshEnvironment {
  return {
    openSocket: openNodeSocket,
    loadRtc: () => new Promise(() => undefined),
    timers: {
      ...realTimers,
      after: (ms, run) => (ms < fromMs ? realTimers.after(ms, run) : () => undefined),
    },
    random: Math.random,
  }
}

async function openMany<T>(count: number, open: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, open))
}

/** A host that can go without a goodbye, as if its process were killed. */
async function openVanishing(t: TestContext, seed: TestSeed) {
  const sockets: Socket[] = []
  const openSocket: OpenSocket = (url, handlers) => {
    if (sockets.length > 0) return { send: () => undefined, close: () => undefined }
    const socket = openNodeSocket(url, handlers)
    sockets.push(socket)
    return socket
  }
  const probe = await openProbe(t, seed, {
    isReserved,
    environment: { ...stalled(dialTimeoutMs), openSocket },
  })
  return {
    probe,
    close: () => probe.transport.close(),
    async vanish() {
      for (const socket of sockets) socket.close()
    },
  }
}

interface MeshProbe extends TestHost {
  readonly events: string[]
  readonly frames: { readonly lane: Lane; readonly frame: Uint8Array }[]
}

/** A probe that wants everybody who is present or, reserved, whom it is told to. */
async function openProbe(
  t: TestContext,
  seed: TestSeed,
  { isReserved, ...options }: Partial<CreateMeshOptions> & { readonly isReserved?: boolean } = {},
): Promise<MeshProbe> {
  const host = await openTestHost(seed, options)
  t.after(() => host.transport.close())
  const probe: MeshProbe = { ...host, events: [], frames: [] }
  host.transport.start({
    frame: (_from, lane, frame) => probe.frames.push({ lane, frame }),
    connected: (_peer, path) => probe.events.push(`+ ${path}`),
    disconnected: (_peer, reason) => probe.events.push(`- ${reason}`),
    presence: () => {
      if (!isReserved) host.transport.want(host.transport.present())
    },
  })
  return probe
}

async function connect(a: MeshProbe, b: MeshProbe, path: string): Promise<void> {
  a.transport.want(new Set([b.hostId]))
  await until(() => pathTo(a, b) === path && pathTo(b, a) === path && a.events.includes(`+ ${path}`))
}

function pathTo(host: TestHost, peer: { readonly hostId: string }): string {
  return host.transport.peers().find(({ hostId }) => hostId === peer.hostId)?.path ?? 'none'
}
