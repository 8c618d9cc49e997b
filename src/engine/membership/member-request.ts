import type { GroupId, HostId, Revision } from '../../core/types.ts'
import { asArray, asBoolean, asNatural, asOneOf, asText } from '../../wire/guards.ts'
import type { MemberList } from '../types.ts'

/** What can be asked about the members of a group. */
export interface MemberRequest {
  readonly type: 'promote' | 'demote' | 'remove' | 'weigh' | 'decide' | 'transfer'
  readonly hosts: readonly HostId[]
  /** To weigh: the weight of each of the hosts. To decide: sets of the hosts, each one the sum of 2 ** position. */
  readonly numbers: readonly number[]
  /** The table that it was made for; undefined: whichever there is. */
  readonly expected: Revision | undefined
}

// Sent by position: only ever append.
const types: readonly MemberRequest['type'][] = ['promote', 'demote', 'remove', 'weigh', 'decide', 'transfer']

/** A request as data for `encode`. `isRetry`: an earlier attempt may have been carried out. */
export function requestBody(group: GroupId, request: MemberRequest, isRetry: boolean): readonly unknown[] {
  const { type, hosts, numbers, expected } = request
  return [group, types.indexOf(type), hosts, numbers, expected ?? null, isRetry]
}

/** The reverse of `requestBody`. */
export function asRequest(body: readonly unknown[]): { request: MemberRequest; isRetry: boolean } {
  const [, type, hosts, numbers = [], expected = null, isRetry = false] = body
  const request = {
    type: asOneOf(type, types),
    hosts: asArray(hosts).map(host => asText(host)),
    numbers: asArray(numbers).map(asNatural),
    expected: expected === null ? undefined : asNatural(expected),
  }
  return { request, isRetry: asBoolean(isRetry) }
}

/** The members of a group as data for `encode`. */
export function membersBody({ revision, members }: MemberList): unknown {
  const list = members.map(({ hostId, replica, role, wanted, witness, weight }) => [
    hostId,
    replica,
    roles.indexOf(role),
    roles.indexOf(wanted),
    witness,
    weight,
  ])
  return [revision, list]
}

/** The reverse of `membersBody`. */
export function asMembers(body: unknown): MemberList {
  const [revision, list] = asArray(body, 2)
  const members = asArray(list).map(value => {
    const [hostId, replica, role, wanted, witness, weight] = asArray(value, 6)
    return {
      hostId: asText(hostId),
      replica: asNatural(replica),
      role: asOneOf(role, roles),
      wanted: asOneOf(wanted, roles),
      witness: asBoolean(witness),
      weight: asNatural(weight),
    }
  })
  return { revision: asNatural(revision), members }
}

const roles = ['voter', 'learner'] as const
