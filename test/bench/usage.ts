import type { ChildProcess } from 'node:child_process'
import type { CpuUse, Measurement } from './drive.ts'
import { nextMessage } from './processes.ts'

type UsageMessage = { readonly type: 'usage' } | { readonly type: 'used'; readonly us: number }

/**
 * Runs a measurement and adds what it cost each process, native threads included. On a machine whose cores are taken by
 * others too, this says more than the clock does.
 */
export async function withCpuUse(
  members: readonly ChildProcess[],
  measure: () => Promise<Measurement>,
): Promise<Measurement> {
  const before = await Promise.all(members.map(usedUs))
  const measurement = await measure()
  const after = await Promise.all(members.map(usedUs))
  const perOperation = after.map((us, member) => (us - (before[member] ?? 0)) / measurement.operations)
  const [leader = Number.NaN, ...followers] = perOperation.map(us => Math.round(us * 100) / 100)
  const cpuUs: CpuUse = { leader, followers: Math.round(followers.reduce((a, b) => a + b) * 100) / 100 }
  return { ...measurement, cpuUs }
}

async function usedUs(member: ChildProcess): Promise<number> {
  member.send({ type: 'usage' } satisfies UsageMessage)
  return (await nextMessage(member, isUsed)).us
}

type Used = Extract<UsageMessage, { readonly type: 'used' }>

const isUsed = (message: UsageMessage): message is Used => message.type === 'used'
