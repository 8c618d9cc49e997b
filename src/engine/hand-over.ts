import type { Clock } from '../clock/clock.ts'
import type { HostId } from '../core/types.ts'
import type { Replica } from './replica.ts'

/** Gives one group's leadership to the voter that knows most of the log. Resolves when it is gone, or after a while. */
export async function handOver(
  replica: Replica,
  options: {
    readonly clock: Clock
    readonly patienceMs: number
    readonly isConnected: (host: HostId | undefined) => boolean
  },
): Promise<void> {
  const { clock, patienceMs, isConnected } = options
  const candidates = replica.node
    .status()
    .progress.filter(one => one.id !== replica.id && !one.isLearner && isConnected(replica.hostOf(one.id)))
    .sort((left, right) => right.match - left.match)
  const [best] = candidates
  if (best === undefined) return
  replica.node.transferLeadership(best.id)
  replica.requestTurn()
  const end = clock.now() + patienceMs
  while (replica.leads && clock.now() < end) {
    await replica.leaderChange.wait(clock, end - clock.now(), undefined)
  }
}
