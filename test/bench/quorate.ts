import type { ChildProcess } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { memoryFoundingStore } from '../../src/server/founding.ts'
import { createSignaling } from '../../src/server/signaling.ts'
import type { Load, Measurement } from './drive.ts'
import { endProcess, makeFolder, memberCount, nextMessage, startProcess } from './processes.ts'
import { benchCluster } from './quorate-names.ts'
import type { QuorateCall, QuorateMessage } from './quorate-node.ts'
import type { System } from './system.ts'
import { withCpuUse } from './usage.ts'

export interface QuorateSystem extends System {
  /** A load on another host than the leader, which is the first: on the others, and then on the client. */
  measureOn(host: number, load: Load, call: QuorateCall): Promise<Measurement>
}

export function startQuorate(): Promise<QuorateSystem> {
  return startHosts(0)
}

/** Three hosts with files, and clients, over WebRTC. They meet at a seed without a replica, in this process. */
export async function startHosts(clientCount: number): Promise<QuorateSystem> {
  const seed = await startSignaling()
  const folder = await makeFolder('quorate')
  const hosts: ChildProcess[] = []
  const close = async (): Promise<void> => {
    await Promise.all(hosts.map(endProcess))
    await seed.close()
    await folder.remove()
  }
  const startHost = async (number: number, role = 'member'): Promise<string> => {
    const words = [seed.url, join(folder.path, String(number)), role]
    const host = await startProcess('quorate-node.ts', words)
    hosts.push(host)
    return (await nextMessage(host, isReady)).hostId
  }
  try {
    // The first one founds the cluster, and leads it.
    await startHost(0)
    const followers: string[] = []
    for (let number = 1; number < memberCount; number++) followers.push(await startHost(number))
    await ask(hosts[0], { type: 'promote', hosts: followers }, isPromoted)
    for (let client = 0; client < clientCount; client++) await startHost(memberCount + client, 'client')
  } catch (error) {
    await close()
    throw error
  }
  const measureOn = async (host: number, load: Load, call: QuorateCall): Promise<Measurement> =>
    (await ask(hosts[host], { type: 'load', load, call }, isMeasured)).measurement
  return { measure: load => withCpuUse(hosts, () => measureOn(0, load, 'put')), measureOn, close }
}

export async function startSignaling(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const signaling = await createSignaling({ ...benchCluster, founding: memoryFoundingStore() })
  const server = createServer()
  signaling.attach(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      await signaling.close()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

type OfType<Type> = Extract<QuorateMessage, { readonly type: Type }>

const isReady = (message: QuorateMessage): message is OfType<'ready'> => message.type === 'ready'
const isPromoted = (message: QuorateMessage): message is OfType<'promoted'> => message.type === 'promoted'
const isMeasured = (message: QuorateMessage): message is OfType<'measured'> => message.type === 'measured'

function ask<Answer extends QuorateMessage>(
  host: ChildProcess | undefined,
  message: QuorateMessage,
  accept: (message: QuorateMessage) => message is Answer,
): Promise<Answer> {
  if (host === undefined) throw new Error('the host was not started')
  host.send(message)
  return nextMessage(host, accept)
}
