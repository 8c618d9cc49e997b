import { setTimeout as delay } from 'node:timers/promises'
import { type Bar, print, rounded } from './bar.ts'
import { startMembers } from './members.ts'
import { memberCount } from './processes.ts'

const groups = 64
/** Until whatever an opening leaves behind is done, and groups that may sleep do. */
const settleMs = 20_000
const measureMs = 30_000

/** What groups cost in which nothing happens: processor time of three processes with files, over WebRTC. */
export async function benchIdle(): Promise<Bar[]> {
  const members = await startMembers(groups)
  try {
    await delay(settleMs)
    const ask = () =>
      Promise.all(Array.from({ length: memberCount }, (_, member) => members.ask(member, { type: 'status' })))
    const before = await ask()
    await delay(measureMs)
    const shares = (await ask()).map(({ cpuUs, atMs }, member) => {
      const { cpuUs: usedUs = 0, atMs: fromMs = 0 } = before[member] ?? {}
      return rounded((cpuUs - usedUs) / 1000 / (atMs - fromMs))
    })
    print({ bench: 'idle', groups, coreShares: shares })
    const value = Math.max(...shares)
    return [{ bar: `${groups} idle groups <= 0.01 of a core per host`, value, pass: value <= 0.01 }]
  } finally {
    await members.close()
  }
}
