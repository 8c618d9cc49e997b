import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import type { ReplicaId } from '../../core/types.ts'
import type { Call } from '../calls/call.ts'
import type { EngineOptions, HostParts } from '../parts.ts'
import type { Replica } from '../replica/replica.ts'

/** Between two looks at whether Raft has given a transfer up, of which it tells nobody. */
const lookMs = 50

/**
 * Has this leader hand over to another replica, and says whether that one leads. Raft gives it up after an election
 * timeout; until then the leader takes no proposals. Rejects with TIMEOUT at the deadline, and says `outcome` of what
 * was asked for.
 */
export async function transferLeadership(
  clock: Clock,
  replica: Replica,
  to: ReplicaId,
  call: Call,
  outcome: 'none' | 'unknown' = 'unknown',
): Promise<boolean> {
  if (to === replica.id) return true
  const host = replica.hostOf(to)
  replica.node.transferLeadership(to)
  replica.requestTurn()
  for (;;) {
    replica.check(outcome)
    // For a moment between the two nobody leads.
    if (!replica.leads && replica.leader !== undefined) return replica.leader === host
    if (replica.leads && replica.node.status().leadTransferee !== to) return false
    if (clock.now() >= call.deadline) throw late(outcome)
    await replica.leaderChange.wait(clock, lookMs, call.signal)
  }
}

/** Gives away what these replicas lead, where another voter is connected that can take it; for an election timeout. */
export async function handOver(
  replicas: readonly Replica[],
  { clock }: HostParts,
  { electionTicks, tickMs }: EngineOptions,
): Promise<void> {
  const led = replicas.filter(replica => replica.leads)
  await Promise.all(led.map(replica => handOverOne(replica, clock, electionTicks * tickMs)))
}

/** Gives one group's leadership to the voter that knows most of the log. Resolves when it is gone, or after a while. */
async function handOverOne(replica: Replica, clock: Clock, patienceMs: number): Promise<void> {
  const successor = replica.resignation.successor()
  if (successor === undefined) return
  replica.node.transferLeadership(successor)
  replica.requestTurn()
  const end = clock.now() + patienceMs
  while (replica.leads && clock.now() < end) {
    await replica.leaderChange.wait(clock, end - clock.now(), undefined)
  }
}

function late(outcome: 'none' | 'unknown'): QuorateError {
  return new QuorateError('TIMEOUT', 'the deadline passed while leadership was being handed over', {
    retryable: true,
    outcome,
  })
}
