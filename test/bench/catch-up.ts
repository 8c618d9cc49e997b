// `node --import tsx test/bench/catch-up.ts [entries]`: a follower that was killed, and is a million entries behind
// when it is back, catches up while writes go on. Three processes with files, over WebRTC. Prints what each of them
// found; exits with 1 where the leader lost its leadership, or the follower its leader.

import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { CatchUpOrder, CatchUpStatus } from './catch-up-node.ts'
import { endProcess, makeFolder, memberCount, nextMessage, startProcess } from './processes.ts'
import { startSignaling } from './quorate.ts'

type Answer = CatchUpStatus & { readonly type: CatchUpOrder['type'] }

const entries = Number(process.argv[2] ?? 1_000_000)
const seed = await startSignaling()
const folder = await makeFolder('catch-up')
const running: ChildProcess[] = []
const start = async (number: number): Promise<ChildProcess> => {
  const node = await startProcess('catch-up-node.ts', [seed.url, join(folder.path, String(number))])
  running.push(node)
  return node
}
const ask = (node: ChildProcess, order: CatchUpOrder): Promise<Answer> => {
  node.send(order)
  return nextMessage(node, (message: Answer): message is Answer => message.type === order.type)
}

async function run(): Promise<boolean> {
  const leader = await start(0)
  // Founded before the others come.
  await ask(leader, { type: 'status' })
  const others: ChildProcess[] = []
  for (let number = 1; number < memberCount; number++) others.push(await start(number))
  const hosts = await Promise.all(others.map(async node => (await ask(node, { type: 'status' })).hostId))
  await ask(leader, { type: 'promote', hosts })
  const [follower, away] = others
  if (follower === undefined || away === undefined) throw new Error('three hosts were started')
  await endProcess(away)
  await delay(5_000)
  let startedAt = performance.now()
  await ask(leader, { type: 'fill', entries })
  print({ filled: entries, seconds: seconds(startedAt) })
  await ask(leader, { type: 'load', durationMs: 5_000 }).then(quiet => print({ alone: loadOf(quiet) }))
  const before = await ask(leader, { type: 'reset' })
  await ask(follower, { type: 'reset' })
  startedAt = performance.now()
  const back = await start(2)
  const isBack = ask(back, { type: 'status' })
  let lag = entries
  for (let rounds = 0; lag > 1000 && rounds < 150; rounds++) {
    const busy = await ask(leader, { type: 'load', durationMs: 2_000 })
    await isBack
    const there = await ask(back, { type: 'status' })
    // From the moment it knows its leader, it must not lose it.
    if (rounds === 0) await ask(back, { type: 'reset' })
    lag = busy.commit - there.applied
    print({ seconds: seconds(startedAt), lag, load: loadOf(busy), leader: of(busy), follower: of(there) })
  }
  const [after, beside, there] = await Promise.all(
    [leader, follower, back].map(node => ask(node, { type: 'status' })),
  )
  print({ caughtUp: lag <= 1000, leader: of(after), beside: of(beside), follower: of(there) })
  return lag <= 1000 && after?.term === before.term && after.role === 'leader' && there?.leaderChanges === 0
}

function of(status: Answer | undefined): object {
  const { role, term, leaderChanges, longestTurnMs, rssMb } = status ?? {}
  return { role, term, leaderChanges, longestTurnMs, rssMb }
}

function loadOf({ opsPerSecond, p99Ms }: Answer): object {
  return { opsPerSecond, p99Ms }
}

function seconds(from: number): number {
  return Math.round((performance.now() - from) / 100) / 10
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

try {
  process.exitCode = (await run()) ? 0 : 1
} finally {
  await Promise.all(running.map(endProcess))
  await seed.close()
  await folder.remove()
}
