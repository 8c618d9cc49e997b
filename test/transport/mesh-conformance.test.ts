import { after, describe, test } from 'node:test'
import { transportConformance } from '../../src/testing/transport-conformance.ts'
import type { CreateMeshOptions } from '../../src/transport/create-mesh.ts'
import type { Path } from '../../src/transport/transport.ts'
import { openSeed, openTestHost, until } from './real-cluster.ts'

describe('the relay keeps the contract', () => {
  conform({ webrtc: 'off' }, ['relay'])
})

describe('WebRTC alone keeps the contract', () => {
  conform({ relay: false }, ['direct'])
})

describe('WebRTC after the relay keeps the contract', () => {
  conform({}, ['relay', 'direct'])
})

function conform(options: Partial<CreateMeshOptions>, paths: readonly Path[]): void {
  const seed = openSeed()
  after(async () => (await seed).close())
  transportConformance(test, {
    paths,
    async open(count) {
      const opened = await seed
      const hosts = await Promise.all(Array.from({ length: count }, () => openTestHost(opened, options)))
      return {
        hosts,
        close: async () => {
          await Promise.all(hosts.map(host => host.transport.close()))
        },
      }
    },
    until,
  })
}
