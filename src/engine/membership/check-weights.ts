import type { HostId } from '../../core/types.ts'

/** Throws TypeError on what are no weights of hosts. Which host is a member, and what is too much, the leader says. */
export function checkWeights(weights: unknown): asserts weights is Readonly<Record<HostId, number>> {
  const isTable = typeof weights === 'object' && weights !== null && !Array.isArray(weights)
  if (!isTable || !Object.values(weights).every(weight => Number.isSafeInteger(weight) && weight > 0))
    throw new TypeError('weights are { [host]: integer from 1 }')
}
