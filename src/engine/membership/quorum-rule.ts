import { QuorateError } from '../../core/error.ts'
import { doMeet, quorumsOf } from '../../core/quorum.ts'
import type { HostId } from '../../core/types.ts'
import { isPromise } from '../calls/is-promise.ts'

/** Whether these voters, and no other ones, may decide. */
export type QuorumRule = (hosts: ReadonlySet<HostId>) => boolean

/**
 * The smallest sets of voters that the rule lets decide, as masks: 2 ** position of each host in them. Asks it about
 * every set. Throws MEMBERSHIP_REFUSED where no set decides, or two that share no voter do.
 */
export function quorumMasks(voters: readonly HostId[], rule: QuorumRule): readonly number[] {
  const decides = (set: readonly number[]): boolean => {
    // Nobody never decides, whatever the rule says of it.
    if (set.length === 0) return false
    const hosts = new Set(set.map(position => voters[position] ?? ''))
    const answer: unknown = typeof rule === 'function' ? rule(hosts) : undefined
    if (typeof answer === 'boolean') return answer
    isPromise(answer)
    throw new TypeError('a rule is a function that answers true or false')
  }
  const sets = quorumsOf([...voters.keys()], decides)
  if (sets.length === 0) throw refused('by this rule nobody ever decides')
  if (!doMeet(sets)) throw refused('by this rule two sets of voters decide that have no voter in common')
  return sets.map(set => set.reduce((mask, position) => mask + 2 ** position, 0))
}

function refused(why: string): QuorateError {
  return new QuorateError('MEMBERSHIP_REFUSED', why)
}
