import { join } from 'node:path'
import type { Load, Measurement } from './drive.ts'
import type { LimitMessage } from './limit-node.ts'
import { endProcess, makeFolder, memberCount, nextMessage, startProcess } from './processes.ts'
import type { System } from './system.ts'
import { withCpuUse } from './usage.ts'

/** Three processes that do no more than any replicated log must: the ceiling of this machine. */
export async function startLimit(): Promise<System> {
  const folder = await makeFolder('limit')
  const numbers = Array.from({ length: memberCount }, (_, number) => number)
  const members = await Promise.all(
    numbers.map(number =>
      startProcess('limit-node.ts', [String(number), join(folder.path, `${number}.log`)]),
    ),
  )
  const [leader] = members
  if (leader === undefined) throw new Error('no leader')
  for (const [from, member] of members.entries()) {
    member.on('message', (message: LimitMessage) => {
      if ('peer' in message) members[message.peer]?.send({ ...message, peer: from })
    })
  }
  await nextMessage(leader, isReady)
  return {
    async measure(load: Load): Promise<Measurement> {
      return withCpuUse(members, async () => {
        leader.send({ type: 'load', load } satisfies LimitMessage)
        return (await nextMessage(leader, isMeasured)).measurement
      })
    },
    async close(): Promise<void> {
      await Promise.all(members.map(endProcess))
      await folder.remove()
    },
  }
}

type OfType<Type> = Extract<LimitMessage, { readonly type: Type }>

const isReady = (message: LimitMessage): message is OfType<'ready'> => message.type === 'ready'
const isMeasured = (message: LimitMessage): message is OfType<'measured'> => message.type === 'measured'
