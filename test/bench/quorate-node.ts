// One process of the store under load: a host with a folder of its own, in a cluster that meets at a seed.
// Arguments: the address of the seed, the folder, the role. The first host leads.

import { setTimeout as delay } from 'node:timers/promises'
import { type Host, openHost, type Store } from '../../src/node.ts'
import { answerUsage } from './answer-usage.ts'
import type { Load, Measurement } from './drive.ts'
import { drive, keyCount, valueBytes } from './drive.ts'
import { benchCluster } from './quorate-names.ts'

/** What the load consists of. Reads are linearizable. */
export type QuorateCall = 'put' | 'get'

export type QuorateMessage =
  | { readonly type: 'ready'; readonly hostId: string }
  | { readonly type: 'promote'; readonly hosts: readonly string[] }
  | { readonly type: 'promoted' }
  | { readonly type: 'load'; readonly load: Load; readonly call: QuorateCall }
  | { readonly type: 'measured'; readonly measurement: Measurement }

const [, , seed = '', data = '', role = 'member'] = process.argv

function send(message: QuorateMessage): void {
  process.send?.(message)
}

async function main(): Promise<void> {
  const host = await openHost({
    ...benchCluster,
    seeds: [seed],
    ...(role === 'client' ? { role } : { data }),
    bindAddress: '127.0.0.1',
  })
  const store = await host.store('bench', { deadlineMs: 20_000 })
  process.on('message', (message: QuorateMessage) => {
    if (message.type === 'promote')
      void promote(host, store, message.hosts).then(() => send({ type: 'promoted' }))
    if (message.type === 'load') {
      void load(store, message).then(measurement => send({ type: 'measured', measurement }))
    }
  })
  send({ type: 'ready', hostId: host.id })
}

/** Resolves when all hosts vote, this one leads, and it reaches the others without the seed in between. */
async function promote(host: Host, store: Store, hosts: readonly string[]): Promise<void> {
  await store.promote(hosts)
  for (;;) {
    const voters = (await store.members()).filter(member => member.role === 'voter')
    const direct = host.info().peers.filter(peer => peer.path === 'direct')
    const leads = store.status().role === 'leader'
    if (leads && voters.length === hosts.length + 1 && direct.length === hosts.length) return
    await delay(50)
  }
}

function load(
  store: Store,
  { load, call }: { readonly load: Load; readonly call: QuorateCall },
): Promise<Measurement> {
  if (call === 'get') return drive(load, number => store.get(`key/${number % keyCount}`))
  const value = new Uint8Array(valueBytes).fill(118)
  return drive(load, number => store.put(`key/${number % keyCount}`, value))
}

process.once('disconnect', () => process.exit(0))
answerUsage()
await main()
