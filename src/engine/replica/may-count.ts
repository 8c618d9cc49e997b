import type { Replica } from './replica.ts'

/**
 * Whether a quorum may stand on what the replica has stored: it votes, or its log makes it a voter further on than it
 * has applied. What others say of it is then no reason to give that up.
 */
export function mayCount({ id, conf, log, machine }: Replica): boolean {
  const end = log.lastIndex() + 1
  const ahead = log.entries(Math.min(machine.appliedIndex + 1, end), end, Number.POSITIVE_INFINITY)
  if (typeof ahead === 'string' || [...conf.voters, ...conf.votersOutgoing].includes(id)) return true
  return [...ahead].some(({ change }) =>
    change?.steps.some(step => step.type === 'add-voter' && step.replica === id),
  )
}
