import { seededRandom } from '../../src/base/random.ts'
import { Counters } from '../../src/transport/counters.ts'
import { createIdentity } from '../../src/transport/identity.ts'
import { deriveClusterKeys } from '../../src/transport/secret.ts'
import { Signaling } from '../../src/transport/signaling.ts'
import { openNodeSocket } from '../../src/transport/websocket-node.ts'
import { cluster, realTimers, secret } from '../transport/real-cluster.ts'

// A host that goes to a seed, says its name to whoever forked it, and is stopped then.
const identity = await createIdentity(true)
const signaling = new Signaling({
  urls: [process.argv[2] ?? ''],
  identity,
  keys: await deriveClusterKeys(cluster, secret),
  openSocket: openNodeSocket,
  timers: realTimers,
  random: seededRandom(1),
  counters: new Counters(),
})
await signaling.found('0'.repeat(32), AbortSignal.timeout(10_000))
process.send?.(identity.hostId)
