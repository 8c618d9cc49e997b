import { openSeed, openTestHost, until } from './real-cluster.ts'

// Connects two hosts in every way there is, closes everything, and must end by itself then.
const seed = await openSeed()
const hosts = await Promise.all([openTestHost(seed), openTestHost(seed)])
for (const host of hosts) {
  host.transport.start({
    frame: () => undefined,
    connected: () => undefined,
    disconnected: () => undefined,
    presence: () => undefined,
  })
  host.transport.want(new Set(hosts.map(({ hostId }) => hostId)))
}
await until(() => hosts.every(({ transport }) => transport.peers()[0]?.path === 'direct'))
for (const host of hosts) await host.transport.close()
await seed.close()
process.send?.('closed')
process.disconnect()
