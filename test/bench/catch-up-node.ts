// One process of the group in which a follower catches up. Arguments: the address of the seed, the folder.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openHost } from '../../src/node.ts'
import { drive } from './drive.ts'
import { benchCluster } from './quorate-names.ts'

/** What the process is told, or asked; each is answered by 'done' with what it found. */
export interface CatchUpOrder {
  readonly type: 'promote' | 'fill' | 'load' | 'status' | 'reset'
  readonly hosts?: readonly string[]
  readonly entries?: number
  readonly durationMs?: number
}

export interface CatchUpStatus {
  readonly hostId: string
  readonly role: string
  readonly leader: string | undefined
  readonly term: number
  readonly commit: number
  readonly applied: number
  /** How often the leader that this process knows of was another one, or none, since it was reset. */
  readonly leaderChanges: number
  /** The longest stretch in which this process did nothing else, since it was reset. */
  readonly longestTurnMs: number
  readonly rssMb: number
  readonly opsPerSecond: number
  readonly p99Ms: number
}

const [, , seed = '', data = ''] = process.argv
const value = new Uint8Array(100).fill(118)
const host = await openHost({ ...benchCluster, seeds: [seed], data, bindAddress: '127.0.0.1' })
const store = await host.store('bench', { deadlineMs: 60_000, waitForLeader: false })
const delays = monitorEventLoopDelay({ resolution: 5 })
delays.enable()
let leaderChanges = 0
let lastLeader = store.status().leader
let load = { opsPerSecond: 0, p99Ms: 0 }
store.on('leader', () => {
  const { leader } = store.status()
  if (leader !== lastLeader) leaderChanges += 1
  lastLeader = leader
})

async function obey({ type, hosts = [], entries = 0, durationMs = 0 }: CatchUpOrder): Promise<void> {
  if (type === 'promote') await store.promote(hosts, { deadlineMs: 60_000 })
  if (type === 'fill') await fill(entries)
  if (type === 'load')
    load = await drive({ inFlight: 32, durationMs }, n => store.put(`busy/${n % 1000}`, value))
  if (type === 'reset') {
    leaderChanges = 0
    lastLeader = store.status().leader
    delays.reset()
  }
}

/** New keys, a window of them at a time. */
async function fill(entries: number): Promise<void> {
  let next = 0
  const writer = async (): Promise<void> => {
    while (next < entries) await store.put(`key/${next++}`, value, { deadlineMs: 60_000 })
  }
  await Promise.all(Array.from({ length: 1000 }, writer))
}

process.on('message', (order: CatchUpOrder) => {
  void obey(order).then(() => {
    const { role, leader, term, commit, applied } = store.status()
    const found: CatchUpStatus = {
      hostId: host.id,
      role,
      leader,
      term,
      commit,
      applied,
      leaderChanges,
      longestTurnMs: Math.round(delays.max / 1e6),
      rssMb: Math.round(process.memoryUsage().rss / 1e6),
      opsPerSecond: load.opsPerSecond,
      p99Ms: load.p99Ms,
    }
    process.send?.({ ...found, type: order.type })
  })
})
process.once('disconnect', () => process.exit(0))
