// One host of a cluster that is killed, or left alone. Arguments: the address of the seed, the folder, how many stores.

import { openHost, type Store } from '../../src/node.ts'
import { benchCluster } from './quorate-names.ts'

/** What the process is told to do; each order is answered by a MemberStatus of the same type. */
export interface MemberOrder {
  readonly type: 'status' | 'promote' | 'write'
  readonly hosts?: readonly string[]
}

export interface MemberStatus {
  readonly type: MemberOrder['type']
  readonly hostId: string
  /** What it is in each store. */
  readonly roles: readonly string[]
  /** How far each store is applied. */
  readonly applied: readonly number[]
  /** Peers that it reaches without the seed in between. */
  readonly direct: number
  readonly cpuUs: number
  /** When the order was carried out, by the clock that all processes of a machine share. */
  readonly atMs: number
}

const patience = { deadlineMs: 60_000 } as const

const [, , seed = '', data = '', storeCount = '1'] = process.argv
const host = await openHost({ ...benchCluster, seeds: [seed], data, bindAddress: '127.0.0.1' })
const stores: Store[] = []
for (let number = 0; number < Number(storeCount); number++) {
  stores.push(await host.store(`store-${number}`, { ...patience, waitForLeader: false }))
}

async function obey({ type, hosts = [] }: MemberOrder): Promise<void> {
  for (const store of stores) {
    if (type === 'promote') await store.promote(hosts, patience)
    if (type === 'write') await store.put('key', 'value', patience)
  }
}

process.on('message', (order: MemberOrder) => {
  void obey(order).then(() => {
    const atMs = Number(process.hrtime.bigint()) / 1e6
    const { user, system } = process.cpuUsage()
    const states = stores.map(store => store.status())
    const status: MemberStatus = {
      type: order.type,
      hostId: host.id,
      roles: states.map(({ role }) => role),
      applied: states.map(({ applied }) => applied),
      direct: host.info().peers.filter(({ path }) => path === 'direct').length,
      cpuUs: user + system,
      atMs,
    }
    process.send?.(status)
  })
})
process.once('disconnect', () => process.exit(0))
