import type { HostId } from '../core/types.ts'

/** Throws TypeError on what are no weights of hosts. Which host is a member, and what is too much, the leader says. */
export function checkWeights(weights: unknown): asserts weights is Readonly<Record<HostId, number>> {
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights))
    throw new TypeError('weights are given as { [host]: weight }')
  if (!Object.values(weights).every(weight => Number.isSafeInteger(weight) && weight > 0))
    throw new TypeError('a weight is an integer from 1')
}
