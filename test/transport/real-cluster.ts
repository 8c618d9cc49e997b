import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { memoryFoundingStore } from '../../src/server/founding.ts'
import { createSignaling, type SignalingOptions, type SignalingServer } from '../../src/server/signaling.ts'
import { type CreatedMesh, type CreateMeshOptions, createMesh } from '../../src/transport/create-mesh.ts'
import { createIdentity, type Identity } from '../../src/transport/identity.ts'
import type { Timers } from '../../src/transport/timers.ts'
import { loadNodeRtc } from '../../src/transport/webrtc-node.ts'
import { openNodeSocket } from '../../src/transport/websocket-node.ts'

export const cluster = 'test'
export const secret = 'the secret of the test'

export const realTimers: Timers = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

export interface TestSeed {
  readonly url: string
  readonly signaling: SignalingServer
  close(): Promise<void>
}

/** A signaling server on loopback. */
export async function openSeed(options: Partial<SignalingOptions> = {}, port = 0): Promise<TestSeed> {
  const signaling = await createSignaling({ cluster, secret, founding: memoryFoundingStore(), ...options })
  const server = createServer((_request, response) => response.writeHead(404).end())
  signaling.attach(server)
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const { port: actual } = server.address() as AddressInfo
  return {
    url: `ws://127.0.0.1:${actual}/v1/signal`,
    signaling,
    async close() {
      await signaling.close()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

export interface TestHost extends CreatedMesh {
  readonly hostId: string
  readonly identity: Identity
}

export async function openTestHost(
  seed: Pick<TestSeed, 'url'>,
  options: Partial<CreateMeshOptions> = {},
): Promise<TestHost> {
  const identity = options.identity ?? (await createIdentity(true))
  const mesh = await createMesh({
    cluster,
    secret,
    urls: [seed.url],
    environment: {
      openSocket: openNodeSocket,
      loadRtc: () => loadNodeRtc({ bindAddress: '127.0.0.1' }),
      timers: realTimers,
      random: Math.random,
    },
    ...options,
    identity,
  })
  return { ...mesh, identity, hostId: identity.hostId }
}

/** Waits for something that is about to happen on real parts, and looks often: there is no event for "all of it". */
export async function until(
  condition: () => boolean,
  what: string | (() => string) = 'the condition',
  ms = 10_000,
) {
  const lateMs = performance.now() + ms
  while (!condition()) {
    if (performance.now() > lateMs) throw new Error(`late: ${typeof what === 'string' ? what : what()}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}
