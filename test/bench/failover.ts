import { setTimeout as delay } from 'node:timers/promises'
import { engineDefaults } from '../../src/engine/parts.ts'
import { type Bar, print, rounded } from './bar.ts'
import { type Members, startMembers } from './members.ts'

/** Kills come at any moment between two heartbeats. */
const pauseMsMax = 500

/**
 * How long a cluster is without a leader: its process is killed as by a power cut, without a goodbye; then a write is
 * begun at each of the two others, and the first one to be done counts. Real processes, files and WebRTC, with the
 * timeouts that a user gets.
 */
export async function benchFailover(kills = 100): Promise<Bar[]> {
  const members = await startMembers(1)
  const gapsMs: number[] = []
  try {
    for (let round = 0; round < kills; round++) gapsMs.push(await killLeader(members))
  } finally {
    await members.close()
  }
  gapsMs.sort((left, right) => left - right)
  const at = (share: number) => rounded(gapsMs[Math.ceil(gapsMs.length * share) - 1] ?? Number.NaN)
  const electionMs = engineDefaults.electionTicks * engineDefaults.tickMs
  print({ bench: 'failover', kills, electionMs, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) })
  const value = rounded(at(0.99) / electionMs)
  return [{ bar: 'p99 of failover <= 2 election timeouts', value, pass: value <= 2 }]
}

async function killLeader(members: Members): Promise<number> {
  const found = await members.settled()
  const leader = found.findIndex(({ roles }) => roles[0] === 'leader')
  await delay(Math.random() * pauseMsMax)
  const killedMs = await members.kill(leader)
  const others = [...found.keys()].filter(member => member !== leader)
  const written = await Promise.all(others.map(member => members.ask(member, { type: 'write' })))
  await members.restart(leader)
  return Math.min(...written.map(({ atMs }) => atMs)) - killedMs
}
