import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { MemberOrder, MemberStatus } from './member-node.ts'
import { endProcess, makeFolder, memberCount, nextMessage, startProcess } from './processes.ts'
import { startSignaling } from './quorate.ts'

/** Three processes with files, over WebRTC, all of them voters. They can be killed and started again. */
export interface Members {
  /** Carries the order out at a member; rejects when its process ends before. */
  ask(member: number, order: MemberOrder): Promise<MemberStatus>
  /** Ends the process at once, as a power cut would. Resolves with the moment, by the clock of `MemberStatus.atMs`. */
  kill(member: number): Promise<number>
  restart(member: number): Promise<void>
  /** Resolves, once every store has a leader, all members have the same log, and reach each other directly. */
  settled(): Promise<readonly MemberStatus[]>
  close(): Promise<void>
}

const pollMs = 50
const settleMsMax = 120_000

export async function startMembers(storeCount: number): Promise<Members> {
  const seed = await startSignaling()
  const folder = await makeFolder('members')
  const running: ChildProcess[] = []
  const ask = (member: number, order: MemberOrder): Promise<MemberStatus> => {
    const node = running[member]
    if (node === undefined) throw new Error(`member ${member} was not started`)
    node.send(order)
    return nextMessage(node, (message: MemberStatus): message is MemberStatus => message.type === order.type)
  }
  const restart = async (member: number): Promise<void> => {
    const words = [seed.url, join(folder.path, String(member)), String(storeCount)]
    running[member] = await startProcess('member-node.ts', words)
    await ask(member, { type: 'status' })
  }
  const members = Array.from({ length: memberCount }, (_, member) => member)
  const cluster: Members = {
    ask,
    restart,
    async kill(member) {
      const atMs = Number(process.hrtime.bigint()) / 1e6
      const node = running[member]
      if (node !== undefined) await endProcess(node)
      return atMs
    },
    async settled() {
      for (let waitedMs = 0; waitedMs < settleMsMax; waitedMs += pollMs) {
        const found = await Promise.all(members.map(member => ask(member, { type: 'status' })))
        if (isSettled(found)) return found
        await delay(pollMs)
      }
      throw new Error('the cluster does not settle')
    },
    async close() {
      await Promise.all(running.map(endProcess))
      await seed.close()
      await folder.remove()
    },
  }
  try {
    // The first one founds the cluster.
    for (const member of members) await restart(member)
    const others = await Promise.all(members.slice(1).map(member => ask(member, { type: 'status' })))
    await ask(0, { type: 'promote', hosts: others.map(({ hostId }) => hostId) })
    await cluster.settled()
  } catch (error) {
    await cluster.close()
    throw error
  }
  return cluster
}

function isSettled(found: readonly MemberStatus[]): boolean {
  const [first] = found
  if (first === undefined || found.some(({ direct }) => direct < found.length - 1)) return false
  return first.roles.every((_, store) => {
    const roles = found.map(({ roles }) => roles[store]).sort()
    const applied = new Set(found.map(({ applied }) => applied[store]))
    return roles.join() === 'follower,follower,leader' && applied.size === 1
  })
}
