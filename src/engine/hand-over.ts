import type { Clock } from './clock.ts'
import type { Replica } from './replica.ts'
import { pause } from './retry.ts'

/** Gives one group's leadership to the voter that knows most of the log. Resolves when it is gone, or after a while. */
export async function handOver(replica: Replica, clock: Clock, patienceMs: number): Promise<void> {
  const candidates = replica.node
    .status()
    .progress.filter(one => one.id !== replica.id && !one.isLearner && one.recentActive)
    .sort((left, right) => right.match - left.match)
  const [best] = candidates
  if (best === undefined) return
  replica.node.transferLeadership(best.id)
  replica.requestTurn()
  const end = clock.now() + patienceMs
  while (replica.leads && clock.now() < end) {
    await Promise.race([replica.leaderChange(), pause(clock, end - clock.now(), undefined)])
  }
}
