import { openTestHost } from './real-cluster.ts'

// A host in a process of its own, to be killed.
const host = await openTestHost({ url: process.argv[2] ?? '' })
host.transport.start({
  frame: () => undefined,
  connected: () => undefined,
  disconnected: () => undefined,
  presence: () => undefined,
})
process.send?.(host.hostId)
